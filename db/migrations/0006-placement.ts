import { type Kysely, sql } from 'kysely'

/** Desktops of a pool may be kept together or apart for certain; what a host says it could carry is nowhere read. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
alter table pool
  drop constraint pool_affinity_check,
  add check (affinity in ('none', 'together', 'apart', 'onlyTogether', 'onlyApart'));
alter table host drop column observed_capacity;
`.execute(db)
}
