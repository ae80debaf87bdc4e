import { type Kysely, sql } from 'kysely'

/** What Windows Setup is answered where a pool of the template says nothing else. The secrets in it are sealed. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table template add column answers jsonb`.execute(db)
}
