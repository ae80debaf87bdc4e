import { sql } from 'kysely'
import type { Db } from './connect.ts'

export interface AuditRow {
  id: string
  at: Date
  user_id: string | null
  user_name: string | null
  address: string
  action: string
  subject_type: string | null
  subject_id: string | null
  outcome: string
  detail: Record<string, unknown>
  request_id: string
}

/**
 * Adds rows to the trail in one statement. Its commit does not wait for the disk: the rows survive the end of any
 * process and follow everything committed before them, and a power cut takes at most the last half second. Waiting
 * would double what every write costs.
 */
export async function auditAdd(db: Db, rows: AuditRow[]): Promise<void> {
  await sql`
    with quick as materialized (select set_config('synchronous_commit', 'off', true))
    insert into audit (id, at, user_id, user_name, address, action, subject_type, subject_id, outcome, detail, request_id)
    select row.* from quick, jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as row(
      id uuid, at timestamptz, user_id uuid, user_name text, address text, action text, subject_type text,
      subject_id text, outcome text, detail jsonb, request_id text)`.execute(db)
}

export interface AuditFilter {
  userId?: string | undefined
  action?: string | undefined
  subjectType?: string | undefined
  subjectId?: string | undefined
  outcome?: string | undefined
  from?: Date | undefined
  to?: Date | undefined
  /** Rows older than this one. */
  before?: string | undefined
  limit: number
}

/** Newest first. */
export async function auditList(db: Db, filter: AuditFilter): Promise<AuditRow[]> {
  let query = db.selectFrom('audit').selectAll().orderBy('id', 'desc').limit(filter.limit)
  if (filter.userId) query = query.where('user_id', '=', filter.userId)
  if (filter.action) query = query.where('action', '=', filter.action)
  if (filter.subjectType) query = query.where('subject_type', '=', filter.subjectType)
  if (filter.subjectId) query = query.where('subject_id', '=', filter.subjectId)
  if (filter.outcome === 'refused') query = query.where('outcome', '!=', 'ok')
  else if (filter.outcome) query = query.where('outcome', '=', filter.outcome)
  if (filter.from) query = query.where('at', '>=', filter.from)
  if (filter.to) query = query.where('at', '<', filter.to)
  if (filter.before) query = query.where('id', '<', filter.before)
  return query.execute()
}
