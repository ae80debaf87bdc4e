import { type Kysely, sql } from 'kysely'

/**
 * What is done with one machine: questions to its host with an answer, memory that is kept over a stop, snapshots.
 *
 * A saved desktop is wished stopped, and `wished_saved` says how: programs and agents that do not know it see one that
 * stands still. The wish to keep memory ends with the next start, whoever asks for that.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
-- A question to a host itself has no desktop.
alter table operation alter column desktop_id drop not null;
alter table operation add column data text;

alter table desktop
  add column wished_saved boolean not null default false,
  add column wished_revert jsonb,
  -- Grows with every change of what is wished of its snapshots.
  add column snapshots bigint not null default 0,
  add column observed_memory jsonb;

create table snapshot (
  id uuid primary key,
  desktop_id uuid not null references desktop on delete cascade,
  -- The life of the disk it is in.
  incarnation int not null,
  name text not null,
  note text not null default '',
  created_by uuid,
  created_at timestamptz not null default now(),
  -- Who waits for its making or its removal.
  task_id uuid,
  wished_present boolean not null default true,
  observed_taken_at timestamptz,
  observed_frozen boolean,
  observed_disk_bytes bigint,
  unique (desktop_id, name)
);

-- After desktop_changing, which goes first by its name.
create function desktop_changing_kept() returns trigger language plpgsql as $$
begin
  if new.wished_power <> 'stopped' then new.wished_saved := false; end if;
  if (new.wished_saved, new.wished_revert, new.snapshots) is distinct from (old.wished_saved, old.wished_revert, old.snapshots)
  then
    new.generation := nextval('generation');
    perform pg_notify('hdcs_host', new.host_id || ' ' || new.id);
  end if;
  return new;
end $$;
create trigger desktop_changing_kept before update on desktop for each row execute function desktop_changing_kept();

create function desktop_changed_kept() returns trigger language plpgsql as $$
begin
  if new.wished_incarnation <> old.wished_incarnation then
    delete from snapshot where desktop_id = new.id and incarnation < new.wished_incarnation;
  end if;
  if (new.observed_memory, new.wished_revert) is distinct from (old.observed_memory, old.wished_revert) then
    perform event_note('desktop', 'changed', new.id, new.user_id, new.pool_id);
  end if;
  return null;
end $$;
create trigger desktop_changed_kept after update on desktop for each row execute function desktop_changed_kept();

create function snapshot_changed() returns trigger language plpgsql as $$
begin
  if tg_op <> 'UPDATE'
    or (new.wished_present, new.observed_taken_at is null) is distinct from (old.wished_present, old.observed_taken_at is null)
  then
    update desktop set snapshots = snapshots + 1 where id = coalesce(new.desktop_id, old.desktop_id);
    perform event_note('desktop', 'changed', d.id, d.user_id, d.pool_id)
      from desktop d where d.id = coalesce(new.desktop_id, old.desktop_id);
  end if;
  return null;
end $$;
create trigger snapshot_changed after insert or update or delete on snapshot
  for each row execute function snapshot_changed();
`.execute(db)
}
