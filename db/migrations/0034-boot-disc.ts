import { type Kysely, sql } from 'kysely'

/** A desktop that starts from the disc in its drive before its disk: to repair what is on that. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
alter table desktop add column boot_disc boolean not null default false;

-- Of functions of 0016.
create trigger desktop_boots_otherwise before update on desktop for each row
  when (new.boot_disc <> old.boot_disc) execute function desktop_made_otherwise();
create trigger desktop_boot_seen after update on desktop for each row
  when (new.boot_disc <> old.boot_disc) execute function desktop_seen_otherwise();
`.execute(db)
}
