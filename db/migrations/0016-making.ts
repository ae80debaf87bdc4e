import { type Kysely, sql } from 'kysely'

/**
 * Machines made and removed by hand: a disc in a desktop's drive, another name, copies of desktops, and a recycle bin.
 *
 * Each with triggers of their own beside those of 0007: what changes a machine's spec gives it a new generation and wakes
 * its host's agent.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
alter table desktop
  -- The image in its CD-ROM drive.
  add column wished_cdrom uuid references template_version,
  -- What is in the drive of the guest that runs; null: it has no drive.
  add column observed_cdrom jsonb,
  -- Its first disk is a copy of that desktop's: desktopId, incarnation, full.
  add column clone_of jsonb,
  -- Since when it is in the recycle bin.
  add column binned_at timestamptz;
create index desktop_binned on desktop (name) where binned_at is not null;
create index desktop_cdrom on desktop (wished_cdrom) where wished_cdrom is not null;
create index desktop_cloning on desktop (id) where clone_of is not null and disk_incarnation is null;

-- How long its desktops stay in the recycle bin; 0: they do not get there.
alter table cluster add column bin_days int not null default 7 check (bin_days between 0 and 3650);

create function desktop_made_otherwise() returns trigger language plpgsql as $$
begin
  new.generation := nextval('generation');
  perform pg_notify('hdcs_host', new.host_id || ' ' || new.id);
  return new;
end $$;
create trigger desktop_made_otherwise before update on desktop for each row
  when ((new.name, new.wished_cdrom) is distinct from (old.name, old.wished_cdrom))
  execute function desktop_made_otherwise();

create function desktop_seen_otherwise() returns trigger language plpgsql as $$
begin
  perform event_note('desktop', 'changed', new.id, coalesce(new.user_id, old.user_id), new.pool_id);
  if new.binned_at is distinct from old.binned_at then perform pg_notify('hdcs_nudge', 'pools'); end if;
  return null;
end $$;
create trigger desktop_seen_otherwise after update on desktop for each row
  when ((new.name, new.wished_cdrom, new.observed_cdrom, new.binned_at)
    is distinct from (old.name, old.wished_cdrom, old.observed_cdrom, old.binned_at))
  execute function desktop_seen_otherwise();

-- What may be done with a desktop changes while its disk is copied for another.
create function desktop_cloned() returns trigger language plpgsql as $$
begin
  perform event_note('desktop', 'changed', d.id, d.user_id, d.pool_id)
    from desktop d where d.id = (coalesce(new.clone_of, old.clone_of) ->> 'desktopId')::uuid;
  return null;
end $$;
create trigger desktop_cloned_new after insert on desktop for each row
  when (new.clone_of is not null) execute function desktop_cloned();
create trigger desktop_cloned_made after update on desktop for each row
  when (new.clone_of is not null and new.disk_incarnation is distinct from old.disk_incarnation)
  execute function desktop_cloned();
create trigger desktop_cloned_gone after delete on desktop for each row
  when (old.clone_of is not null) execute function desktop_cloned();

-- A receipt of many (broker/desktop-bulk.ts) is looked at when one of them ends, while there is any.
create index task_many on task (id) where kind = 'desktop.many' and state in ('queued', 'running');
create function task_part_ended() returns trigger language plpgsql as $$
begin
  if exists (select from task where kind = 'desktop.many' and state in ('queued', 'running')) then
    perform pg_notify('hdcs_nudge', 'tasks');
  end if;
  return null;
end $$;
create trigger task_part_ended after update on task for each row
  when (old.state in ('queued', 'running') and new.state not in ('queued', 'running') and new.kind <> 'desktop.many')
  execute function task_part_ended();

-- What is in the recycle bin takes no place of its pool: summed up as what is not wished present.
create or replace function desktop_tallied() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into tally
      select pool_id, host_id, version_id, network(set_masklen(address, 22)), phase, user_id is null,
        coalesce(session_state = 'connected', false), wished_power, wished_present and binned_at is null, count(*),
        sum(vcpus), sum(memory_bytes)
      from fresh group by 1, 2, 3, 4, 5, 6, 7, 8, 9;
  elsif tg_op = 'DELETE' then
    insert into tally
      select pool_id, host_id, version_id, network(set_masklen(address, 22)), phase, user_id is null,
        coalesce(session_state = 'connected', false), wished_power, wished_present and binned_at is null, -count(*),
        -sum(vcpus), -sum(memory_bytes)
      from stale group by 1, 2, 3, 4, 5, 6, 7, 8, 9;
  else
    insert into tally
      select pool_id, host_id, version_id, network(set_masklen(address, 22)), phase, user_id is null,
        coalesce(session_state = 'connected', false), wished_power, wished_present and binned_at is null, sum(sign),
        sum(sign * vcpus), sum(sign * memory_bytes)
      from (select *, 1 as sign from fresh union all select *, -1 from stale) both_times
      group by 1, 2, 3, 4, 5, 6, 7, 8, 9
      having sum(sign) <> 0 or sum(sign * vcpus) <> 0 or sum(sign * memory_bytes) <> 0;
  end if;
  return null;
end $$;
`.execute(db)
}
