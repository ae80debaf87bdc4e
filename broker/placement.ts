/**
 * Which host a desktop should run on, in two levels: the cluster, then the host. Pure: facts in, a decision with its
 * reasons out; nothing is reserved here. Filters drop hosts, each with the sentence an administrator reads under "why
 * not there"; weights rank the rest.
 */
import type { HostState } from '../db/schema.ts'
import type {
  Affinity,
  ClusterNetworkValue,
  NetworkValue,
  PlacementHostValue,
  PlacementPolicy,
} from '../db/schema-hosts.ts'
import { type DiskBus, type Firmware, hardwareDefaults, hardwareFull } from '../lib/hardware.ts'
import { networkIn } from './nics.ts'

export interface Resources {
  vcpus: number
  memoryBytes: number
}

export interface HostFacts {
  id: string
  name: string
  clusterId: string
  clusterName: string
  /** How this cluster fills its hosts, unless the pool says otherwise. */
  clusterPlacement: PlacementPolicy
  state: HostState
  /** Consolidation switches it off, or has. */
  wishedOff: boolean
  /** What desktops may take in all: over-committed, less the host's own reserve (capacity.ts). */
  offered: Resources
  /** Of everything that is wished to run here or on its way to here, reported or not: starts under way count. */
  taken: Resources
  /** Hardware threads. */
  cpus: number
  /** Most vCPUs one machine may have. */
  maxVcpus: number
  /** Share of `offered` that is kept for desktops a person waits for: 0 to 1. */
  personReserve: number
  /** Template versions that are ready here. */
  images: ReadonlySet<string>
  tags: readonly string[]
  bridges: readonly string[]
  /** How its cluster has the networks that pools name. */
  networks: readonly ClusterNetworkValue[]
  /** Firmware for guests that start by UEFI; null: its agent is too old to choose a firmware or a disk's bus. */
  uefi: boolean | null
  addressesFree: number
  portsFree: number
  /** Desktops by pool: only of pools that were asked for. */
  poolDesktops: ReadonlyMap<string, number>
  /** Those on their way to here, which are counted elsewhere until they arrive. */
  poolComing: ReadonlyMap<string, number>
  /** Besides what is kept free (lib/capacity.ts); null: not told yet. */
  storageLeftBytes: number | null
  /** Used or not; null: not told yet. */
  storageTotalBytes: number | null
  /** What the host says is wrong with it (network, libvirt); null when it is well. */
  trouble: string | null
}

export interface Demand extends Resources {
  /** Of `Hardware`; absent: as every host has it. */
  firmware?: Firmware | undefined
  diskBus?: DiskBus | undefined
  imageId: string
  /** Null: a machine of no pool. */
  poolId: string | null
  /** Empty: any cluster. */
  clusterIds: readonly string[]
  /** Null: as each cluster does. */
  placement: PlacementPolicy | null
  /**
   * `together`: where desktops of the pool are already, while there is room; `apart`: where the fewest of them are.
   * `onlyTogether`: nowhere else; `onlyApart`: never two of them on one host.
   */
  affinity: Affinity
  /** Host tags. */
  needs: readonly string[]
  network: NetworkValue
  /** The cluster whose address it has already; null: it gets one from the host's subnet. */
  addressClusterId: string | null
  /** Where it is now: there it is no neighbour of itself. */
  hostId: string | null
  /** A person's may use what is kept for persons. */
  priority: 'person' | 'prewarm'
}

export interface Decision {
  hostId: string | undefined
  hostName: string | undefined
  clusterId: string | undefined
  why: string
  /** Every host, best first, those that do not fit last. */
  hosts: PlacementHostValue[]
}

export const resourcesLeft = ({ offered, taken }: HostFacts): Resources => ({
  vcpus: Math.floor(offered.vcpus - taken.vcpus),
  memoryBytes: Math.floor(offered.memoryBytes - taken.memoryBytes),
})

/** What is left for this one: prewarming leaves alone what is kept for persons. */
function leftFor(host: HostFacts, demand: Pick<Demand, 'priority'>): Resources {
  const left = resourcesLeft(host)
  const kept = demand.priority === 'person' ? 0 : host.personReserve
  return {
    vcpus: Math.floor(left.vcpus - host.offered.vcpus * kept),
    memoryBytes: Math.floor(left.memoryBytes - host.offered.memoryBytes * kept),
  }
}

const MiB = (bytes: number) => `${Math.max(0, Math.floor(bytes / 1024 ** 2))} MiB`
const forPersons = (host: HostFacts, demand: Pick<Demand, 'priority'>) =>
  demand.priority === 'prewarm' && host.personReserve > 0
    ? ` (besides ${Math.round(host.personReserve * 100)} % kept for persons)`
    : ''

/** Other desktops of its pool, there or on their way there. */
const matesOn = ({ id, poolDesktops, poolComing }: HostFacts, { poolId, hostId }: Demand): number =>
  poolId === null
    ? 0
    : Math.max(0, (poolDesktops.get(poolId) ?? 0) + (poolComing.get(poolId) ?? 0) - (id === hostId ? 1 : 0))

/** Why a host has nothing for the firmware or the bus that is wished; undefined: it has. */
export function hardwareRefusal({ uefi }: HostFacts, wished: Pick<Demand, 'firmware' | 'diskBus'>): string | undefined {
  const { firmware, diskBus } = hardwareFull(wished)
  if (firmware === hardwareDefaults.firmware && diskBus === hardwareDefaults.diskBus) return undefined
  if (uefi === null) return 'its agent is too old for this firmware or disk bus: update it'
  return firmware === 'uefi' && !uefi ? 'it has no UEFI firmware: install the Debian package ovmf there' : undefined
}

/** Why a host has no memory left for it; undefined: it has. */
export function memoryRefusal(host: HostFacts, demand: Pick<Demand, 'memoryBytes' | 'priority'>): string | undefined {
  const { memoryBytes } = leftFor(host, demand)
  return memoryBytes >= demand.memoryBytes
    ? undefined
    : `${MiB(memoryBytes)} memory left${forPersons(host, demand)}, ${MiB(demand.memoryBytes)} wanted`
}

/** Each says why a host cannot take it; undefined: nothing against it. Reasons are read by administrators. */
export const placementFilters = {
  state: host =>
    host.state === 'online'
      ? undefined
      : host.state === 'maintenance'
        ? 'the host is in maintenance'
        : `the host is ${host.state}`,
  off: host => (host.wishedOff ? 'the host is switched off to save power' : undefined),
  trouble: host => host.trouble ?? undefined,
  cluster: (host, { clusterIds }) =>
    clusterIds.length === 0 || clusterIds.includes(host.clusterId)
      ? undefined
      : `the pool does not use the cluster ${host.clusterName}`,
  needs: (host, demand) => {
    const missing = demand.needs.filter(tag => !host.tags.includes(tag))
    return missing.length === 0 ? undefined : `the host has no ${missing.join(', ')}`
  },
  image: (host, { imageId }) => (host.images.has(imageId) ? undefined : 'the template version is not ready there'),
  network: (host, { network }) => {
    const { mode, interface: here = 'of that name' } = networkIn(network, host.networks)
    if (mode !== 'bridge' || host.bridges.includes(here)) return
    return here === network.interface
      ? `the host has no network ${here}`
      : `the host has no ${here}, which the network ${network.interface} is in ${host.clusterName}`
  },
  hardware: (host, demand) => hardwareRefusal(host, demand),
  size: (host, { vcpus }) =>
    vcpus <= host.maxVcpus ? undefined : `a machine may have ${host.maxVcpus} vCPU there, ${vcpus} wanted`,
  vcpus: (host, demand) => {
    const { vcpus } = leftFor(host, demand)
    return vcpus >= demand.vcpus
      ? undefined
      : `${Math.max(0, vcpus)} vCPU left${forPersons(host, demand)}, ${demand.vcpus} wanted`
  },
  memory: memoryRefusal,
  storage: host =>
    host.storageLeftBytes === null || host.storageLeftBytes > 0 ? undefined : 'its storage is nearly full',
  addresses: (host, { addressClusterId }) =>
    addressClusterId === host.clusterId || host.addressesFree > 0 ? undefined : 'its subnet has no address left',
  ports: host => (host.portsFree > 0 ? undefined : 'its range of screen ports is used up'),
  apart: (host, demand) => {
    const mates = matesOn(host, demand)
    return demand.affinity !== 'onlyApart' || mates === 0
      ? undefined
      : `${mates} of the pool there, which keeps its desktops apart`
  },
} satisfies Record<string, (host: HostFacts, demand: Demand) => string | undefined>

/** Shares of what is offered that stay free once the desktop is there. */
interface Shares {
  vcpus: number
  memory: number
}

/** 0 to 1, higher is better. */
const weights = {
  spread: ({ vcpus, memory }) => Math.min(vcpus, memory),
  pack: ({ vcpus, memory }) => 1 - Math.min(vcpus, memory),
  /** Room, and cores and memory used up evenly: what runs out first leaves the other idle. */
  balanced: ({ vcpus, memory }) => (Math.min(vcpus, memory) + 1 - Math.abs(vcpus - memory)) / 2,
} satisfies Record<PlacementPolicy, (shares: Shares) => number>

const share = (left: number, offered: number) => (offered <= 0 ? 0 : Math.max(0, left) / offered)
const sharesOf = (offered: Resources, left: Resources): Shares => ({
  vcpus: share(left.vcpus, offered.vcpus),
  memory: share(left.memoryBytes, offered.memoryBytes),
})
const percent = (part: number) => `${Math.round(part * 100)} %`

interface Candidate {
  host: HostFacts
  /** Why not; undefined: it fits. */
  refusal: string | undefined
  /** Of the pool's desktops: what affinity looks at. */
  mates: number
  weight: number
  text: string
}

function candidateOf(host: HostFacts, demand: Demand): Candidate {
  const mates = matesOn(host, demand)
  for (const filter of Object.values(placementFilters)) {
    const refusal = filter(host, demand)
    if (refusal !== undefined) return { host, refusal, mates, weight: 0, text: refusal }
  }
  const left = resourcesLeft(host)
  const after = { vcpus: left.vcpus - demand.vcpus, memoryBytes: left.memoryBytes - demand.memoryBytes }
  const shares = sharesOf(host.offered, after)
  const policy = demand.placement ?? host.clusterPlacement
  const there = demand.affinity === 'none' ? '' : `, ${mates} of the pool there`
  const text = `${policy}: ${percent(shares.vcpus)} vCPU and ${percent(shares.memory)} memory left after it${there}`
  return { host, refusal: undefined, mates, weight: weights[policy](shares), text }
}

/** Affinity before weight: together wants many of its pool, apart few. */
const affinityOrder = { none: 0, together: -1, apart: 1, onlyTogether: -1, onlyApart: 1 } satisfies Record<
  Affinity,
  number
>

/** The same facts always give the same answer: between equals the id decides. */
const better = (demand: Demand) => (a: Candidate, b: Candidate) =>
  affinityOrder[demand.affinity] * (a.mates - b.mates) || b.weight - a.weight || (a.host.id < b.host.id ? -1 : 1)

/** Those on hosts that are being left, or are lost, do not hold the others back: they come to where these go. */
const holds = ({ host, mates }: Candidate) => mates > 0 && (host.state === 'online' || host.state === 'suspect')

/** The one filter that looks at all hosts: where some of the pool are, the others come there or stay away. */
function gathered(candidates: readonly Candidate[], demand: Demand): readonly Candidate[] {
  const where = demand.affinity === 'onlyTogether' ? candidates.filter(holds) : []
  if (where.length === 0) return candidates
  const names = where.map(({ host }) => host.name).toSorted()
  const refusal = `the pool keeps its desktops together, and they are on ${names.join(', ')}`
  return candidates.map(candidate =>
    candidate.mates > 0 || candidate.refusal !== undefined
      ? candidate
      : { ...candidate, refusal, weight: 0, text: refusal },
  )
}

interface ClusterRank {
  id: string
  name: string
  fitting: Candidate[]
  mates: number
  weight: number
}

/** First level. A cluster is judged by the hosts of it that fit. */
function clustersOf(candidates: readonly Candidate[], demand: Demand): ClusterRank[] {
  const groups = Map.groupBy(
    candidates.filter(({ refusal }) => refusal === undefined),
    ({ host }) => host.clusterId,
  )
  const ranks = [...groups].map(([id, fitting]): ClusterRank => {
    const sum = (of: (host: HostFacts) => number) => fitting.reduce((total, { host }) => total + of(host), 0)
    const offered = { vcpus: sum(host => host.offered.vcpus), memoryBytes: sum(host => host.offered.memoryBytes) }
    const left = {
      vcpus: sum(host => resourcesLeft(host).vcpus),
      memoryBytes: sum(host => resourcesLeft(host).memoryBytes),
    }
    return {
      id,
      name: fitting[0]?.host.clusterName ?? '',
      fitting,
      mates: fitting.reduce((total, { mates }) => total + mates, 0),
      // Clusters may fill their hosts differently: between them only the pool's own wish counts.
      weight: weights[demand.placement ?? 'spread'](sharesOf(offered, left)),
    }
  })
  return ranks.toSorted(
    (a, b) => affinityOrder[demand.affinity] * (a.mates - b.mates) || b.weight - a.weight || (a.id < b.id ? -1 : 1),
  )
}

function decide(judged: readonly Candidate[], demand: Demand): Decision {
  const candidates = gathered(judged, demand)
  const clusters = clustersOf(candidates, demand)
  const order = better(demand)
  const ranked = clusters.flatMap(cluster => cluster.fitting.toSorted(order))
  const refused = candidates
    .filter(({ refusal }) => refusal !== undefined)
    .toSorted((a, b) => a.host.name.localeCompare(b.host.name) || (a.host.id < b.host.id ? -1 : 1))
  const [best] = ranked
  const hosts = [...ranked, ...refused].map(({ host, refusal, weight, text }) => ({
    hostId: host.id,
    hostName: host.name,
    clusterName: host.clusterName,
    fits: refusal === undefined,
    score: refusal === undefined ? Math.round(weight * 1000) / 10 : null,
    reason:
      refusal === undefined && best && host.clusterId !== best.host.clusterId
        ? `${text}; the cluster ${best.host.clusterName} was preferred`
        : text,
  }))
  return {
    hostId: best?.host.id,
    hostName: best?.host.name,
    clusterId: best?.host.clusterId,
    why: best
      ? `${best.text}; best of ${ranked.length} that fit${clusters.length > 1 ? ` in ${clusters.length} clusters` : ''}`
      : candidates.length === 0
        ? 'no host has joined'
        : 'no host fits',
    hosts,
  }
}

export const placeDesktop = (hosts: readonly HostFacts[], demand: Demand): Decision =>
  decide(
    hosts.map(host => candidateOf(host, demand)),
    demand,
  )

/**
 * Many in one go, in their order, each counted for those after it: those of persons before those of prewarming is the
 * caller's order. Only what a decision changed is judged anew: 1,000 on 100 hosts take 0.1 s.
 */
export function placeAll(hosts: readonly HostFacts[], demands: readonly Demand[]): Decision[] {
  let now = [...hosts]
  let last: { demand: Demand; candidates: Candidate[]; decision: Decision } | undefined
  return demands.map(demand => {
    const same = last?.demand === demand ? last : undefined
    if (same && same.decision.hostId === undefined) return same.decision
    const candidates = same?.candidates ?? now.map(host => candidateOf(host, demand))
    const decision = decide(candidates, demand)
    last = { demand, candidates, decision }
    const changed = now.findIndex(host => host.id === decision.hostId)
    const host = now[changed]
    if (host) {
      const fuller = withDesktop(host, demand)
      now = now.with(changed, fuller)
      candidates[changed] = candidateOf(fuller, demand)
    }
    return decision
  })
}

/** The same host with one more desktop on it or on its way to it. */
export function withDesktop(host: HostFacts, demand: Demand): HostFacts {
  const { poolId } = demand
  return {
    ...host,
    taken: { vcpus: host.taken.vcpus + demand.vcpus, memoryBytes: host.taken.memoryBytes + demand.memoryBytes },
    addressesFree: host.addressesFree - (demand.addressClusterId === host.clusterId ? 0 : 1),
    portsFree: host.portsFree - 1,
    poolDesktops:
      poolId === null
        ? host.poolDesktops
        : new Map(host.poolDesktops).set(poolId, (host.poolDesktops.get(poolId) ?? 0) + 1),
  }
}

/** Why nothing fits, in one sentence for a person who administers. */
export function decisionText({ why, hosts }: Decision, asked = (_hostId: string) => true): string {
  const told = hosts
    .filter(({ fits, hostId }) => !fits && asked(hostId))
    .slice(0, 3)
    .map(({ hostName, reason }) => `${hostName}: ${reason}`)
  return told.length === 0 ? why : `${why}: ${told.join('; ')}`
}
