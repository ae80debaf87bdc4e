/** The trail: who did or tried what, from where, and how it ended. */
import { type AuditFilter, type AuditRow, auditAdd, auditList } from '../db/audit.ts'
import type { Db } from '../db/connect.ts'
import type { Clock } from '../lib/clock.ts'
import { newId } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'

export type AuditEntry = Omit<AuditRow, 'id' | 'at'>

export interface Trail {
  /** Resolves when the entry is in the table. Never rejects: what was done is done; the entry then stands in the log. */
  note(entry: AuditEntry): Promise<void>
}

/** Entries that come while others are being written go together: a rush costs few statements. */
export function makeTrail(db: Db, clock: Clock, log: Log): Trail {
  let gathering: AuditRow[] = []
  let next: Promise<void> | undefined
  let idMs = 0
  let current: Promise<void> = Promise.resolve()

  async function write() {
    await current
    const rows = gathering
    gathering = []
    next = undefined
    current = auditAdd(db, rows).catch(error => log.error({ err: error, rows }, 'the audit trail could not be written'))
    await current
  }

  return {
    note(entry) {
      const now = clock.now()
      // Ids order the trail, and random ones of the same millisecond would not: the later one takes the next.
      idMs = Math.max(now.getTime(), idMs + 1)
      gathering.push({ ...entry, id: newId(idMs), at: now })
      next ??= write()
      return next
    },
  }
}

/** An API's page of the trail, newest first. */
export async function trailList(db: Db, filter: Omit<AuditFilter, 'before'> & { cursor?: string | undefined }) {
  const rows = await auditList(db, { ...filter, before: filter.cursor, limit: filter.limit + 1 })
  const items = rows.slice(0, filter.limit).map(row => ({
    id: row.id,
    at: row.at.toISOString(),
    userId: row.user_id,
    userName: row.user_name,
    address: row.address,
    action: row.action,
    subjectType: row.subject_type,
    subjectId: row.subject_id,
    outcome: row.outcome,
    detail: row.detail,
    requestId: row.request_id,
  }))
  return { items, nextCursor: rows.length > filter.limit ? (items.at(-1)?.id ?? null) : null }
}
