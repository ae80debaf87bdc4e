/** Receipts of many (`desktop.many`): which of them were asked for, and which not yet. */
import { type Kysely, sql } from 'kysely'
import type { Tx } from './connect.ts'
import type { Database, TroubleValue } from './schema.ts'

/** One that was not done, and why. */
export interface BulkRefusal {
  id: string
  type: 'desktop' | 'user'
  /** Where it is known to whoever writes it. */
  name?: string | null
  code: TroubleValue['code']
  text: string
}

/** What of the goal of a receipt of many is read here and written one by one. */
export interface BulkGoal {
  action: string
  /** The receipts of those that were asked for. */
  tasks: string[]
  refused: number
  refusals: BulkRefusal[]
  /** Those that were not asked for yet, and when the last one was (ISO 8601). */
  asking: { ids: string[]; at: string }
}

export const bulkGoal = (action: string, ids: string[], now: Date): BulkGoal => ({
  action,
  tasks: [],
  refused: 0,
  refusals: [],
  asking: { ids, at: now.toISOString() },
})

/**
 * One of them was asked for, or refused (no `taskId`). In the transaction of its action, and last there: others of the same
 * receipt wait for it.
 * @returns false: it was taken by another process before, or the receipt has ended.
 */
export async function bulkTake(
  tx: Tx,
  receiptId: string,
  {
    id,
    taskId,
    refusal,
  }: { id: string; taskId: string; refusal?: never } | { id: string; taskId: null; refusal: BulkRefusal },
  now: Date,
): Promise<boolean> {
  const { rows } = await sql`
    update task set goal = goal || jsonb_build_object(
      'tasks', case when ${taskId}::text is null then goal -> 'tasks' else goal -> 'tasks' || to_jsonb(${taskId}::text) end,
      'refused', (goal ->> 'refused')::int + case when ${taskId}::text is null then 1 else 0 end,
      'refusals', coalesce(goal -> 'refusals', '[]') || ${JSON.stringify(refusal ? [refusal] : [])}::jsonb,
      'asking', jsonb_build_object('ids', (goal #> '{asking,ids}') - ${id}::text, 'at', ${now.toISOString()}::text))
    where id = ${receiptId} and state in ('queued', 'running') and jsonb_exists(goal #> '{asking,ids}', ${id}::text)
    returning id`.execute(tx)
  return rows.length > 0
}

/** Those that were not asked for yet are not asked for any more, as `why` says: they count as refused. @returns how many they were. */
export async function bulkDrop(tx: Tx, receiptId: string, why: TroubleValue): Promise<number> {
  const { rows } = await sql<{ dropped: number }>`
    with held as (
      select id, jsonb_array_length(goal #> '{asking,ids}') as dropped from task
      where id = ${receiptId} and state in ('queued', 'running') for update
    )
    update task set goal = goal || jsonb_build_object(
      'refused', (goal ->> 'refused')::int + dropped, 'asking', (goal -> 'asking') || '{"ids": []}',
      'refusals', coalesce(goal -> 'refusals', '[]') || (
        select jsonb_agg(jsonb_build_object('id', one, 'type', 'desktop') || ${JSON.stringify(why)}::jsonb)
        from jsonb_array_elements(goal #> '{asking,ids}') one))
    from held where task.id = held.id and dropped > 0
    returning dropped`.execute(tx)
  return rows[0]?.dropped ?? 0
}

/** Receipts with some that were not asked for, none of which was touched since. */
export async function bulksLeft(db: Kysely<Database>, before: Date) {
  const { rows } = await sql<{ id: string; requested_by: string | null; goal: BulkGoal }>`
    select id, requested_by, goal from task
    where kind = 'desktop.many' and state in ('queued', 'running')
      and jsonb_array_length(goal #> '{asking,ids}') > 0 and (goal #>> '{asking,at}')::timestamptz < ${before}
    order by id`.execute(db)
  return rows
}
