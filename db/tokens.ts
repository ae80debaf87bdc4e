import { sql } from 'kysely'
import type { Db, Tx } from './connect.ts'
import type { TokenTable } from './schema-people.ts'

/** A token with the person it stands for, in one row. */
export interface TokenOwner {
  tokenId: string
  kind: TokenTable['kind']
  expiresAt: Date
  userId: string
  name: string
  displayName: string
  roles: string[]
}

export interface TokenUse {
  now: Date
  /** Its last use is noted again (and a session made longer) only when the note is older than this. */
  noteBefore: Date
  /** Until when a session lasts from now on. */
  sessionUntil: Date
  /** Sessions that began before this end however busy they are. */
  sessionsFrom: Date
}

/**
 * The person behind a token, found by the unique index of its hash, in one statement that also notes the use when
 * the last note is old. A write at each request would make every read a commit.
 * @returns undefined: unknown, expired, or its owner is disabled.
 */
export async function tokenFind(db: Db, hash: Buffer, use: TokenUse): Promise<TokenOwner | undefined> {
  const { rows } = await sql<TokenOwner>`
    with found as materialized (
      select t.id as "tokenId", t.kind, t.expires_at as "expiresAt", t.last_used_at,
             u.id as "userId", u.name, u.display_name as "displayName", u.roles
      from token t join user_account u on u.id = t.user_id
      where t.hash = ${hash} and t.expires_at > ${use.now} and not u.disabled
        and (t.kind = 'api' or t.created_at > ${use.sessionsFrom})
    ), stale as (
      select * from found where last_used_at is null or last_used_at < ${use.noteBefore}
    ), noted as (
      update token set last_used_at = ${use.now},
        expires_at = case when token.kind = 'session' then ${use.sessionUntil} else token.expires_at end
      from stale where token.id = stale."tokenId"
    ), seen as (
      update user_account set last_seen_at = ${use.now} from stale where user_account.id = stale."userId"
    )
    select "tokenId", kind, "expiresAt", "userId", name, "displayName", roles from found`.execute(db)
  return rows[0]
}

export async function tokenCreate(
  db: Db | Tx,
  token: Pick<TokenTable, 'id' | 'user_id' | 'kind' | 'name' | 'hash' | 'expires_at'> & { created_at: Date },
): Promise<void> {
  await db.insertInto('token').values(token).execute()
}

/** A person's tokens of one kind that still open something, newest first. */
export async function tokenList(db: Db, userId: string, kind: TokenTable['kind'], now: Date) {
  return db
    .selectFrom('token')
    .select(['id', 'name', 'created_at', 'expires_at', 'last_used_at'])
    .where('user_id', '=', userId)
    .where('kind', '=', kind)
    .where('expires_at', '>', now)
    .orderBy('id', 'desc')
    .execute()
}

/** @returns false when the person has no such token. */
export async function tokenDelete(db: Db, userId: string, id: string): Promise<boolean> {
  const gone = await db.deleteFrom('token').where('id', '=', id).where('user_id', '=', userId).executeTakeFirst()
  return gone.numDeletedRows > 0n
}

/** Ends all of a person's tokens, of one kind if named, but the one given. */
export async function tokenDeleteAll(
  db: Db | Tx,
  userId: string,
  options: { kind?: TokenTable['kind']; except?: string } = {},
): Promise<void> {
  let query = db.deleteFrom('token').where('user_id', '=', userId)
  if (options.kind) query = query.where('kind', '=', options.kind)
  if (options.except) query = query.where('id', '!=', options.except)
  await query.execute()
}

export async function tokenDeleteExpired(db: Db, now: Date): Promise<void> {
  await db.deleteFrom('token').where('expires_at', '<', now).execute()
}
