import type { Principal } from '../auth/principal.ts'
import { bootQueueRows } from '../db/boot-queue.ts'
import type { Broker } from './broker.ts'
import { hostGet } from './hosts.ts'

/**
 * What a host starts now and what waits for its turn, next first; places above 20 are told in steps (vmm/boot.ts).
 * @throws HdcsError `not_found`.
 */
export async function bootQueue(broker: Broker, principal: Principal, hostId: string) {
  await hostGet(broker, principal, hostId)
  const rows = await bootQueueRows(broker.db, hostId)
  const items = rows.map(row => ({
    desktopId: row.id,
    desktopName: row.name,
    poolId: row.pool_id,
    poolName: row.pool_name,
    /** Who waits for it; null: prewarming. */
    userName: row.user_name,
    step: row.observed_step === 'queued' ? ('queued' as const) : ('booting' as const),
    place: row.observed_queue_place,
    since: row.step_since.toISOString(),
  }))
  return { booting: items.filter(({ step }) => step === 'booting').length, items }
}
