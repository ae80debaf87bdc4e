/** One desktop that an administrator makes for a person, with a name and hardware of its own. */
import type { Principal } from '../auth/principal.ts'
import type { Tx } from '../db/connect.ts'
import { poolExists, poolForClaim, poolGrowLock } from '../db/pools.ts'
import { versionBytes } from '../db/templates.ts'
import { transact } from '../db/transact.ts'
import { HdcsError, nameTaken } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { desktopChangeIn } from './desktop-changes.ts'
import { nameRefusal } from './desktop-names.ts'
import { type DesktopView, desktopGet } from './desktops.ts'
import { desktopsMake, type OwnWish, poolFull } from './making.ts'
import { personRefusal } from './making-checks.ts'
import { diskRange } from './pool-wish.ts'
import { type TaskView, taskOpen } from './tasks.ts'

const atField = (field: string, message: string) =>
  new HdcsError('invalid', message, { fields: [{ field: `body.${field}`, message }] })

type Wish = OwnWish & { userId: string; cdrom?: string | null | undefined }

/**
 * Made, started and given in one go: where the start fails, nothing of it stays. It counts against no limit per person.
 * @throws HdcsError `not_found` (pool), `invalid` at its field (person, disk), `conflict` (name, floating pool), `pool_exhausted`, `no_host`.
 */
export async function desktopMakeFor(
  broker: Broker,
  principal: Principal,
  poolId: string,
  wish: Wish,
): Promise<{ task: TaskView; desktop: DesktopView }> {
  const made = await transact(broker.db, async tx => {
    // Before the person's places are read: who makes one for the same person at this moment takes the next.
    await poolGrowLock(tx, poolId)
    return desktopMakeIn(tx, broker, principal, poolId, wish)
  })
  return { task: made.task, desktop: await desktopGet(broker, principal, made.id) }
}

/** The same in the caller's transaction, which has the lock of the pool. */
export async function desktopMakeIn(
  tx: Tx,
  broker: Broker,
  principal: Principal,
  poolId: string,
  { userId, cdrom, ...own }: Wish,
): Promise<{ id: string; task: TaskView }> {
  const now = broker.clock.now()
  const pool = await poolForClaim(tx, poolId, userId)
  if (!pool && !(await poolExists(tx, poolId))) throw new HdcsError('not_found', 'There is no such pool.')
  if (!pool) throw atField('userId', await personRefusal(tx, principal, userId))
  if (pool.kind !== 'persistent')
    throw new HdcsError(
      'conflict',
      `${pool.name} is floating: its desktops are nobody’s for long. Use a persistent pool.`,
    )
  const { diskBytes } = own.hardware ?? {}
  const least = pool.version_id === null ? 0 : await versionBytes(tx, pool.version_id)
  if (diskBytes && (diskBytes < least || diskBytes > broker.maxVirtualBytes))
    throw atField('hardware.diskBytes', diskRange(least, broker.maxVirtualBytes))
  const slot = 1 + Math.max(0, ...pool.owned.map(desktop => desktop.user_slot))
  const taskId = newId(now.getTime())
  const reason = `made by ${principal.name}`
  const ask = { count: 1, power: 'running' as const, reason, now, claim: { userId, slot, taskId }, own }
  const { made, short } = await desktopsMake(tx, { ...pool, locked: true }, ask)
  const [one] = made
  if (!one && !short && own.name !== undefined)
    throw nameTaken((await nameRefusal(tx, own.name)) ?? 'The name was taken in this moment: choose another one.')
  if (!one) throw short ?? new HdcsError('pool_exhausted', poolFull(pool))
  if (cdrom) await desktopChangeIn(tx, principal, one.id, { cdrom }, now)
  const subject = { type: 'desktop', ...one }
  const goal = { userId }
  return {
    id: one.id,
    task: await taskOpen(tx, { id: taskId, kind: 'desktop.claim', subject, requestedBy: principal, goal }, now),
  }
}
