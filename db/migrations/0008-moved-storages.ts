import { type Kysely, sql } from 'kysely'

/**
 * Which storages a move copies its disk between: the only proof that what lies on one of them is a copy. What hosts say of
 * their storage later may be wrong, when it is not mounted.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table migration add column from_storage_id text, add column to_storage_id text`.execute(db)
}
