import { type Kysely, sql } from 'kysely'

/** Machines of hosts that are not ours, as the hosts tell of them, and desktops that begin with the disk of one. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
create table host_foreign (
  host_id uuid primary key references host on delete cascade,
  observed_machines jsonb not null,
  observed_at timestamptz not null
);
create trigger foreign_changed after insert or update or delete on host_foreign
  for each row execute function row_changed('host', 'host_id', '', '', '');

-- The machine of its host whose disk its first one is.
alter table desktop add column wished_adopt uuid;
-- How far a long step of its host is: { progress, text }.
alter table desktop add column observed_work jsonb;
`.execute(db)
}
