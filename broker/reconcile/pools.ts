import type { Tx } from '../../db/connect.ts'
import { desktopUpgrade, desktopWish, desktopWishFree, transitionNote } from '../../db/desktops.ts'
import { nudge } from '../../db/events.ts'
import {
  hardwareOf,
  poolDeleteRow,
  poolDesktops,
  poolFailureReason,
  poolFailures,
  poolLock,
  poolSet,
  poolsAll,
} from '../../db/pools.ts'
import type { PoolStatus } from '../../db/schema.ts'
import { versionCurrent } from '../../db/templates.ts'
import type { HdcsError } from '../../lib/errors.ts'
import type { Broker } from '../broker.ts'
import { desktopsMake } from '../making.ts'
import { type PoolDesktop, type PoolStep, planPool } from '../pool-plan.ts'
import type { Reconciler } from './driver.ts'

/** Three failures in ten minutes stop refilling for ten minutes: a broken template must not wear out the hosts. */
const restrain = { failures: 3, withinMs: 10 * 60_000, forMs: 10 * 60_000 }

type Pool = Awaited<ReturnType<typeof poolsAll>>[number]

/** Keeps every pool as large, warm and current as it is wished. */
export function poolsReconciler(broker: Broker): Reconciler {
  return {
    name: 'pools',
    everyMs: 10_000,
    async step(signal) {
      for (const pool of await poolsAll(broker.db)) {
        if (signal.aborted) return
        await broker.db
          .transaction()
          .execute(tx => (pool.wished_present ? keep(tx, broker, pool) : remove(tx, broker, pool)))
      }
    },
  }
}

async function keep(tx: Tx, broker: Broker, pool: Pool) {
  const now = broker.clock.now()
  await poolLock(tx, pool.id)
  const rows = await poolDesktops(tx, pool.id)
  const desktops = rows.map(planned)
  const version = await versionCurrent(tx, pool)
  const restrainedUntil = await restraint(tx, pool, now)
  const steps = planPool(
    {
      minSize: pool.min_size,
      maxSize: pool.max_size,
      warm: pool.warm,
      cold: pool.cold,
      enabled: pool.enabled,
      versionId: version?.id ?? null,
      restrained: restrainedUntil !== null,
    },
    desktops,
  )
  let short: HdcsError | undefined
  for (const step of steps) short = (await take(tx, pool, step, rows, version?.id, now)) ?? short
  const failure = restrainedUntil ? await poolFailureReason(tx, pool.id) : undefined
  const status = statusOf(pool, { restrainedUntil, failure, sealed: version !== undefined, short, steps, desktops })
  if (
    status.status !== pool.status ||
    status.text !== pool.status_text ||
    restrainedUntil?.getTime() !== pool.restrained_until?.getTime()
  )
    await poolSet(tx, pool.id, { status: status.status, status_text: status.text, restrained_until: restrainedUntil })
}

async function take(
  tx: Tx,
  pool: Pool,
  step: PoolStep,
  rows: Awaited<ReturnType<typeof poolDesktops>>,
  versionId: string | undefined,
  now: Date,
): Promise<HdcsError | undefined> {
  if (step.do === 'make')
    return (await desktopsMake(tx, pool, { count: step.count, power: step.power, reason: step.because, now })).short
  const row = rows.find(candidate => candidate.id === step.desktopId)
  if (!row) return
  const noted = { ...row, pool_id: pool.id, was: row.phase, reason: step.because }
  const done = await applied(tx, pool, step, versionId)
  if (done) await transitionNote(tx, [{ ...noted, became: `${step.do} planned` }], now)
}

/** @returns false when a person claimed it between the plan and this: then it is that person's, untouched. */
async function applied(
  tx: Tx,
  pool: Pool,
  step: Exclude<PoolStep, { do: 'make' }>,
  versionId: string | undefined,
): Promise<boolean> {
  switch (step.do) {
    case 'start':
      return desktopWishFree(tx, step.desktopId, { wished_power: 'running' })
    case 'stop':
      return desktopWishFree(tx, step.desktopId, { wished_power: 'stopped', wished_stop_grace_ms: 0 })
    case 'remove':
      return desktopWishFree(tx, step.desktopId, { wished_present: false })
    case 'upgrade': {
      const hardware = hardwareOf(pool.template_hardware, pool.hardware)
      return versionId !== undefined && desktopUpgrade(tx, step.desktopId, { versionId, hardware })
    }
  }
}

async function restraint(tx: Tx, pool: Pool, now: Date): Promise<Date | null> {
  if (pool.restrained_until && pool.restrained_until > now) return pool.restrained_until
  // Failures from before the last pause, or before an administrator lifted it, were paid for.
  const paidForMs = Math.max(pool.restrained_until?.getTime() ?? 0, pool.failures_since.getTime())
  const since = new Date(Math.max(now.getTime() - restrain.withinMs, paidForMs))
  const failures = await poolFailures(tx, pool.id, since)
  return failures >= restrain.failures ? new Date(now.getTime() + restrain.forMs) : null
}

function statusOf(
  pool: Pool,
  seen: {
    restrainedUntil: Date | null
    failure: string | undefined
    sealed: boolean
    short: HdcsError | undefined
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
  if (seen.short) return { status: 'waiting', text: seen.short.message }
  const moving = seen.desktops.some(
    desktop => desktop.present && !desktop.assigned && ['making', 'starting', 'recycling'].includes(desktop.phase),
  )
  if (moving || seen.steps.some(step => step.do === 'make' || step.do === 'start'))
    return { status: 'filling', text: 'desktops are being made or started' }
  return { status: 'ok', text: '' }
}

async function remove(tx: Tx, broker: Broker, pool: Pool) {
  await poolLock(tx, pool.id)
  const rows = await poolDesktops(tx, pool.id)
  if (rows.length === 0) {
    await poolDeleteRow(tx, pool.id)
    return nudge(tx, 'tasks')
  }
  for (const row of rows.filter(candidate => candidate.wished_present)) {
    await desktopWish(tx, row.id, { wished_present: false })
    await transitionNote(
      tx,
      [{ ...row, pool_id: pool.id, was: row.phase, became: 'remove planned', reason: 'its pool is being removed' }],
      broker.clock.now(),
    )
  }
  await poolSet(tx, pool.id, { status: 'removing', status_text: `${rows.length} desktops are being removed` })
}

const planned = (row: Awaited<ReturnType<typeof poolDesktops>>[number]): PoolDesktop => ({
  id: row.id,
  phase: row.phase,
  assigned: row.user_id !== null,
  wishedPower: row.wished_power,
  present: row.wished_present,
  versionId: row.version_id,
  madeAt: row.made_at,
})
