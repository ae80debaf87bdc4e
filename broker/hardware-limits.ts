/** What no host has, whatever else it carries: hardware that a desktop could never start with. Pure. */
import type { HostEnd } from '../db/host-ends.ts'
import type { HardwareValue } from '../db/schema.ts'
import { sizeText } from '../lib/sizes.ts'
import { machineExtraBytes } from './capacity.ts'
import type { HostFacts } from './placement.ts'

type Limited = 'vcpus' | 'memoryBytes' | 'diskBytes'

interface Limit {
  /** Null: not told yet. */
  of(host: HostFacts): number | null
  text(most: number): string
}

const limits: Record<Limited, Limit> = {
  vcpus: {
    of: host => (host.cpus === 0 ? null : Math.floor(Math.min(host.maxVcpus, host.offered.vcpus))),
    text: most => `has ${most} vCPU for a desktop in all`,
  },
  memoryBytes: {
    of: host => (host.cpus === 0 ? null : Math.max(0, host.offered.memoryBytes - machineExtraBytes)),
    text: most => `has ${sizeText(most)} of memory for a desktop in all`,
  },
  diskBytes: {
    of: host => host.storageTotalBytes,
    text: most => `has ${sizeText(most)} of storage in all: a disk there is no larger`,
  },
}

/**
 * Which value is more than any host has that could start the desktop: its own, and those of its cluster that have its
 * disk too. What became less is taken in any case, and so is what no host has told of yet.
 */
export function hardwareTooMuch(
  hostId: string,
  before: HardwareValue,
  wished: HardwareValue,
  hosts: readonly HostFacts[],
  ends: ReadonlyMap<string, HostEnd>,
): { name: Limited; message: string } | undefined {
  const home = ends.get(hostId)
  let able = hosts.filter(({ id, clusterId }) => {
    const storageId = ends.get(id)?.storageId ?? null
    return id === hostId || (storageId !== null && clusterId === home?.clusterId && storageId === home.storageId)
  })
  for (const name of ['vcpus', 'memoryBytes', 'diskBytes'] as const) {
    const value = wished[name]
    if (value === null || value <= (before[name] ?? 0)) continue
    const { of, text } = limits[name]
    const left = able.filter(host => value <= (of(host) ?? Number.POSITIVE_INFINITY))
    const [largest] = able.toSorted((a, b) => (of(b) ?? 0) - (of(a) ?? 0))
    if (left.length > 0 || !largest) able = left
    else {
      const which = able.length > 1 ? `, the largest that has its disk,` : ''
      return { name, message: `The host ${largest.name}${which} ${text(of(largest) ?? 0)}.` }
    }
  }
  return undefined
}
