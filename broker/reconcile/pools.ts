import type { Tx } from '../../db/connect.ts'
import { desktopUpgrade, desktopWish, desktopWishFree, transitionNote } from '../../db/desktops.ts'
import { nudge } from '../../db/events.ts'
import { addressLock } from '../../db/hosts.ts'
import { type DesktopsAlike, type PoolToPlan, poolsToPlan } from '../../db/pool-plans.ts'
import { hardwareOf, poolDeleteRow, poolDesktops, poolFailureReason, poolLock, poolSet } from '../../db/pools.ts'
import type { PoolStatus } from '../../db/schema.ts'
import { counted } from '../../lib/counted.ts'
import type { HdcsError } from '../../lib/errors.ts'
import type { Broker } from '../broker.ts'
import { desktopsMake } from '../making.ts'
import type { HostFacts } from '../placement.ts'
import { hostsToPlaceOn } from '../placing.ts'
import { coldInOrder, type PoolDesktop, type PoolStep, type PoolWish, planPool } from '../pool-plan.ts'
import { withoutRoom } from '../start-room.ts'
import { starvedOf, starvedPlan } from '../starved.ts'
import type { Reconciler } from './driver.ts'

/** Three failures in ten minutes stop refilling for ten minutes: a broken template must not wear out the hosts. */
const restrain = { failures: 3, withinMs: 10 * 60_000, forMs: 10 * 60_000 }

/**
 * Desktops made in one transaction. More: persons who claim meanwhile wait behind it for addresses; fewer: a pool of
 * 1,000 takes many turns.
 */
const batch = 100
/** Even what looks as it did is planned again after so long: the safety net under the sums. */
const planAnywayMs = 30_000

type Pool = PoolToPlan
type Row = Awaited<ReturnType<typeof poolDesktops>>[number]

/** Keeps every pool as large, warm and current as it is wished. */
export function poolsReconciler(broker: Broker): Reconciler {
  /** Pools that had all they wish, by what they looked like then. */
  let settled = new Map<string, string>()
  let settledSinceMs = 0
  return {
    name: 'pools',
    everyMs: 10_000,
    // Every claim nudges. Longer: a pool refills later; shorter: all pools are summed up for each claim of a class.
    restMs: 250,
    async step(signal) {
      const now = broker.clock.now()
      if (now.getTime() - settledSinceMs > planAnywayMs) {
        settled = new Map()
        settledSinceMs = now.getTime()
      }
      const pools = await poolsToPlan(broker.db, new Date(now.getTime() - restrain.withinMs))
      let changed = pools.filter(pool => settled.get(pool.id) !== looksOf(pool, now))
      // Pools take turns, a batch each: nobody waits behind a whole pool of thousands.
      while (changed.length > 0) {
        const unfinished: Pool[] = []
        for (const pool of changed) {
          if (signal.aborted) return
          // Only beside a plan from the desktops themselves that is not old: the sums are not trusted alone.
          if (pool.wished_present && settled.has(pool.id) && isAsWished(pool, now)) {
            settled.set(pool.id, looksOf(pool, now))
            continue
          }
          const outcome = await broker.db
            .transaction()
            .execute(tx => (pool.wished_present ? keep(tx, broker, pool) : remove(tx, broker, pool)))
          if (outcome === 'unfinished') unfinished.push(pool)
          if (outcome === 'settled') settled.set(pool.id, looksOf(pool, now))
          else settled.delete(pool.id)
        }
        changed = unfinished
      }
    },
  }
}

/** All that a plan depends on. */
const looksOf = (pool: Pool, now: Date) => {
  const { min_size, max_size, warm, cold, enabled, remake_held, wished_present, version_id, sums } = pool
  const restrained = restraint(pool, now) !== null
  const wished = [min_size, max_size, warm, cold, enabled, remake_held, wished_present, version_id]
  return JSON.stringify([...wished, restrained, sums])
}

/** Whether a plan would change nothing, told from the sums: then nothing is locked, and no desktop is read. */
function isAsWished(pool: Pool, now: Date): boolean {
  // What a pause and desktops of lost hosts mean stands in more than the sums.
  if (pool.restrained_until || restraint(pool, now) || pool.sums.some(({ phase }) => phase === 'unknown')) return false
  const desktops = pool.sums.flatMap(alikeDesktops)
  const steps = planPool(wishOf(pool, false), desktops)
  if (steps.length > 0) return false
  const { status, text } = statusOf(pool, {
    restrainedUntil: null,
    failure: undefined,
    sealed: pool.version_id !== null,
    short: undefined,
    waits: null,
    steps,
    desktops,
  })
  return status === pool.status && text === pool.status_text
}

const alikeDesktops = ({ phase, free, wished_power, wished_present, version_id, n }: DesktopsAlike): PoolDesktop[] =>
  Array.from({ length: n }, (_, at) => ({
    id: `${at}`,
    phase,
    assigned: !free,
    wishedPower: wished_power,
    present: wished_present,
    versionId: version_id,
    madeAt: new Date(0),
  }))

const wishOf = (pool: Pool, restrained: boolean): PoolWish => ({
  minSize: pool.min_size,
  maxSize: pool.max_size,
  warm: pool.warm,
  cold: pool.cold,
  enabled: pool.enabled,
  versionId: pool.version_id,
  held: pool.remake_held,
  restrained,
})

/** `settled`: it has all it wishes; `waiting`: something is short or under way; `unfinished`: more is to be made at once. */
type Outcome = 'settled' | 'waiting' | 'unfinished'

async function keep(tx: Tx, broker: Broker, pool: Pool): Promise<Outcome> {
  const now = broker.clock.now()
  await poolLock(tx, pool.id)
  const rows = await poolDesktops(tx, pool.id)
  const desktops = rows.map(row => planned(row, pool, now))
  const restrainedUntil = restraint(pool, now)
  const wish = wishOf(pool, restrainedUntil !== null)
  const wanted = planPool(wish, desktops)
  const starts = wanted.some(isStart)
  // Before any row is written, as all do who start or place.
  if (starts) await addressLock(tx)
  const starved = starvedOf(rows)
  const hosts = starts || starved.length > 0 ? await hostsToPlaceOn(tx, { poolIds: [pool.id] }) : []
  const cramped = starts ? crampedOf(wish, desktops, rows, hosts) : none
  const steps =
    cramped.size === 0
      ? wanted
      : planPool(
          wish,
          desktops.map(one => ({ ...one, cramped: cramped.has(one.id) })),
        )
  const { steps: leaving, waits: forStorage } = starvedPlan(starved, hosts, pool.cluster_ids)
  const waits = forStorage ?? memoryAwaited(cramped, wanted, steps)
  steps.push(...leaving)
  let short: HdcsError | undefined
  for (const step of steps) short = (await take(tx, pool, step, rows, now)) ?? short
  const failure = restrainedUntil ? await poolFailureReason(tx, pool.id) : undefined
  const sealed = pool.version_id !== null
  const status = statusOf(pool, { restrainedUntil, failure, sealed, short, waits, steps, desktops })
  if (
    status.status !== pool.status ||
    status.text !== pool.status_text ||
    restrainedUntil?.getTime() !== pool.restrained_until?.getTime()
  )
    await poolSet(tx, pool.id, { status: status.status, status_text: status.text, restrained_until: restrainedUntil })
  Object.assign(pool, { status: status.status, status_text: status.text, restrained_until: restrainedUntil })
  if (short || waits !== null) return 'waiting'
  if (steps.some(step => step.do === 'make' && step.count > batch)) return 'unfinished'
  return steps.length === 0 && !desktops.some(desktop => desktop.returning) ? 'settled' : 'waiting'
}

const isStart = (step: PoolStep) => step.do === 'start'
const none: ReadonlyMap<string, string> = new Map()

/** Those that stand still and whose host has no memory for them, with the reason. Nobody else promises any meanwhile. */
function crampedOf(wish: PoolWish, desktops: PoolDesktop[], rows: Row[], hosts: HostFacts[]): typeof none {
  const rowOf = new Map(rows.map(row => [row.id, row]))
  const resting = coldInOrder(wish, desktops).flatMap(({ id }) => rowOf.get(id) ?? [])
  return withoutRoom(hosts, resting, 'prewarm')
}

/** What fewer are started for than are wanted warm; null where enough are, or others are made instead. */
function memoryAwaited(cramped: typeof none, wanted: readonly PoolStep[], steps: readonly PoolStep[]): string | null {
  const isMake = (step: PoolStep) => step.do === 'make' && step.power === 'running'
  if (steps.some(isMake) || steps.filter(isStart).length === wanted.filter(isStart).length) return null
  return [...cramped.values()][0] ?? null
}

async function take(tx: Tx, pool: Pool, step: PoolStep, rows: Row[], now: Date): Promise<HdcsError | undefined> {
  if (step.do === 'make') {
    const count = Math.min(step.count, batch)
    return (await desktopsMake(tx, pool, { count, power: step.power, reason: step.because, now })).short
  }
  const row = rows.find(candidate => candidate.id === step.desktopId)
  if (!row) return
  const noted = { ...row, pool_id: pool.id, was: row.phase, reason: step.because }
  const done = await applied(tx, pool, step)
  if (done) await transitionNote(tx, [{ ...noted, became: `${step.do} planned` }], now)
}

/** @returns false when a person claimed it between the plan and this: then it is that person's, untouched. */
async function applied(tx: Tx, pool: Pool, step: Exclude<PoolStep, { do: 'make' }>): Promise<boolean> {
  switch (step.do) {
    case 'start':
      return desktopWishFree(tx, step.desktopId, { wished_power: 'running' })
    case 'stop':
      return desktopWishFree(tx, step.desktopId, { wished_power: 'stopped', wished_stop_grace_ms: 0 })
    case 'remove':
      return desktopWishFree(tx, step.desktopId, { wished_present: false })
    case 'upgrade': {
      const hardware = hardwareOf(pool.template_hardware, pool.hardware)
      return pool.version_id !== null && desktopUpgrade(tx, step.desktopId, { versionId: pool.version_id, hardware })
    }
  }
}

/** Until when refilling pauses; null: it does not. Failures from before the last pause were paid for (db/pool-plans.ts). */
function restraint(pool: Pool, now: Date): Date | null {
  if (pool.restrained_until && pool.restrained_until > now) return pool.restrained_until
  return pool.failures >= restrain.failures ? new Date(now.getTime() + restrain.forMs) : null
}

function statusOf(
  pool: Pool,
  seen: {
    restrainedUntil: Date | null
    failure: string | undefined
    sealed: boolean
    short: HdcsError | undefined
    /** For room on a host, in words. */
    waits: string | null
    steps: PoolStep[]
    desktops: PoolDesktop[]
  },
): { status: PoolStatus; text: string } {
  if (!pool.enabled) return { status: 'disabled', text: 'switched off: nobody new gets a desktop' }
  if (seen.restrainedUntil)
    return {
      status: 'restrained',
      text: `${restrain.failures} desktops failed within ${restrain.withinMs / 60_000} minutes, the last one so: ${seen.failure ?? 'unknown'} Making new ones pauses; changing the pool tries again at once.`,
    }
  if (!seen.sealed) return { status: 'waiting', text: 'its template has no version that is ready' }
  if (seen.waits) return { status: 'waiting', text: seen.waits }
  if (seen.short) return { status: 'waiting', text: seen.short.message }
  const moving = seen.desktops.some(
    desktop => desktop.present && !desktop.assigned && ['making', 'starting', 'recycling'].includes(desktop.phase),
  )
  if (moving || seen.steps.some(step => step.do === 'make' || step.do === 'start'))
    return { status: 'filling', text: 'desktops are being made or started' }
  return { status: 'ok', text: '' }
}

async function remove(tx: Tx, broker: Broker, pool: Pool): Promise<Outcome> {
  await poolLock(tx, pool.id)
  const rows = await poolDesktops(tx, pool.id)
  if (rows.length === 0) {
    await poolDeleteRow(tx, pool.id)
    await nudge(tx, 'tasks')
    return 'settled'
  }
  for (const row of rows.filter(candidate => candidate.wished_present)) {
    await desktopWish(tx, row.id, { wished_present: false })
    await transitionNote(
      tx,
      [{ ...row, pool_id: pool.id, was: row.phase, became: 'remove planned', reason: 'its pool is being removed' }],
      broker.clock.now(),
    )
  }
  await poolSet(tx, pool.id, {
    status: 'removing',
    status_text: counted(rows.length, 'desktop is being removed', 'desktops are being removed'),
  })
  return 'waiting'
}

/** So long desktops of a lost host are counted on. Shorter: others are made for them, and thrown away; longer: people wait. */
const returningMs = 10_000

const planned = (row: Row, pool: Pool, now: Date): PoolDesktop => ({
  id: row.id,
  phase: row.phase,
  assigned: row.user_id !== null,
  wishedPower: row.wished_power,
  present: row.wished_present && row.binned_at === null,
  versionId: row.version_id,
  madeAt: row.made_at,
  setAside: row.trouble_code === 'setup_failed',
  verified: row.verified,
  returning:
    row.phase === 'unknown' &&
    row.waits_for === null &&
    pool.ha === 'restart' &&
    now.getTime() - row.phase_since.getTime() < returningMs,
})
