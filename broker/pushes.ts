/** A pool goes to another template version at a set time: wished here, begun and carried on by its reconciler. */

import type { Principal } from '../auth/principal.ts'
import type { Tx } from '../db/connect.ts'
import { hardwareOf, type PoolRow, poolRemoveLock, poolRows } from '../db/pools.ts'
import {
  type PushRow,
  poolVersionSet,
  poolVersions,
  pushCallOff,
  pushCounts,
  pushDesktops,
  pushImages,
  pushInsert,
  pushLock,
  pushRows,
  pushSet,
  taskStartSet,
} from '../db/pushes.ts'
import type { PushCounts, PushPlace } from '../db/schema-pushes.ts'
import { versionFind, versionRows } from '../db/templates.ts'
import { transact } from '../db/transact.ts'
import { counted } from '../lib/counted.ts'
import { nameAfter, nameCursor } from '../lib/cursors.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { pageOf } from './pages.ts'
import { hostsToPlaceOn } from './placing.ts'
import { poolWarnings } from './pool-warnings.ts'
import { type PushFacts, pushChecks, pushSums } from './push-plan.ts'
import { actionsFrom } from './refusals.ts'
import { taskOpen } from './tasks.ts'

export const pushKind = 'pool.push'

export interface PushAsk {
  version: number
  /** Absent: now. */
  at?: Date | undefined
  /** People who have an older one are told, and so long later it is given back; absent: it is remade when they give it back. */
  noticeMinutes?: number | undefined
  notes: string
}

export type PushView = ReturnType<typeof pushView>

function pushView(row: PushRow, counts: PushCounts | undefined, later: PushRow | undefined, administrator: boolean) {
  const open = row.state === 'scheduled' || row.state === 'running'
  const forbidden = administrator ? undefined : 'only administrators may do this'
  const ended = open ? undefined : 'it has ended'
  const told = row.counts ?? counts
  return {
    id: row.id,
    poolId: row.pool_id,
    poolName: row.pool_name,
    version: row.version,
    fromVersion: row.from_version,
    at: row.at.toISOString(),
    force: row.notice_minutes === null ? null : { noticeMinutes: row.notice_minutes },
    notes: row.notes,
    state: row.state,
    text: row.text,
    startedAt: row.started_at?.toISOString() ?? null,
    forceAt: row.force_at?.toISOString() ?? null,
    endedAt: row.ended_at?.toISOString() ?? null,
    requestedBy: row.requested_by,
    taskId: row.task_id,
    counts: told && row.started_at ? { ...told, total: pushSums(told).total } : null,
    actions: actionsFrom({
      update: forbidden ?? ended,
      cancel: forbidden ?? ended,
      rollback:
        forbidden ??
        (row.started_at === null
          ? 'it has not begun'
          : row.from_version === null || row.from_version === row.version
            ? 'there was no other version before it'
            : later
              ? 'a later push has begun since'
              : undefined),
    }),
    createdAt: row.created_at.toISOString(),
  }
}

async function pushesShow(broker: Broker, principal: Principal, rows: PushRow[]) {
  const counted = rows.filter(({ state }) => state === 'running').map(({ id }) => id)
  const counts = await pushCounts(broker.db, counted)
  const later = new Map<string, PushRow>()
  for (const poolId of new Set(rows.map(({ pool_id }) => pool_id))) {
    const begun = (await pushRows(broker.db, { poolId })).filter(({ started_at }) => started_at !== null)
    for (const [index, { id }] of begun.entries()) {
      const next = begun[index - 1]
      if (next) later.set(id, next)
    }
  }
  const administrator = principal.permissions.has('pool.write')
  return (row: PushRow) => pushView(row, counts.get(row.id), later.get(row.id), administrator)
}

/** Newest first. */
export async function pushList(
  broker: Broker,
  principal: Principal,
  poolId: string,
  query: { limit: number; cursor?: string | undefined },
) {
  await poolFound(broker.db, poolId)
  const rows = await pushRows(broker.db, { poolId, before: query.cursor, limit: query.limit + 1 })
  return pageOf(rows, query.limit, row => row.id, await pushesShow(broker, principal, rows))
}

export async function pushGet(broker: Broker, principal: Principal, id: string): Promise<PushView> {
  const [row] = await pushRows(broker.db, { ids: [id] })
  if (!row) throw notFound()
  return (await pushesShow(broker, principal, [row]))(row)
}

/** Where each desktop of the pool is on the way. */
export async function pushDesktopList(
  broker: Broker,
  id: string,
  query: { limit: number; cursor?: string | undefined; place?: PushPlace | undefined },
) {
  const [push] = await pushRows(broker.db, { ids: [id] })
  if (!push) throw notFound()
  const filter = { place: query.place, after: nameAfter(query.cursor), limit: query.limit + 1 }
  const rows = await pushDesktops(broker.db, id, filter)
  return pageOf(
    rows,
    query.limit,
    row => nameCursor(row.name),
    row => ({
      id: row.id,
      name: row.name,
      version: row.version,
      place: row.place,
      userId: row.user_id,
      userName: row.user_name,
      connected: row.session_state === 'connected',
      backAt: row.back_at?.toISOString() ?? null,
      trouble: row.observed_trouble?.text ?? null,
    }),
  )
}

/** What a push would do, now; nothing is changed. @throws HdcsError `not_found`, `invalid` as making it would. */
export async function pushPlan(broker: Broker, principal: Principal, poolId: string, ask: PushAsk) {
  const pool = await poolFound(broker.db, poolId)
  const checks = pushChecks(await pushFacts(broker.db, pool, ask.version))
  const { people, counts } = await wouldBe(broker, pool, ask.version)
  const forced = ask.noticeMinutes !== undefined
  return {
    version: ask.version,
    fromVersion: pool.current_version,
    follows: pool.template_version === null,
    checks: checks.map(({ name, ok, text }) => ({ name, ok, text })),
    remadeAtOnce: counts.free,
    remadeWhenGivenBack: forced ? 0 : counts.claimed,
    givenBackByForce: forced ? counts.claimed : 0,
    kept: counts.kept,
    already: counts.already,
    people: people.slice(0, peopleTold),
    actions: actionsFrom({
      push: principal.permissions.has('pool.write') ? lasting(pool, ask, checks) : 'only administrators may do this',
    }),
  }
}

/** More: an answer of megabytes for a pool of thousands. */
const peopleTold = 200

async function wouldBe(broker: Broker, pool: PoolRow, version: number) {
  const all = await poolVersions(broker.db, pool.id)
  const other = all.filter(row => row.version !== version)
  const claimed = other.filter(({ user_name }) => user_name !== null)
  const keeps = pool.kind === 'persistent'
  return {
    people: claimed.map(({ id, name, user_name: userName, session_state }) => ({
      desktopId: id,
      desktopName: name,
      userName,
      connected: session_state === 'connected',
    })),
    counts: {
      free: other.length - claimed.length,
      claimed: keeps ? 0 : claimed.length,
      kept: keeps ? claimed.length : 0,
      already: all.length - other.length,
    },
  }
}

/** What a push of this version finds. */
export async function pushFacts(db: Tx | Broker['db'], pool: PoolRow, number: number): Promise<PushFacts> {
  const version = await versionFind(db, pool.template_id, number)
  const images = version ? await pushImages(db, pool.id, version.id) : []
  return {
    asked: number,
    version: version && {
      number,
      state: version.state,
      progress: version.progress,
      virtualBytes: version.virtual_bytes,
      trouble: version.trouble?.text ?? null,
      everywhere: version.source.kind !== 'desktop',
    },
    hardware: hardwareOf(pool.template_hardware, pool.hardware),
    images: images.map(({ host_name: hostName, state, progress, trouble }) => ({ hostName, state, progress, trouble })),
    warnings: poolWarnings(pool, await hostsToPlaceOn(db, { poolIds: [] })),
  }
}

/** Why it cannot be asked for at all. */
function lasting(pool: PoolRow, ask: PushAsk, checks: ReturnType<typeof pushChecks>): string | undefined {
  if (!pool.wished_present) return 'the pool is being removed'
  if (ask.noticeMinutes !== undefined && pool.kind === 'persistent')
    return 'people keep their desktops of a persistent pool: nothing can be given back by force'
  return checks.find(check => !check.ok && check.lasting)?.text
}

/**
 * Asks for it. A pool that follows the newest version is held where it is until then.
 * @throws HdcsError `not_found`; `invalid` at its field; `conflict` while another one waits for its time, or with what stands in its way for good.
 */
export async function pushMake(
  broker: Broker,
  principal: Principal,
  poolId: string,
  ask: PushAsk & { backFrom?: string },
) {
  const now = broker.clock.now()
  const id = newId(now.getTime())
  const task = await transact(broker.db, async tx => pushMakeIn(tx, principal, poolId, { ...ask, id, now }))
  return { task, push: await pushGet(broker, principal, id) }
}

/** Clocks of people and servers differ by so much. */
const clocksMs = 60_000

/** @throws HdcsError `invalid`: a slip of a day or a year must not begin at once what was meant for tonight. */
function timeChecked(at: Date | undefined, now: Date) {
  if (at === undefined || at.getTime() > now.getTime() - clocksMs) return
  const text = 'This time is over: give a later one, or none to begin now.'
  throw new HdcsError('invalid', text, { fields: [{ field: 'body.at', message: text }] })
}

/** @param ask.backFrom the push that is rolled back: by one of two who ask for it at once. */
async function pushMakeIn(
  tx: Tx,
  principal: Principal,
  poolId: string,
  ask: PushAsk & { id: string; now: Date; backFrom?: string },
) {
  const { id, now } = ask
  timeChecked(ask.at, now)
  await poolRemoveLock(tx, poolId)
  const pool = await poolFound(tx, poolId)
  const known = await versionRows(tx, [pool.template_id])
  if (!known.some(({ number }) => number === ask.version)) {
    const text = `${pool.template_name} has no version ${ask.version}: it has ${known.map(({ number }) => number).join(', ') || 'none'}.`
    throw new HdcsError('invalid', text, { fields: [{ field: 'body.version', message: text }] })
  }
  const { backFrom } = ask
  const since = backFrom === undefined ? [] : (await pushRows(tx, { poolId })).filter(push => push.id > backFrom)
  if (since.some(({ started_at, state }) => started_at !== null || state === 'scheduled'))
    throw new HdcsError('conflict', 'It cannot be rolled back: a later push was asked for since.')
  const refused = lasting(pool, ask, pushChecks(await pushFacts(tx, pool, ask.version)))
  if (refused !== undefined) throw new HdcsError('conflict', `${pool.name} cannot be pushed: ${refused}.`)
  if ((await pushRows(tx, { poolId, open: true })).some(({ state }) => state === 'scheduled'))
    throw new HdcsError('conflict', `Another push of ${pool.name} waits for its time: change that one, or cancel it.`)
  if (pool.template_version === null && pool.current_version !== null)
    await poolVersionSet(tx, poolId, { version: pool.current_version, held: pool.remake_held, now })
  const at = ask.at ?? now
  const subject = { type: 'pool', id: poolId, name: pool.name }
  const goal = { pushId: id, version: ask.version }
  const startAt = at > now ? at : undefined
  const task = await taskOpen(tx, { kind: pushKind, subject, requestedBy: principal, goal, startAt }, now)
  const push = {
    id,
    pool_id: poolId,
    task_id: task.id,
    requested_by: principal.name,
    version: ask.version,
    at,
    notice_minutes: ask.noticeMinutes ?? null,
    notes: ask.notes,
    created_at: now,
  }
  await pushInsert(tx, push)
  return task
}

/** Another time or another notice; a time only before it has begun. @throws HdcsError `not_found`, `conflict`. */
export async function pushUpdate(
  broker: Broker,
  principal: Principal,
  id: string,
  ask: { at?: Date | undefined; noticeMinutes?: number | null | undefined; notes?: string | undefined },
) {
  const now = broker.clock.now()
  timeChecked(ask.at, now)
  await transact(broker.db, async tx => {
    const push = await pushLock(tx, id)
    if (!push) throw notFound()
    if (push.state !== 'scheduled' && push.state !== 'running')
      throw new HdcsError('conflict', 'This push has ended: make another one.')
    if (ask.at && push.state === 'running')
      throw new HdcsError('conflict', 'This push has begun: its time cannot be changed any more. It can be cancelled.')
    if (ask.noticeMinutes != null && push.pool_kind === 'persistent')
      throw new HdcsError(
        'conflict',
        'People keep their desktops of a persistent pool: nothing is given back by force.',
      )
    const { noticeMinutes, notes, at } = ask
    await pushSet(tx, id, {
      ...(at && { at, text: '' }),
      ...(notes !== undefined && { notes }),
      ...(noticeMinutes !== undefined && { notice_minutes: noticeMinutes }),
      ...(noticeMinutes !== undefined && push.state === 'running' && { force_at: forceAt(now, noticeMinutes) }),
    })
    if (at) await taskStartSet(tx, push.task_id, at)
  })
  return pushGet(broker, principal, id)
}

export const forceAt = (from: Date, noticeMinutes: number | null) =>
  noticeMinutes === null ? null : new Date(from.getTime() + noticeMinutes * 60_000)

/** @throws HdcsError `not_found`, `conflict` when it has ended. */
export async function pushCancel(broker: Broker, principal: Principal, id: string): Promise<PushView> {
  const now = broker.clock.now()
  await transact(broker.db, async tx => {
    if (!(await pushLock(tx, id))) throw notFound()
    if (!(await pushCallOff(tx, id, `Cancelled by ${principal.name}.`, now)))
      throw new HdcsError('conflict', 'This push has ended: there is nothing left to cancel. It can be rolled back.')
  })
  return pushGet(broker, principal, id)
}

/** Back to the version before, now: a push like any other. @throws HdcsError `not_found`, `conflict` with the reason. */
export async function pushRollback(
  broker: Broker,
  principal: Principal,
  id: string,
  ask: { noticeMinutes?: number | undefined },
) {
  const push = await pushGet(broker, principal, id)
  const refused = push.actions.find(({ name }) => name === 'rollback')?.reason
  if (refused !== undefined || push.fromVersion === null)
    throw new HdcsError('conflict', `It cannot be rolled back: ${refused}.`)
  const notes = `Back from version ${push.version}`
  return pushMake(broker, principal, push.poolId, { version: push.fromVersion, notes, backFrom: id, ...ask })
}

async function poolFound(db: Tx | Broker['db'], id: string): Promise<PoolRow> {
  const [pool] = await poolRows(db, { ids: [id] })
  if (!pool) throw new HdcsError('not_found', 'There is no such pool.')
  return pool
}

const notFound = () => new HdcsError('not_found', 'There is no such push.')

/** Told beside its result when it ends. */
export const lostText = ({ lost }: PushCounts) =>
  lost > 0 ? `${counted(lost, 'desktop', 'desktops')} on lost hosts will follow when those are back` : ''
