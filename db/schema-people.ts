/** Tables of people, rights and the trail; `schema.ts` joins them with the machines'. */
import type { ColumnType, Generated } from 'kysely'

/** jsonb: read as what it holds, written as JSON text. */
type Json<T> = ColumnType<T, string, string>
type JsonOrNull<T> = ColumnType<T | null, string | null | undefined, string | null>

export interface PeopleTables {
  user_account: UserTable
  group_account: GroupTable
  group_member: GroupMemberTable
  token: TokenTable
  login_attempt: LoginAttemptTable
  audit: AuditTable
  idempotency: IdempotencyTable
}

export interface UserTable {
  id: string
  name: string
  display_name: string
  email: string | null
  /** PHC string; null: cannot sign in with a password. */
  password_hash: string | null
  /** True for a password somebody else chose or saw: pages ask for a new one. */
  password_temporary: Generated<boolean>
  roles: string[]
  disabled: Generated<boolean>
  created_at: Generated<Date>
  last_seen_at: Date | null
}

export interface GroupTable {
  id: string
  name: string
  description: Generated<string>
  created_at: Generated<Date>
}

export interface GroupMemberTable {
  group_id: string
  user_id: string
}

/** A sign-in or an API token. Only the SHA-256 is kept: a stolen backup opens nothing. */
export interface TokenTable {
  id: string
  user_id: string
  kind: 'session' | 'api'
  name: string
  hash: Buffer
  created_at: Generated<Date>
  expires_at: Date
  last_used_at: Date | null
}

/** Failed sign-ins, per name (`name:alice`) and per address (`address:192.0.2.7`). */
export interface LoginAttemptTable {
  key: string
  failures: number
  last_failed_at: Date
  blocked_until: Date
}

/** No foreign keys: the trail outlives the people and things it speaks of. */
export interface AuditTable {
  id: string
  at: Date
  user_id: string | null
  user_name: string | null
  address: string
  action: string
  subject_type: string | null
  subject_id: string | null
  /** `ok`, or the code of the refusal. */
  outcome: string
  detail: Json<Record<string, unknown>>
  request_id: string
}

/** Answers kept for a day under the key their request came with. */
export interface IdempotencyTable {
  user_id: string
  key: string
  request_hash: Buffer
  started_at: Date
  /** null while the first request is still being worked on. */
  status: number | null
  headers: JsonOrNull<Record<string, string>>
  body: JsonOrNull<unknown>
  /** The answer held a secret that is shown once and was not kept. */
  secret: Generated<boolean>
}
