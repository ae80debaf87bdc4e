import { type Kysely, sql } from 'kysely'

/** Which file system of its host a storage pool lies on: what lies on one shares its space. Null: not told. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table host_storage add column observed_file_system text`.execute(db)
}
