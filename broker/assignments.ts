import type { Principal } from '../auth/principal.ts'
import { desktopClaim } from '../db/assignments.ts'
import type { Tx } from '../db/connect.ts'
import { desktopRows, transitionNote } from '../db/desktops.ts'
import { poolForClaim, poolGrowLock } from '../db/pools.ts'
import type { Phase } from '../db/schema.ts'
import { withTask } from '../db/tasks.ts'
import { metAnother } from '../db/transact.ts'
import { pause } from '../lib/clock.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { type DesktopView, desktopShown } from './desktops.ts'
import { desktopsMake, poolFull } from './making.ts'
import { hostsToPlaceOn } from './placing.ts'
import { memoryLeft } from './start-room.ts'
import { desktopStart } from './starting.ts'
import { type TaskView, taskNew } from './tasks.ts'

type Pool = NonNullable<Awaited<ReturnType<typeof poolForClaim>>>

/** Two clicks at once meet at the unique slot, or two processes at a lock: the second try finds what the first got. */
const retried = ['23505', ...metAnother]
/** Whatever is free is held by a reconciler for some milliseconds: looked at again so often, after such a pause. */
const busyTries = 100
const busyMs = 15

/**
 * Gets a person a desktop of a pool. Order: the own one; ready; still starting; stopped; a new one while below the
 * maximum; else a refusal that says why. No host is called: a warm desktop is the person's when this commits.
 *
 * @param another one more although there is an own one, up to the pool's limit per person.
 * @throws HdcsError `not_found` (no such pool, or not for this person), `conflict` (switched off), `pool_exhausted`,
 *   `user_limit`, `no_host`, `template_unavailable`.
 */
export async function desktopClaimFor(
  broker: Broker,
  principal: Principal,
  poolId: string,
  another = false,
): Promise<{ task: TaskView; desktop: DesktopView }> {
  for (let attempt = 1; ; attempt++) {
    const ask = { another, now: broker.clock.now(), mayWait: attempt < busyTries }
    const claimed = await broker.db
      .transaction()
      .execute(tx => claimIn(tx, poolId, principal, ask))
      .catch((error: { code?: string }) => {
        if (!retried.includes(error.code ?? '') || !ask.mayWait) throw error
      })
    if (claimed) return { task: claimed.task, desktop: await desktopShown(broker, principal, claimed.row) }
    await pause(busyMs * (0.5 + Math.random()))
  }
}

/** @returns undefined when it should be tried again in a moment. */
async function claimIn(
  tx: Tx,
  poolId: string,
  principal: Principal,
  ask: { another: boolean; now: Date; mayWait: boolean },
) {
  const { now } = ask
  const pool = await poolForClaim(tx, poolId, principal.userId)
  if (!pool) throw new HdcsError('not_found', 'There is no such pool, or you may not use it.')
  const taskId = newId(now.getTime())
  /** Writes the receipt and reads the desktop, which is the person's by now, in one statement. */
  const receipt = async (desktop: { id: string; name: string }, how: { done: boolean; followed?: boolean }) => {
    const subject = { type: 'desktop', id: desktop.id, name: desktop.name }
    const goal = { userId: principal.userId }
    const { row, view } = taskNew(
      { id: taskId, kind: 'desktop.claim', subject, requestedBy: principal, goal, ...how },
      now,
    )
    const [shown] = await desktopRows(withTask(tx, row), { ids: [desktop.id] })
    if (!shown) throw new HdcsError('internal', 'The desktop that was claimed is not there.')
    return { task: view, row: shown }
  }

  const { owned } = pool
  const [own] = owned
  if (own && !ask.another) {
    if (own.wished_power !== 'running') {
      await desktopStart(tx, own.id, now)
      await transitionNote(
        tx,
        [{ ...own, ...owner(pool, principal), was: own.phase, became: 'start asked', reason: 'claimed again' }],
        now,
      )
    }
    return receipt(own, { done: isReady(own) })
  }
  if (!pool.enabled) throw new HdcsError('conflict', `${pool.name} is switched off for now.`)
  if (owned.length >= pool.max_per_user)
    throw new HdcsError(
      'user_limit',
      `You already have ${owned.length} of ${pool.max_per_user} desktops of ${pool.name}: give one back first.`,
    )

  const slot = 1 + Math.max(0, ...owned.map(desktop => desktop.user_slot))
  const claim = { poolId: pool.id, userId: principal.userId, slot, taskId, now }
  // Where nobody has left one, none need be looked for.
  const claimed = pool.any_free ? await freeClaim(tx, pool, claim) : undefined
  if (claimed === 'busy' && ask.mayWait) return
  const given = claimed && claimed !== 'busy' ? claimed : await makeOrFind(tx, pool, claim)
  if (given === 'busy') {
    if (ask.mayWait) return
    throw new HdcsError('pool_exhausted', poolFull(pool))
  }
  return receipt(given, { done: given.phase === 'ready', followed: 'made' in given })
}

type Claim = Parameters<typeof desktopClaim>[1]

/**
 * Of what the pool has. What stands still starts only where memory is left for it, which nobody else may promise
 * meanwhile: so the locks are taken where nothing runs that nobody has.
 */
async function freeClaim(tx: Tx, pool: Pool, claim: Claim) {
  if (!pool.locked) {
    const claimed = await desktopClaim(tx, claim)
    if ((claimed && claimed !== 'busy') || !pool.any_cold) return claimed
    await poolGrowLock(tx, pool.id)
  }
  return desktopClaim(tx, { ...claim, cold: memoryLeft(await hostsToPlaceOn(tx, { poolIds: [pool.id] })) })
}

/**
 * A pool that is full by now may be full of a desktop that was made since this claim looked, and that nobody has; or of
 * one that stands still where no memory is left: it starts elsewhere, or says why not.
 */
async function makeOrFind(tx: Tx, pool: Pool, claim: Claim) {
  try {
    return { ...(await makeFor(tx, pool, claim)), phase: 'making' as const, made: true }
  } catch (error) {
    if (!(error instanceof HdcsError)) throw error
    if (error.code !== 'pool_exhausted' && !(error.code === 'no_host' && pool.any_cold)) throw error
    const found = await desktopClaim(tx, { ...claim, cold: 'unstarted' })
    if (found === undefined) throw error
    if (found !== 'busy' && found.wishedPower === 'stopped') await desktopStart(tx, found.id, claim.now)
    return found
  }
}

const isReady = (desktop: { phase: Phase; wished_power: string }) =>
  desktop.phase === 'ready' && desktop.wished_power === 'running'
const owner = (pool: Pool, principal: Principal) => ({ pool_id: pool.id, host_id: null, user_id: principal.userId })

async function makeFor(tx: Tx, pool: Pool, claim: Claim) {
  if (pool.restrained_until && pool.restrained_until > claim.now)
    throw new HdcsError(
      'pool_exhausted',
      `No desktop of ${pool.name} is ready, and making new ones pauses after failures until ${pool.restrained_until.toISOString().slice(11, 16)} UTC. Tell an administrator.`,
    )
  const { made, short } = await desktopsMake(tx, pool, {
    count: 1,
    power: 'running',
    reason: 'claimed while none was free',
    now: claim.now,
    claim,
  })
  const [one] = made
  if (!one) throw short ?? new HdcsError('pool_exhausted', poolFull(pool))
  return one
}
