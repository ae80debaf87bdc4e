import { type ExpressionBuilder, sql } from 'kysely'
import { type Db, holding, type Tx } from './connect.ts'
import type { Database } from './schema.ts'
import type { UserTable } from './schema-people.ts'

export type UserRow = Omit<UserTable, 'password_temporary' | 'disabled' | 'created_at' | 'password_hash'> & {
  password_temporary: boolean
  disabled: boolean
  created_at: Date
}

const columns = [
  'id',
  'name',
  'display_name',
  'email',
  'password_temporary',
  'roles',
  'disabled',
  'created_at',
  'last_seen_at',
] as const

export type NewUser = Pick<UserTable, 'id' | 'name' | 'display_name' | 'email' | 'password_hash' | 'roles'> & {
  password_temporary: boolean
  disabled: boolean
}

/** @returns undefined when the name is taken. */
export async function userCreate(db: Db | Tx, user: NewUser): Promise<UserRow | undefined> {
  return db
    .insertInto('user_account')
    .values(user)
    .onConflict(conflict => conflict.column('name').doNothing())
    .returning(columns)
    .executeTakeFirst()
}

export async function userGet(db: Db | Tx, id: string): Promise<UserRow | undefined> {
  return db.selectFrom('user_account').select(columns).where('id', '=', id).executeTakeFirst()
}

/** For sign-in: with the hash of the password. */
export async function userByName(
  db: Db,
  name: string,
): Promise<(UserRow & { password_hash: string | null }) | undefined> {
  return db
    .selectFrom('user_account')
    .select([...columns, 'password_hash'])
    .where('name', '=', name)
    .executeTakeFirst()
}

export async function userPasswordHash(db: Db, id: string): Promise<string | null> {
  const row = await db.selectFrom('user_account').select('password_hash').where('id', '=', id).executeTakeFirst()
  return row?.password_hash ?? null
}

export interface UserFilter {
  name?: string | undefined
  search?: string | undefined
  role?: string | undefined
  groupId?: string | undefined
  /** Names after this one. */
  after?: string | undefined
  limit: number
}

/** By name. */
export async function userList(db: Db, filter: UserFilter): Promise<UserRow[]> {
  let query = db.selectFrom('user_account').select(columns).orderBy('name').limit(filter.limit)
  if (filter.name) query = query.where('name', '=', filter.name)
  if (filter.search) query = query.where(eb => matches(eb, filter.search ?? ''))
  if (filter.role) query = query.where(sql<boolean>`${filter.role} = any(roles)`)
  if (filter.after) query = query.where('name', '>', filter.after)
  if (filter.groupId) {
    const members = db.selectFrom('group_member').select('user_id').where('group_id', '=', filter.groupId)
    query = query.where('id', 'in', members)
  }
  return query.execute()
}

/** Part of a name, a display name or an address; `%` and `_` in it mean themselves. */
function matches(eb: ExpressionBuilder<Database, 'user_account'>, search: string) {
  const pattern = holding(search)
  return eb.or([eb('name', 'ilike', pattern), eb('display_name', 'ilike', pattern), eb('email', 'ilike', pattern)])
}

export type UserChange = Partial<
  Pick<UserTable, 'display_name' | 'email' | 'password_hash' | 'roles'> & {
    disabled: boolean
    password_temporary: boolean
  }
>

/** @returns undefined when there is no such person. */
export async function userUpdate(db: Db | Tx, id: string, change: UserChange): Promise<UserRow | undefined> {
  if (Object.keys(change).length === 0) return userGet(db, id)
  return db.updateTable('user_account').set(change).where('id', '=', id).returning(columns).executeTakeFirst()
}

export async function userDelete(db: Db | Tx, id: string): Promise<void> {
  await db.deleteFrom('user_account').where('id', '=', id).execute()
}

/** The ids among `ids` that are people. */
export async function usersExisting(db: Db | Tx, ids: string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set()
  const rows = await db.selectFrom('user_account').select('id').where('id', 'in', ids).execute()
  return new Set(rows.map(row => row.id))
}

/** Their names, of those that there are. */
export async function userNames(db: Db | Tx, ids: string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map()
  const rows = await db.selectFrom('user_account').select(['id', 'name']).where('id', 'in', ids).execute()
  return new Map(rows.map(({ id, name }) => [id, name]))
}

/** Any number; only that nobody else uses it for a lock of a transaction. */
const administratorsLock = 7_223_001

/**
 * How many people who can sign in hold a role, besides one. Holds a lock to the end of the transaction: two
 * administrators who remove each other at once would else both find the other still there.
 */
export async function usersHolding(tx: Db | Tx, role: string, besides: string): Promise<number> {
  await sql`select pg_advisory_xact_lock(${administratorsLock})`.execute(tx)
  const row = await tx
    .selectFrom('user_account')
    .select(eb => eb.fn.countAll<number>().as('count'))
    .where(sql<boolean>`${role} = any(roles)`)
    .where('disabled', '=', false)
    .where('id', '!=', besides)
    .executeTakeFirstOrThrow()
  return Number(row.count)
}

/** Which groups each of these people is in. */
export async function groupsOfUsers(db: Db, userIds: string[]): Promise<Map<string, { id: string; name: string }[]>> {
  const groups = new Map<string, { id: string; name: string }[]>(userIds.map(id => [id, []]))
  if (userIds.length === 0) return groups
  const rows = await db
    .selectFrom('group_member')
    .innerJoin('group_account', 'group_account.id', 'group_member.group_id')
    .select(['group_member.user_id', 'group_account.id', 'group_account.name'])
    .where('group_member.user_id', 'in', userIds)
    .orderBy('group_account.name')
    .execute()
  for (const row of rows) groups.get(row.user_id)?.push({ id: row.id, name: row.name })
  return groups
}

/** The desktops a person has now, by name. */
export async function userDesktopNames(db: Db, userId: string): Promise<{ id: string; name: string }[]> {
  return db.selectFrom('desktop').select(['id', 'name']).where('user_id', '=', userId).orderBy('name').execute()
}
