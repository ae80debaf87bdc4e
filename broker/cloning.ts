/** One more desktop of the same pool, whose disk is a copy of another one's: on its host, where that disk lies. */
import type { Principal } from '../auth/principal.ts'
import { desktopLock, desktopRows } from '../db/desktops.ts'
import { desktopsInsert } from '../db/making.ts'
import { poolForClaim, poolGrowLock } from '../db/pools.ts'
import { binOfPool } from '../db/recycle-bin.ts'
import { taskLogAdd } from '../db/tasks.ts'
import { transact } from '../db/transact.ts'
import { volumeRows } from '../db/volumes.ts'
import { HdcsError, nameTaken } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { nameRefusal } from './desktop-names.ts'
import { type DesktopView, desktopActions, desktopGet } from './desktops.ts'
import { poolFull } from './making.ts'
import { personRefusal } from './making-checks.ts'
import { type TaskView, taskOpen } from './tasks.ts'

export interface CloneAsk {
  name?: string | undefined
  /** Whose it will be. */
  userId: string
  /** It shall stand on no image: larger, and untouched by whatever becomes of that. */
  full: boolean
}

/**
 * The copy stands still when it is made. Its source cannot start before.
 * @throws HdcsError `not_found`; `conflict` (runs, name); `invalid` (person); `pool_exhausted`; `no_host` (no address left there).
 */
export async function desktopClone(
  broker: Broker,
  principal: Principal,
  id: string,
  ask: CloneAsk,
): Promise<{ task: TaskView; desktop: DesktopView }> {
  const { poolId } = await desktopGet(broker, principal, id)
  const now = broker.clock.now()
  const made = await transact(broker.db, async tx => {
    await poolGrowLock(tx, poolId)
    await desktopLock(tx, id)
    const [source] = await desktopRows(tx, { ids: [id] })
    if (!source) throw new HdcsError('not_found', 'There is no such desktop.')
    const refused = desktopActions(source, principal).find(({ name }) => name === 'clone')?.reason
    if (refused !== undefined) throw new HdcsError('conflict', `${source.name}: ${refused}.`)
    const pool = await poolForClaim(tx, poolId, ask.userId)
    if (!pool) {
      const message = await personRefusal(tx, principal, ask.userId)
      throw new HdcsError('invalid', message, { fields: [{ field: 'body.userId', message }] })
    }
    if ((await binOfPool(tx, poolId)).size >= pool.max_size) throw new HdcsError('pool_exhausted', poolFull(pool))
    const slot = 1 + Math.max(0, ...pool.owned.map(desktop => desktop.user_slot))
    const { host_id: hostId, host_name: hostName } = source
    const why = `the disk of ${source.name}, which it is a copy of, is there`
    const [one] = await desktopsInsert(tx, {
      poolId,
      poolName: pool.name,
      name: ask.name,
      versionId: source.version_id,
      hardware: source.hardware,
      power: 'stopped',
      reason: `copied from ${source.name} by ${principal.name}`,
      now,
      claim: { userId: ask.userId, slot, taskId: null },
      cloneOf: { desktopId: id, incarnation: source.wished_incarnation, full: ask.full },
      desktops: [
        {
          id: newId(now.getTime()),
          hostId,
          why,
          hosts: [{ hostId, hostName, clusterName: source.cluster_name, fits: true, score: null, reason: why }],
        },
      ],
    })
    if (!one && ask.name !== undefined) {
      const taken = await nameRefusal(tx, ask.name)
      if (taken !== undefined) throw nameTaken(taken)
    }
    if (!one) throw new HdcsError('no_host', `${source.host_name} has no address or screen port left for one more.`)
    const subject = { type: 'desktop', ...one }
    const task = await taskOpen(tx, { kind: 'desktop.clone', subject, requestedBy: principal }, now)
    const volumes = (await volumeRows(tx, { desktopId: id })).map(({ name }) => name)
    const left = `volumes are not copied: ${volumes.join(', ')} ${volumes.length === 1 ? 'stays' : 'stay'} with ${source.name}`
    if (volumes.length > 0) await taskLogAdd(tx, task.id, left, now)
    return { id: one.id, task }
  })
  return { task: made.task, desktop: await desktopGet(broker, principal, made.id) }
}
