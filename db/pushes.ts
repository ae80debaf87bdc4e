/** Pools on their way to another template version. */
import { type Kysely, sql } from 'kysely'
import { type Db, pageOfRows, type Tx } from './connect.ts'
import type { Database } from './schema.ts'
import type { PushCounts, PushPlace, PushState } from './schema-pushes.ts'

export interface PushNew {
  id: string
  pool_id: string
  task_id: string
  requested_by: string
  version: number
  at: Date
  notice_minutes: number | null
  notes: string
  created_at: Date
}

/** Refused by the database (23505) while another one of the pool waits for its time. */
export async function pushInsert(tx: Tx, push: PushNew) {
  await tx
    .insertInto('push')
    .values({ ...push, from_version: null, started_at: null, force_at: null, ended_at: null, counts: null })
    .execute()
}

export type PushRow = Awaited<ReturnType<typeof pushRows>>[number]

/** Newest first. */
export function pushRows(
  db: Kysely<Database>,
  filter: {
    ids?: string[]
    poolId?: string | undefined
    taskIds?: string[] | undefined
    open?: boolean
    before?: string | undefined
    limit?: number
  },
) {
  let query = db
    .selectFrom('push')
    .innerJoin('pool', 'pool.id', 'push.pool_id')
    .selectAll('push')
    .select(['pool.name as pool_name', 'pool.kind as pool_kind', 'pool.template_id', 'pool.template_version'])
    .select(['pool.wished_present', 'pool.status as pool_status', 'pool.status_text', 'pool.remake_held'])
  if (filter.ids) query = query.where('push.id', 'in', filter.ids)
  if (filter.taskIds) query = query.where('push.task_id', 'in', filter.taskIds)
  if (filter.poolId) query = query.where('push.pool_id', '=', filter.poolId)
  if (filter.open) query = query.where('push.state', 'in', ['scheduled', 'running'])
  if (filter.before) query = query.where('push.id', '<', filter.before)
  return pageOfRows(query.orderBy('push.id', 'desc'), filter.limit).execute()
}

export async function pushSet(
  db: Kysely<Database>,
  id: string,
  set: {
    at?: Date
    notice_minutes?: number | null
    notes?: string
    state?: PushState
    text?: string
    from_version?: number | null
    started_at?: Date
    force_at?: Date | null
    ended_at?: Date
    counts?: PushCounts
  },
) {
  const { counts, ...rest } = set
  await db
    .updateTable('push')
    .set({ ...rest, ...(counts && { counts: JSON.stringify(counts) }) })
    .where('id', '=', id)
    .execute()
}

/** Locks it, and its pool before it: whoever changes both does it in this order. */
export async function pushLock(tx: Tx, id: string): Promise<PushRow | undefined> {
  await sql`select from pool where id = (select pool_id from push where id = ${id}) for update`.execute(tx)
  await tx.selectFrom('push').select('id').where('id', '=', id).forUpdate().execute()
  const [row] = await pushRows(tx, { ids: [id] })
  return row
}

/** What new desktops of the pool are made of. `held`: others stay on what they stand on until they are given back. */
export async function poolVersionSet(
  tx: Tx,
  poolId: string,
  set: { version: number | null; held: boolean; now: Date },
) {
  await tx
    .updateTable('pool')
    .set({ template_version: set.version, remake_held: set.held, restrained_until: null, failures_since: set.now })
    .where('id', '=', poolId)
    .execute()
}

/**
 * Called off. Begun, the pool makes new desktops as before it, and nothing more is remade: what stands on the new version
 * stays there until it is given back.
 * @returns false when it has ended.
 */
export async function pushCallOff(tx: Tx, id: string, text: string, now: Date): Promise<boolean> {
  const push = await pushLock(tx, id)
  if (!push || (push.state !== 'scheduled' && push.state !== 'running')) return false
  const counts = push.state === 'running' ? (await pushCounts(tx, [push.id])).get(push.id) : undefined
  if (push.state === 'running' && push.template_version === push.version)
    await poolVersionSet(tx, push.pool_id, { version: push.from_version, held: true, now })
  await pushSet(tx, push.id, { state: 'cancelled', text, ended_at: now, ...(counts && { counts }) })
  return true
}

/** The push that a receipt is about is called off. @returns false when it has ended. */
export async function pushTakeBack(tx: Tx, taskId: string, text: string, now: Date): Promise<boolean> {
  const [push] = await pushRows(tx, { taskIds: [taskId] })
  return push !== undefined && pushCallOff(tx, push.id, text, now)
}

/**
 * Where a `desktop` of a `pool` is on the way of a `push`; `v` is its version. A desktop that somebody keeps is none of it.
 */
const placeOf = sql<PushPlace>`case
  when pool.kind = 'persistent' and desktop.user_id is not null then 'kept'
  when v.number = push.version and desktop.observed_incarnation = desktop.wished_incarnation
    and (desktop.user_id is not null or desktop.phase in ('ready', 'stopped', 'paused')) then 'done'
  when desktop.phase = 'unknown' then 'lost'
  when desktop.phase = 'failed' then 'failed'
  when v.number = push.version then 'remaking'
  when desktop.user_id is not null then 'inUse'
  else 'waiting' end`

const onTheWay = (db: Kysely<Database>) =>
  db
    .selectFrom('push')
    .innerJoin('pool', 'pool.id', 'push.pool_id')
    .innerJoin('desktop', 'desktop.pool_id', 'pool.id')
    .innerJoin('template_version as v', 'v.id', 'desktop.version_id')
    .where('desktop.wished_present', '=', true)

export const noCounts: PushCounts = { done: 0, remaking: 0, waiting: 0, inUse: 0, failed: 0, lost: 0, kept: 0 }

/** How many desktops are where, by push. */
export async function pushCounts(db: Kysely<Database>, ids: string[]): Promise<Map<string, PushCounts>> {
  if (ids.length === 0) return new Map()
  const rows = await onTheWay(db)
    .select(['push.id', placeOf.as('place'), sql<number>`count(*)`.as('n')])
    .where('push.id', 'in', ids)
    .groupBy([sql`1`, sql`2`])
    .execute()
  const counts = new Map(ids.map(id => [id, { ...noCounts }]))
  for (const { id, place, n } of rows) Object.assign(counts.get(id) ?? {}, { [place]: n })
  return counts
}

/** Its desktops by name, with the version each stands on. */
export function pushDesktops(
  db: Db,
  id: string,
  filter: { place?: PushPlace | undefined; after?: string | undefined; limit: number },
) {
  let query = onTheWay(db)
    .leftJoin('user_account', 'user_account.id', 'desktop.user_id')
    .select(['desktop.id', 'desktop.name', 'desktop.phase', 'desktop.user_id', 'user_account.name as user_name'])
    .select(['v.number as version', placeOf.as('place'), 'desktop.session_state', 'desktop.observed_trouble'])
    .select(backAt.as('back_at'))
    .where('push.id', '=', id)
  if (filter.place) query = query.where(placeOf, '=', filter.place)
  if (filter.after) query = query.where('desktop.name', '>', filter.after)
  return query.orderBy('desktop.name').limit(filter.limit).execute()
}

/** Desktops of a pool by name, with the version each stands on and who has it. */
export function poolVersions(db: Kysely<Database>, poolId: string) {
  return db
    .selectFrom('desktop')
    .innerJoin('template_version as v', 'v.id', 'desktop.version_id')
    .leftJoin('user_account', 'user_account.id', 'desktop.user_id')
    .select(['desktop.id', 'desktop.name', 'v.number as version', 'user_account.name as user_name'])
    .select('desktop.session_state')
    .where('desktop.pool_id', '=', poolId)
    .where('desktop.wished_present', '=', true)
    .orderBy('desktop.name')
    .execute()
}

/** When a person's `desktop` is given back by force; who came later has the whole notice as well. */
const backAt = sql<Date | null>`case when push.state = 'running' and v.number <> push.version and pool.kind = 'floating'
  and desktop.user_id is not null
  then greatest(push.force_at, desktop.assigned_at + push.notice_minutes * interval '1 minute') end`

/** Desktops whose time to be given back has come. */
export async function pushForced(db: Kysely<Database>, id: string, now: Date): Promise<string[]> {
  const rows = await onTheWay(db)
    .select('desktop.id')
    .where('push.id', '=', id)
    .where('push.force_at', 'is not', null)
    .where('desktop.phase', '<>', 'unknown')
    .where(backAt, '<=', now)
    .orderBy('desktop.id')
    .execute()
  return rows.map(row => row.id)
}

/** When a `desktop` is given back by force, for whoever looks at it; null: it is not. */
export const desktopBackAt = sql<Date | null>`case when desktop.user_id is not null then (
  select ${backAt} from push join template_version v on v.id = desktop.version_id
  where push.pool_id = desktop.pool_id and push.state = 'running' and push.force_at is not null) end`

/** What hosts of a pool's clusters say of the image of a version: those that are there. */
export async function pushImages(db: Kysely<Database>, poolId: string, versionId: string) {
  const { rows } = await sql<{
    host_name: string
    cluster_id: string
    state: 'waiting' | 'making' | 'ready' | 'failed' | null
    progress: number | null
    trouble: string | null
    copied: boolean
  }>`
    select host.name as host_name, host.cluster_id, i.observed_state as state, i.observed_progress as progress,
      i.observed_trouble ->> 'text' as trouble,
      exists (select from template_copy c where c.version_id = ${versionId} and c.cluster_id = host.cluster_id) as copied
    from pool join host on pool.cluster_ids = '{}' or host.cluster_id = any(pool.cluster_ids)
    left join host_image i on i.host_id = host.id and i.version_id = ${versionId}
    where pool.id = ${poolId} and host.state in ('online', 'maintenance')
    order by host.name`.execute(db)
  return rows
}

/** The receipt of a push begins later or earlier. */
export async function taskStartSet(tx: Tx, taskId: string, at: Date) {
  await tx.updateTable('task').set({ start_at: at }).where('id', '=', taskId).execute()
}
