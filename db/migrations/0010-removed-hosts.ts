import { type Kysely, sql } from 'kysely'

/**
 * What is known of hosts that were removed: their keys, so that one of them that runs all the same is told so, and their
 * names in the moves of desktops. Only an open move needs both of its hosts.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
create table removed_host (
  key_hash text primary key,
  name text not null,
  removed_at timestamptz not null
);

alter table migration add column from_name text, add column to_name text;
update migration m set from_name = source.name, to_name = target.name
  from host source, host target where source.id = m.from_host_id and target.id = m.to_host_id;
alter table migration
  alter column from_name set not null, alter column to_name set not null,
  alter column from_host_id drop not null, alter column to_host_id drop not null,
  drop constraint migration_from_host_id_fkey, drop constraint migration_to_host_id_fkey,
  add foreign key (from_host_id) references host on delete set null,
  add foreign key (to_host_id) references host on delete set null,
  add check (ended_at is not null or (from_host_id is not null and to_host_id is not null));

-- Of what is over nobody is told anew: the names it keeps are not news. What a host takes along there is no more.
drop trigger migration_changed on migration;
create trigger migration_opened after insert on migration for each row execute function migration_changed();
create trigger migration_changed after update on migration for each row when (old.ended_at is null)
  execute function migration_changed();
`.execute(db)
}
