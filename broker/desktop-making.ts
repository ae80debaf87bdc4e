/** One desktop that an administrator makes for a person, with a name and hardware of its own. */
import type { Principal } from '../auth/principal.ts'
import { poolForClaim } from '../db/pools.ts'
import { versionBytes } from '../db/templates.ts'
import { transact } from '../db/transact.ts'
import { HdcsError, nameTaken } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { type DesktopView, desktopGet } from './desktops.ts'
import { desktopsMake, type OwnWish, poolFull } from './making.ts'
import { type TaskView, taskOpen } from './tasks.ts'

const atField = (field: string, message: string) =>
  new HdcsError('invalid', message, { fields: [{ field: `body.${field}`, message }] })

/**
 * Made, started and given in one go: where the start fails, nothing of it stays. It counts against no limit per person.
 * @throws HdcsError `not_found` (pool), `invalid` at its field (person, disk), `conflict` (name, floating pool), `pool_exhausted`, `no_host`.
 */
export async function desktopMakeFor(
  broker: Broker,
  principal: Principal,
  poolId: string,
  { userId, ...own }: OwnWish & { userId: string },
): Promise<{ task: TaskView; desktop: DesktopView }> {
  const now = broker.clock.now()
  const made = await transact(broker.db, async tx => {
    const pool = await poolForClaim(tx, poolId, userId)
    if (!pool)
      throw atField('userId', 'There is no such person, or that person may not use this pool: entitle them first.')
    if (pool.kind !== 'persistent')
      throw new HdcsError(
        'conflict',
        `${pool.name} is floating: its desktops are nobody’s for long. Use a persistent pool.`,
      )
    const { diskBytes } = own.hardware ?? {}
    const least = pool.version_id === null ? 0 : await versionBytes(tx, pool.version_id)
    if (diskBytes && (diskBytes < least || diskBytes > broker.maxVirtualBytes))
      throw atField(
        'hardware.diskBytes',
        `The disk must have ${least} (the template’s own) to ${broker.maxVirtualBytes} bytes.`,
      )
    const slot = 1 + Math.max(0, ...pool.owned.map(desktop => desktop.user_slot))
    const taskId = newId(now.getTime())
    const reason = `made by ${principal.name}`
    const ask = { count: 1, power: 'running' as const, reason, now, claim: { userId, slot, taskId }, own }
    const { made, short } = await desktopsMake(tx, pool, ask)
    const [one] = made
    if (!one && !short && own.name !== undefined)
      throw nameTaken(`A desktop named ${own.name} already exists: choose another name.`)
    if (!one) throw short ?? new HdcsError('pool_exhausted', poolFull(pool))
    const subject = { type: 'desktop', ...one }
    const goal = { userId }
    return {
      id: one.id,
      task: await taskOpen(tx, { id: taskId, kind: 'desktop.claim', subject, requestedBy: principal, goal }, now),
    }
  })
  return { task: made.task, desktop: await desktopGet(broker, principal, made.id) }
}
