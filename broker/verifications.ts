/** Whether every desktop of a pool is up and has its address: looked at in batches, what came of each kept. */

import type { Principal } from '../auth/principal.ts'
import { poolRemoveLock, poolRows } from '../db/pools.ts'
import type { VerifiedState } from '../db/schema-pushes.ts'
import { transact } from '../db/transact.ts'
import { type VerificationRow, verificationInsert, verificationRows, verifiedRows } from '../db/verifications.ts'
import { nameAfter, nameCursor } from '../lib/cursors.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { pageOf } from './pages.ts'
import { taskOpen } from './tasks.ts'

export const verifyKind = 'pool.verify'

const verificationView = (row: VerificationRow) => ({
  id: row.id,
  poolId: row.pool_id,
  state: row.state,
  batch: row.batch,
  taskId: row.task_id,
  requestedBy: row.requested_by,
  counts: { ok: row.ok, failed: row.failed, skipped: row.skipped, waiting: row.waiting, looking: row.looking },
  createdAt: row.created_at.toISOString(),
  endedAt: row.ended_at?.toISOString() ?? null,
})

/** @throws HdcsError `not_found`; `conflict` while one is under way, and where there is nothing to look at. */
export async function verificationMake(
  broker: Broker,
  principal: Principal,
  poolId: string,
  ask: { batch: number; desktopIds?: string[] | undefined },
) {
  const now = broker.clock.now()
  const id = newId(now.getTime())
  const task = await transact(broker.db, async tx => {
    await poolRemoveLock(tx, poolId)
    const [pool] = await poolRows(tx, { ids: [poolId] })
    if (!pool) throw new HdcsError('not_found', 'There is no such pool.')
    if (!pool.wished_present) throw new HdcsError('conflict', `${pool.name} is being removed.`)
    if ((await verificationRows(tx, { poolId, open: true })).length > 0)
      throw new HdcsError('conflict', `The desktops of ${pool.name} are being looked at already: wait, or cancel that.`)
    const subject = { type: 'pool', id: poolId, name: pool.name }
    const opened = await taskOpen(tx, { kind: verifyKind, subject, requestedBy: principal, goal: {} }, now)
    const { batch, desktopIds } = ask
    const row = { id, pool_id: poolId, task_id: opened.id, requested_by: principal.name, batch, created_at: now }
    if ((await verificationInsert(tx, row, desktopIds)) === 0)
      throw new HdcsError('conflict', `${pool.name} has no such desktop: there is nothing to look at.`)
    return opened
  })
  return { task, verification: await verificationGet(broker, id) }
}

export async function verificationGet(broker: Broker, id: string) {
  const [row] = await verificationRows(broker.db, { ids: [id] })
  if (!row) throw new HdcsError('not_found', 'There is no such look at the desktops of a pool.')
  return verificationView(row)
}

/** Newest first. */
export async function verificationList(
  broker: Broker,
  poolId: string,
  query: { limit: number; cursor?: string | undefined },
) {
  const [pool] = await poolRows(broker.db, { ids: [poolId] })
  if (!pool) throw new HdcsError('not_found', 'There is no such pool.')
  const rows = await verificationRows(broker.db, { poolId, before: query.cursor, limit: query.limit + 1 })
  return pageOf(rows, query.limit, row => row.id, verificationView)
}

/** What came of each desktop, by name. */
export async function verificationDesktopList(
  broker: Broker,
  id: string,
  query: { limit: number; cursor?: string | undefined; state?: VerifiedState | undefined },
) {
  await verificationGet(broker, id)
  const filter = { state: query.state, after: nameAfter(query.cursor), limit: query.limit + 1 }
  return pageOf(
    await verifiedRows(broker.db, id, filter),
    query.limit,
    row => nameCursor(row.name),
    row => ({ id: row.desktop_id, name: row.name, state: row.state, text: row.text, since: row.since.toISOString() }),
  )
}
