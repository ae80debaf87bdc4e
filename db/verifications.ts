/** Desktops of a pool that are looked at one by one, to see that they work. */
import { type Kysely, sql } from 'kysely'
import { pageOfRows, type Tx } from './connect.ts'
import type { Database, Phase, Power, TroubleValue } from './schema.ts'
import type { VerifiedState } from './schema-pushes.ts'

/** Begins it, with the desktops that are there: all of the pool, or those named. @returns how many. */
export async function verificationInsert(
  tx: Tx,
  verification: {
    id: string
    pool_id: string
    task_id: string
    requested_by: string
    batch: number
    created_at: Date
  },
  desktopIds: string[] | undefined,
): Promise<number> {
  await tx
    .insertInto('verification')
    .values({ ...verification, ended_at: null })
    .execute()
  const { rows } = await sql`
    insert into verified_desktop (verification_id, desktop_id, name, since)
    select ${verification.id}::uuid, id, name, ${verification.created_at}::timestamptz from desktop
    where pool_id = ${verification.pool_id} and wished_present and binned_at is null
      and (${desktopIds === undefined} or id = any(${desktopIds ?? []}::uuid[]))
    returning desktop_id`.execute(tx)
  return rows.length
}

export type VerificationRow = Awaited<ReturnType<typeof verificationRows>>[number]

/** Newest first, with how many of their desktops are how far. */
export function verificationRows(
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
  const of = (states: VerifiedState[]) =>
    sql<number>`(select count(*) from verified_desktop i where i.verification_id = verification.id
      and i.state = any(${states}))`
  let query = db
    .selectFrom('verification')
    .innerJoin('pool', 'pool.id', 'verification.pool_id')
    .selectAll('verification')
    .select('pool.name as pool_name')
    .select([of(['ok']).as('ok'), of(['failed']).as('failed'), of(['skipped']).as('skipped')])
    .select([of(['waiting']).as('waiting'), of(['starting', 'asking']).as('looking')])
  if (filter.ids) query = query.where('verification.id', 'in', filter.ids)
  if (filter.taskIds) query = query.where('verification.task_id', 'in', filter.taskIds)
  if (filter.poolId) query = query.where('verification.pool_id', '=', filter.poolId)
  if (filter.open) query = query.where('verification.state', '=', 'running')
  if (filter.before) query = query.where('verification.id', '<', filter.before)
  return pageOfRows(query.orderBy('verification.id', 'desc'), filter.limit).execute()
}

/** Its desktops by name: what came of each. */
export function verifiedRows(
  db: Kysely<Database>,
  id: string,
  filter: { state?: VerifiedState | undefined; after?: string | undefined; limit: number },
) {
  let query = db.selectFrom('verified_desktop').selectAll().where('verification_id', '=', id)
  if (filter.state) query = query.where('state', '=', filter.state)
  if (filter.after) query = query.where('name', '>', filter.after)
  return query.orderBy('name').limit(filter.limit).execute()
}

/** One that is not done with, and how its desktop is by now; null: it is not there any more. */
export interface VerifiedOpen {
  desktop_id: string
  name: string
  state: 'waiting' | 'starting' | 'asking'
  started: boolean
  since: Date
  operation_id: string | null
  desktop: {
    host_id: string
    memory_bytes: number
    phase: Phase
    user_id: string | null
    wished_power: Power
    address: string
    bridged: boolean
    ready_when: 'agent' | 'running'
    trouble: TroubleValue | null
    captured: boolean
  } | null
  /** Of the question that was asked; null: none, or the host was removed. */
  answer: { done: boolean; trouble: TroubleValue | null; data: string | null } | null
}

/** Those under way, and the next that wait. */
export async function verifiedOpen(tx: Tx, id: string, limit: number): Promise<VerifiedOpen[]> {
  const { rows } = await sql<VerifiedOpen>`
    select i.desktop_id, i.name, i.state, i.started, i.since, i.operation_id,
      case when d.id is not null and d.wished_present then jsonb_build_object('host_id', d.host_id, 'memory_bytes', d.memory_bytes, 'phase', d.phase,
        'user_id', d.user_id, 'wished_power', d.wished_power, 'address', d.address_text,
        'bridged', p.network ->> 'mode' = 'bridge', 'ready_when', t.ready_when, 'trouble', d.observed_trouble,
        'captured', exists (select from template_version c where c.state = 'making'
          and c.source ->> 'kind' = 'desktop' and c.source ->> 'desktopId' = d.id::text)) end as desktop,
      case when o.id is not null then jsonb_build_object('done', o.done_at is not null, 'trouble', o.trouble,
        'data', o.data) end as answer
    from verified_desktop i
    left join desktop d on d.id = i.desktop_id left join pool p on p.id = d.pool_id
    left join template_version v on v.id = d.version_id left join template t on t.id = v.template_id
    left join operation o on o.id = i.operation_id
    where i.verification_id = ${id} and i.state in ('waiting', 'starting', 'asking')
    order by i.state = 'waiting', i.name limit ${limit}`.execute(tx)
  return rows.map(row => ({ ...row, since: new Date(row.since) }))
}

export async function verifiedSet(
  tx: Tx,
  id: string,
  desktopId: string,
  set: { state: VerifiedState; text?: string; started?: boolean; operation_id?: string | null; since?: Date },
) {
  await tx
    .updateTable('verified_desktop')
    .set(set)
    .where('verification_id', '=', id)
    .where('desktop_id', '=', desktopId)
    .execute()
}

/** Locks it. @returns whether it still runs. */
export async function verificationLock(tx: Tx, id: string): Promise<boolean> {
  const row = await tx.selectFrom('verification').select('state').where('id', '=', id).forUpdate().executeTakeFirst()
  return row?.state === 'running'
}

export async function verificationEnd(tx: Tx, id: string, state: 'done' | 'cancelled', now: Date) {
  await tx.updateTable('verification').set({ state, ended_at: now }).where('id', '=', id).execute()
}

/** Called off: what it started, and nobody has taken meanwhile, stands still again. @returns false when it has ended. */
export async function verificationTakeBack(tx: Tx, taskId: string, now: Date): Promise<boolean> {
  const [row] = await verificationRows(tx, { taskIds: [taskId] })
  if (!row || !(await verificationLock(tx, row.id))) return false
  await sql`
    update desktop set wished_power = 'stopped', wished_stop_grace_ms = 0
    where user_id is null and wished_present and id in (select desktop_id from verified_desktop
      where verification_id = ${row.id} and started and state in ('starting', 'asking'))`.execute(tx)
  await tx
    .updateTable('verified_desktop')
    .set({ state: 'skipped', text: 'cancelled before it was looked at' })
    .where('verification_id', '=', row.id)
    .where('state', 'in', ['waiting', 'starting', 'asking'])
    .execute()
  await verificationEnd(tx, row.id, 'cancelled', now)
  return true
}

/** A `desktop` that is being looked at now: its pool's plan leaves it alone meanwhile. */
export const desktopVerified = sql<boolean>`exists (
  select from verified_desktop i where i.desktop_id = desktop.id and i.state in ('starting', 'asking'))`
