import { hardwareOf } from '../db/pools.ts'
import type { HardwareValue } from '../db/schema.ts'
import { type HostFacts, placementFilters } from './placement.ts'
import { demandOf, type PoolToPlace } from './placing.ts'

/** What hosts can never get over: the rest (maintenance, what others take) may pass. */
const lasting = ['cluster', 'needs', 'network', 'size'] as const satisfies (keyof typeof placementFilters)[]

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
    const reasons = lasting.flatMap(name => hosts.map(host => placementFilters[name](host, demand)))
    return [`No host can ever take a desktop of it: ${reasons.find(reason => reason !== undefined)}.`]
  }
  const most = possible.reduce((sum, host) => {
    const free = 1 - host.personReserve
    const byVcpus = (host.offered.vcpus * free) / demand.vcpus
    const byMemory = (host.offered.memoryBytes * free) / demand.memoryBytes
    return sum + Math.floor(Math.min(byVcpus, byMemory))
  }, 0)
  if (pool.warm <= most) return []
  const kept = Math.round(Math.max(...possible.map(host => host.personReserve)) * 100)
  return [
    `${pool.warm} warm desktops are wished, and its hosts hold ${most} with nothing else on them (up to ${kept} % are kept for persons who wait): other pools may find no room.`,
  ]
}
