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

-- As before (0004), but of what is over nobody is told anew.
create or replace function migration_changed() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and old.ended_at is not null then return null; end if;
  if tg_op = 'INSERT' or (new.state, new.wished_cancel, new.to_host_id, new.ended_at is null)
     is distinct from (old.state, old.wished_cancel, old.to_host_id, old.ended_at is null)
  then
    update desktop set moves = moves + 1 where id = new.desktop_id;
    perform pg_notify('hdcs_host', new.from_host_id::text);
    perform pg_notify('hdcs_host', new.to_host_id::text);
  end if;
  perform pg_notify('hdcs_nudge', 'migrations');
  perform pg_notify('hdcs_nudge', 'tasks');
  if new.ended_at is not null then perform pg_notify('hdcs_nudge', 'evacuations'); end if;
  perform event_note('desktop', 'changed', new.desktop_id, (select user_id from desktop where id = new.desktop_id), null);
  return null;
end $$;
create or replace trigger migration_changed after insert or update on migration
  for each row execute function migration_changed();
`.execute(db)
}
