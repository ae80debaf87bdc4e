/** Desktops that wait for room on their hosts' storage, while nobody has them. Pure. */
import type { Phase, TroubleValue } from '../db/schema.ts'
import type { HostFacts } from './placement.ts'
import type { PoolStep } from './pool-plan.ts'

export interface StarvedDesktop {
  id: string
  phase: Phase
  user_id: string | null
  host_id: string
  wished_present: boolean
  observed_trouble: TroubleValue | null
}

/** Their disks are not made for want of room; whoever runs is left alone. */
export const starvedOf = <D extends StarvedDesktop>(desktops: readonly D[]): D[] =>
  desktops.filter(
    ({ phase, user_id, wished_present, observed_trouble }) =>
      wished_present &&
      user_id === null &&
      observed_trouble?.code === 'storage_full' &&
      (phase === 'making' || phase === 'recycling'),
  )

/** Given up where another host of the pool has room, on which it makes others; else they wait, and the pool says for what. */
export function starvedPlan(
  starved: readonly StarvedDesktop[],
  hosts: readonly HostFacts[],
  clusterIds: readonly string[],
): { steps: PoolStep[]; waits: string | null } {
  const [first] = starved
  if (!first) return { steps: [], waits: null }
  const full = new Set(starved.map(({ host_id }) => host_id))
  const elsewhere = hosts.some(
    host =>
      !full.has(host.id) &&
      host.state === 'online' &&
      (host.storageLeftBytes ?? 0) > 0 &&
      (clusterIds.length === 0 || clusterIds.includes(host.clusterId)),
  )
  if (!elsewhere) return { steps: [], waits: first.observed_trouble?.text ?? null }
  const because = 'the storage of its host is full, and another host has room'
  return { steps: starved.map(({ id }) => ({ do: 'remove' as const, desktopId: id, because })), waits: null }
}
