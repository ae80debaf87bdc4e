/** Receipts, what hosts are asked, what they keep of a desktop's memory, and what pages are told. */
import type { ColumnType, Generated } from 'kysely'
import type { JsonOrNull, TroubleValue } from './schema.ts'

export type SavedValue =
  | { state: 'saving'; progress: number }
  | { state: 'saved'; bytes: number; savedAt: string }
  | { state: 'failed'; trouble: TroubleValue }

export type TaskState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled'

export interface TaskStep {
  name: string
  state: 'done' | 'current' | 'waiting'
  text?: string
}

export interface TaskTable {
  id: string
  kind: string
  state: Generated<TaskState>
  progress: Generated<number>
  steps: ColumnType<TaskStep[], string | undefined, string>
  error: JsonOrNull<TroubleValue>
  subject_type: string
  subject_id: string
  subject_name: string
  goal: ColumnType<Record<string, unknown>, string | undefined, string>
  requested_by: string | null
  start_at: Date | null
  created_at: Generated<Date>
  finished_at: Date | null
}

export interface OperationTable {
  id: string
  host_id: string
  /** Null: the host itself is asked. */
  desktop_id: string | null
  task_id: string | null
  name: 'reboot' | 'reset' | 'screenshot' | 'xml' | 'addresses' | 'hostXml' | 'console' | 'script'
  created_at: Generated<Date>
  done_at: Date | null
  trouble: JsonOrNull<TroubleValue>
  /** The answer, as its host gave it (base64); read once. */
  data: Generated<string | null>
}

export interface EventTable {
  id: Generated<number>
  at: Generated<Date>
  noun: string
  what: string
  subject_id: string
  user_id: string | null
  pool_id: string | null
}

/** What a host is asked to revert a disk to; its task waits for it. */
export interface RevertValue {
  id: string
  snapshotId: string
  taskId: string
}

export interface SnapshotTable {
  id: string
  desktop_id: string
  incarnation: number
  name: string
  note: Generated<string>
  created_by: string | null
  created_at: Date
  /** Who waits for its making or its removal. */
  task_id: string | null
  wished_present: Generated<boolean>
  observed_taken_at: ColumnType<Date | null, string | null, string | null>
  observed_frozen: boolean | null
  observed_disk_bytes: number | null
}
