/**
 * Which host a desktop should run on. Pure: facts in, a decision with its reasons out; nothing is reserved here.
 * Filters drop hosts, each with the sentence an administrator reads under "why not there"; weights rank the rest.
 */

export interface Resources {
  vcpus: number
  memoryBytes: number
}

export interface HostFacts {
  id: string
  name: string
  state: 'joining' | 'online' | 'suspect' | 'lost' | 'maintenance'
  total: Resources
  /** Of everything that is wished to run, reported or not: starts under way count. */
  taken: Resources
  images: ReadonlySet<string>
  storageFreeBytes: number | null
  /** What the host says is wrong with it (network, libvirt); null when it is well. */
  trouble: string | null
}

export interface Demand extends Resources {
  imageId: string
}

export interface Decision {
  hostId: string | undefined
  why: string
  rejected: { hostName: string; reason: string }[]
}

/** Kept for the host itself. More: fewer desktops; less: QEMU's own memory pushes the host into swap. */
const memoryReserve = 0.1
/**
 * vCPUs promised per core, a ceiling: what is comfortable is the host's capacity (vmm/capacity.ts). Lower: small desktops
 * that idle are refused with memory free; higher: one class typing at once is felt by everybody.
 */
const vcpusPerCore = 16
/** An overlay starts at 200 KiB and grows; below this a host gets no more of them. */
const storageReserveBytes = 1024 ** 3

export const resourcesLeft = (host: HostFacts): Resources => ({
  vcpus: host.total.vcpus * vcpusPerCore - host.taken.vcpus,
  memoryBytes: Math.floor(host.total.memoryBytes * (1 - memoryReserve)) - host.taken.memoryBytes,
})

type Filter = (host: HostFacts, demand: Demand) => string | undefined
const MiB = (bytes: number) => `${Math.max(0, Math.floor(bytes / 1024 ** 2))} MiB`

const filters: Filter[] = [
  host =>
    host.state === 'online'
      ? undefined
      : host.state === 'maintenance'
        ? 'the host is in maintenance'
        : `the host is ${host.state}`,
  host => (host.trouble === null ? undefined : host.trouble),
  (host, demand) => (host.images.has(demand.imageId) ? undefined : 'the template version is not ready there'),
  (host, demand) => {
    const { vcpus } = resourcesLeft(host)
    return vcpus >= demand.vcpus ? undefined : `${vcpus} vCPU left, ${demand.vcpus} wanted`
  },
  (host, demand) => {
    const { memoryBytes } = resourcesLeft(host)
    return memoryBytes >= demand.memoryBytes
      ? undefined
      : `${MiB(memoryBytes)} memory left, ${MiB(demand.memoryBytes)} wanted`
  },
  host =>
    host.storageFreeBytes === null || host.storageFreeBytes >= storageReserveBytes
      ? undefined
      : 'its storage is nearly full',
]

export function placeDesktop(hosts: readonly HostFacts[], demand: Demand): Decision {
  const rejected: Decision['rejected'] = []
  const feasible = hosts.filter(host => {
    const reason = filters.map(filter => filter(host, demand)).find(text => text !== undefined)
    if (reason !== undefined) rejected.push({ hostName: host.name, reason })
    return reason === undefined
  })
  // Spread by memory left. The id decides between equals, so that the same facts always give the same answer.
  const [best] = feasible.toSorted(
    (a, b) => resourcesLeft(b).memoryBytes - resourcesLeft(a).memoryBytes || a.id.localeCompare(b.id),
  )
  return {
    hostId: best?.id,
    why: best
      ? `most memory left of ${feasible.length} that fit`
      : hosts.length === 0
        ? 'no host has joined'
        : 'no host fits',
    rejected,
  }
}

/** The same host with one more desktop on it: for placing many in one go. */
export const withDesktop = (host: HostFacts, demand: Demand): HostFacts => ({
  ...host,
  taken: { vcpus: host.taken.vcpus + demand.vcpus, memoryBytes: host.taken.memoryBytes + demand.memoryBytes },
})

/** Why nothing fits, in one sentence for a person who administers. */
export const decisionText = ({ why, rejected }: Decision) =>
  rejected.length === 0
    ? why
    : `${why}: ${rejected
        .slice(0, 3)
        .map(({ hostName, reason }) => `${hostName}: ${reason}`)
        .join('; ')}`
