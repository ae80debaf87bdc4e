import type { Generated } from 'kysely'
import type { JsonOrNull } from './schema.ts'

export type PushState = 'scheduled' | 'running' | 'done' | 'cancelled'

/** Where a pool's desktops are on the way to a version. */
export const pushPlaces = ['done', 'remaking', 'waiting', 'inUse', 'failed', 'lost', 'kept'] as const
export type PushPlace = (typeof pushPlaces)[number]
export type PushCounts = Record<PushPlace, number>

export interface PushTable {
  id: string
  pool_id: string
  task_id: string
  requested_by: string
  version: number
  from_version: number | null
  at: Date
  notice_minutes: number | null
  notes: string
  /** This and what follows by the pushes reconciler, and by who calls it off. */
  state: Generated<PushState>
  text: Generated<string>
  started_at: Date | null
  force_at: Date | null
  ended_at: Date | null
  counts: JsonOrNull<PushCounts>
  created_at: Date
}

export interface VerificationTable {
  id: string
  pool_id: string
  task_id: string
  requested_by: string
  batch: number
  state: Generated<'running' | 'done' | 'cancelled'>
  created_at: Date
  ended_at: Date | null
}

export type VerifiedState = 'waiting' | 'starting' | 'asking' | 'ok' | 'failed' | 'skipped'

export interface VerifiedTable {
  verification_id: string
  desktop_id: string
  name: string
  state: Generated<VerifiedState>
  text: Generated<string>
  started: Generated<boolean>
  operation_id: string | null
  since: Date
}
