import { hardwareOf } from '../db/pools.ts'
import type { HardwareValue } from '../db/schema.ts'
import type { Affinity } from '../db/schema-hosts.ts'
import { counted } from '../lib/counted.ts'
import { type HostFacts, placementFilters } from './placement.ts'
import { demandOf, type PoolToPlace } from './placing.ts'

/** What hosts can never get over: the rest (maintenance, what others take) may pass. */
const lasting = ['cluster', 'needs', 'network', 'hardware', 'size'] as const satisfies (keyof typeof placementFilters)[]

const sum = (held: readonly number[]) => held.reduce((all, count) => all + count, 0)

/** Of the desktops that each host holds by itself, so many may be there at once. */
const mostTogether = {
  none: sum,
  together: sum,
  apart: sum,
  onlyTogether: held => Math.max(...held),
  onlyApart: held => sum(held.map(count => Math.min(1, count))),
} satisfies Record<Affinity, (held: readonly number[]) => number>

/**
 * What an administrator who writes down such a pool should know before its people do: more warm desktops than the
 * hosts could ever hold. Pure.
 */
export function poolWarnings(
  pool: PoolToPlace & { warm: number; template_hardware: HardwareValue; hardware: Partial<HardwareValue> },
  hosts: readonly HostFacts[],
): string[] {
  if (hosts.length === 0) return []
  const hardware = hardwareOf(pool.template_hardware, pool.hardware)
  const demand = demandOf(pool, { hardware, versionId: '' }, 'prewarm')
  const possible = hosts.filter(host => lasting.every(name => placementFilters[name](host, demand) === undefined))
  if (possible.length === 0) {
    // That it does not use other clusters is its own wish.
    const mine = hosts.filter(host => placementFilters.cluster(host, demand) === undefined)
    const reasons = lasting.flatMap(name =>
      (mine.length > 0 ? mine : hosts).map(host => placementFilters[name](host, demand)),
    )
    return [`No host can ever take a desktop of it: ${reasons.find(reason => reason !== undefined)}.`]
  }
  const held = possible.map(host => {
    const free = 1 - host.personReserve
    const byVcpus = (host.offered.vcpus * free) / demand.vcpus
    const byMemory = (host.offered.memoryBytes * free) / demand.memoryBytes
    return Math.floor(Math.min(byVcpus, byMemory))
  })
  const most = mostTogether[pool.affinity](held)
  if (pool.warm <= most) return []
  const wished = counted(pool.warm, 'warm desktop is wished', 'warm desktops are wished')
  if (pool.affinity === 'onlyTogether' || pool.affinity === 'onlyApart') {
    const how = pool.affinity === 'onlyApart' ? 'one on each host' : 'all on one host'
    return [`${wished}, and its hosts hold ${most} with ${how}, as the pool demands.`]
  }
  const kept = Math.round(Math.max(...possible.map(host => host.personReserve)) * 100)
  return [
    `${wished}, and its hosts hold ${most} with nothing else on them (up to ${kept} % are kept for persons who wait): other pools may find no room.`,
  ]
}
