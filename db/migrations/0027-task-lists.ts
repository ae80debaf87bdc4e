import { type Kysely, sql } from 'kysely'

/** The list of tasks, by kind and of what failed: both newest first. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index task_kind on task (kind, id desc)`.execute(db)
  await sql`create index task_failed on task (id desc) where state = 'failed'`.execute(db)
}
