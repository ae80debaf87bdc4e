import { type Kysely, sql } from 'kysely'

/**
 * Ceph's keys are kept sealed. Only a control process has the key to seal them with: the one that leads does it (the
 * storage reconciler), and also what an older process beside it still writes as it is.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table storage_pool add column sealed_secret text`.execute(db)
}
