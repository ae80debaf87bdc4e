import { type Kysely, type QueryCreator, sql } from 'kysely'
import { type Db, holding, type Tx } from './connect.ts'
import type { Database, TaskState, TaskStep, TroubleValue } from './schema.ts'

export interface TaskNew {
  id: string
  kind: string
  state: TaskState
  subject_type: string
  subject_id: string
  subject_name: string
  goal: Record<string, unknown>
  requested_by: string | null
  start_at: Date | null
  created_at: Date
  finished_at: Date | null
  progress: number
  /** Its subject was made with it: the first look at that is the first look at this. */
  followed: boolean
}

/** Also wakes the tasks reconciler for one that is open, unless the look at its subject is under way anyhow. */
const insertion = (db: QueryCreator<Database>, { followed, goal, ...task }: TaskNew) =>
  db
    .insertInto('task')
    .values({ ...task, goal: JSON.stringify(goal), error: null })
    .returning(
      sql`case when state in ('queued', 'running') and not ${followed} then pg_notify('hdcs_nudge', 'tasks')::text end`.as(
        'nudged',
      ),
    )

export async function taskInsert(db: Kysely<Database>, task: TaskNew) {
  await insertion(db, task).execute()
}

/** The same, in one statement with what is read through the result. */
export const withTask = (db: Kysely<Database>, task: TaskNew): Pick<Kysely<Database>, 'selectFrom'> =>
  db.with('opened', query => insertion(query, task)) as QueryCreator<Database>

export type TaskRow = Awaited<ReturnType<typeof taskRows>>[number]

/** Newest first. */
export function taskRows(
  db: Kysely<Database>,
  filter: {
    ids?: string[]
    /** Null: of nobody, begun by HDCS itself. */
    requestedBy?: string | null | undefined
    states?: readonly TaskState[] | undefined
    kind?: string | undefined
    /** A part of the subject's name or of the name of who asked. */
    search?: string | undefined
    subjectId?: string | undefined
    before?: string | undefined
    limit?: number
  },
) {
  let query = db
    .selectFrom('task')
    .leftJoin('user_account', 'user_account.id', 'task.requested_by')
    .selectAll('task')
    .select('user_account.name as requested_by_name')
  if (filter.ids) query = query.where('task.id', 'in', filter.ids)
  if (filter.requestedBy) query = query.where('task.requested_by', '=', filter.requestedBy)
  if (filter.requestedBy === null) query = query.where('task.requested_by', 'is', null)
  if (filter.states) query = query.where('task.state', 'in', filter.states)
  if (filter.kind) query = query.where('task.kind', '=', filter.kind)
  const pattern = filter.search && holding(filter.search)
  if (pattern)
    query = query.where(eb =>
      eb.or([eb('task.subject_name', 'ilike', pattern), eb('user_account.name', 'ilike', pattern)]),
    )
  if (filter.subjectId) query = query.where('task.subject_id', '=', filter.subjectId)
  if (filter.before) query = query.where('task.id', '<', filter.before)
  return query
    .orderBy('task.id', 'desc')
    .limit(filter.limit ?? 100)
    .execute()
}

/**
 * The kinds there are receipts of: from one to the next through the index, so a million receipts cost a few reads.
 * @param requestedBy of this person's alone.
 */
export async function taskKinds(db: Kysely<Database>, requestedBy: string | undefined): Promise<string[]> {
  const { rows } = requestedBy
    ? await sql<{ kind: string }>`
        select distinct kind from task where requested_by = ${requestedBy} order by kind`.execute(db)
    : await sql<{ kind: string }>`
        with recursive found as (
          (select kind from task order by kind limit 1)
          union all
          select (select kind from task where kind > found.kind order by kind limit 1) from found where kind is not null
        )
        select kind from found where kind is not null`.execute(db)
  return rows.map(({ kind }) => kind)
}

export function tasksOpen(db: Kysely<Database>, of: { subjectId?: string } = {}) {
  let query = db.selectFrom('task').selectAll().where('state', 'in', ['queued', 'running'])
  if (of.subjectId !== undefined) query = query.where('subject_id', '=', of.subjectId)
  return query.orderBy('id').execute()
}

/** Of these receipts: how many stand open, and how many ended otherwise than well. */
export async function tasksCounted(db: Kysely<Database>, ids: string[]): Promise<{ left: number; failed: number }> {
  const { rows } = await sql<{ left: number; failed: number }>`
    select count(*) filter (where state in ('queued', 'running'))::int as left,
      count(*) filter (where state in ('failed', 'cancelled'))::int as failed
    from task where id = any(${ids}::uuid[])`.execute(db)
  return rows[0] ?? { left: 0, failed: 0 }
}

/** Writes a receipt that is still open; one that has ended stays as it ended. @returns whether it was open. */
export async function taskSet(
  db: Kysely<Database>,
  id: string,
  set: { state: TaskState; progress: number; error: TroubleValue | null; finished_at: Date | null },
): Promise<boolean> {
  const row = await db
    .updateTable('task')
    .set({ ...set, error: set.error && JSON.stringify(set.error) })
    .where('id', '=', id)
    .where('state', 'in', ['queued', 'running'])
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

/**
 * The last receipt of its kind about a subject, which had failed, goes on: a new one for each try of a host that tries all
 * night would bury the others. It counts from now.
 */
export async function taskReopen(tx: Tx, of: { subjectId: string; kind: string }, line: string, now: Date) {
  const row = await tx
    .updateTable('task')
    .set({ state: 'running', progress: 0, steps: '[]', error: null, finished_at: null, created_at: now })
    .where('state', '=', 'failed')
    .where('id', '=', eb =>
      eb
        .selectFrom('task as last')
        .select('last.id')
        .where('last.subject_id', '=', of.subjectId)
        .where('last.kind', '=', of.kind)
        .orderBy('last.id', 'desc')
        .limit(1),
    )
    .returning('id')
    .executeTakeFirst()
  if (row) await taskLogAdd(tx, row.id, line, now)
}

/** What of an open receipt decides what it becomes. */
export type ReceiptOpen = Pick<TaskRow, 'id' | 'kind' | 'state' | 'progress' | 'steps' | 'goal'>

export interface TaskSettled {
  id: string
  state: TaskState
  progress: number
  steps: TaskStep[]
  error: TroubleValue | null
  finished_at: Date | null
  /** For its log; null: nothing to say. */
  line: string | null
}

/**
 * Writes many receipts that are still open, each with its line of the log; ended ones stay as they are. Parts of a `with`:
 * they go in one statement with whatever they follow from.
 */
export const receiptsSettled = (settled: TaskSettled[], now: Date) => sql`
  receipt as (
    select * from jsonb_to_recordset(${JSON.stringify(settled)}::jsonb) as s(id uuid, state text, progress int,
      steps jsonb, error jsonb, finished_at timestamptz, line text)
  ), receipt_written as (
    update task set state = s.state, progress = s.progress, steps = s.steps, error = nullif(s.error, 'null'),
      finished_at = s.finished_at
    from receipt s where task.id = s.id and task.state in ('queued', 'running') returning task.id
  ), receipt_logged as (
    insert into task_log (task_id, text, at)
    select id, line, ${now}::timestamptz from receipt join receipt_written using (id) where line is not null
  )`

/** The same, in a statement of its own. */
export async function tasksSettle(db: Kysely<Database>, settled: TaskSettled[], now: Date) {
  if (settled.length > 0) await sql`with ${receiptsSettled(settled, now)} select`.execute(db)
}

export async function taskLogAdd(db: Kysely<Database>, taskId: string, text: string, at: Date) {
  await db.insertInto('task_log').values({ task_id: taskId, text, at }).execute()
}

export function taskLogRows(db: Db, taskId: string) {
  return db
    .selectFrom('task_log')
    .select(['at', 'text'])
    .where('task_id', '=', taskId)
    .orderBy('id')
    .limit(5000)
    .execute()
}

/** Median of the last runs that succeeded, by kind. */
export async function taskMedians(db: Kysely<Database>): Promise<Map<string, number>> {
  const { rows } = await sql<{ kind: string; ms: number }>`
    select kind, percentile_cont(0.5) within group (order by extract(epoch from finished_at - created_at) * 1000) as ms
    from (select kind, created_at, finished_at, row_number() over (partition by kind order by finished_at desc) as n
      from task where state = 'succeeded' and finished_at > now() - interval '30 days') past
    where n <= 20 group by kind`.execute(db)
  return new Map(rows.map(row => [row.kind, Math.round(row.ms)]))
}

export async function operationInsert(
  tx: Tx,
  operation: {
    id: string
    host_id: string
    desktop_id: string | null
    task_id: string | null
    name: Database['operation']['name']
  },
) {
  await tx
    .insertInto('operation')
    .values({ ...operation, done_at: null, trouble: null })
    .execute()
  await sql`select pg_notify('hdcs_operation', ${operation.host_id})`.execute(tx)
}

export function operationsOpen(db: Kysely<Database>, hostId: string) {
  return db.selectFrom('operation').selectAll().where('host_id', '=', hostId).where('done_at', 'is', null).execute()
}

/** @param data is kept for who asked, if somebody waits for it. */
export async function operationDone(
  db: Kysely<Database>,
  id: string,
  { trouble, data }: { trouble: TroubleValue | null; data: string | null },
  at: Date,
) {
  await db
    .updateTable('operation')
    .set({ done_at: at, trouble: trouble && JSON.stringify(trouble), data })
    .where('id', '=', id)
    .execute()
  await sql`select pg_notify('hdcs_nudge', 'tasks')`.execute(db)
}

export function operationsOf(db: Kysely<Database>, taskIds: string[]) {
  if (taskIds.length === 0) return Promise.resolve([])
  return db.selectFrom('operation').selectAll().where('task_id', 'in', taskIds).execute()
}

/** What came of a question; undefined while its host has not answered. */
export function operationAnswer(db: Kysely<Database>, id: string) {
  return db
    .selectFrom('operation')
    .select(['trouble', 'data'])
    .where('id', '=', id)
    .where('done_at', 'is not', null)
    .executeTakeFirst()
}

/** Questions are forgotten with their answer; those whose asker was killed, when they are so old. */
export async function operationsForget(db: Kysely<Database>, id: string, olderThan: Date) {
  await db
    .deleteFrom('operation')
    .where('task_id', 'is', null)
    .where(eb => eb.or([eb('id', '=', id), eb('created_at', '<', olderThan)]))
    .execute()
}
