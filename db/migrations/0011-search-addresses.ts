import { type Kysely, sql } from 'kysely'

/** Desktops are searched by a part of their address in the order of their names: without a look at the rows themselves. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
alter table desktop drop constraint desktop_name_key;
alter table desktop add constraint desktop_name_key unique (name) include (address);
`.execute(db)
}
