import { type Kysely, sql } from 'kysely'

/**
 * What lists of many desktops need: indexes for their pages, and sums.
 *
 * `tally` says how many desktops are alike, as a sum of changes: a change of desktops appends rows that add or take
 * away; nobody updates one, so transactions neither wait for each other nor deadlock here. db/tallies.ts folds them
 * together now and then. Sums are exact within any one statement.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
-- Pages of desktops come by name: of a pool, of a host, of what is not simply ready.
create index desktop_of_pool on desktop (pool_id, name);
create index desktop_of_host on desktop (host_id, name);
create index desktop_odd on desktop (phase, name) where phase <> 'ready';

create table tally (
  pool_id uuid not null,
  host_id uuid not null,
  version_id uuid not null,
  -- Of its address: the host it was made on.
  subnet cidr not null,
  phase text not null,
  free boolean not null,
  connected boolean not null,
  wished_power text not null,
  wished_present boolean not null,
  n int not null,
  vcpus bigint not null,
  memory_bytes bigint not null
);

create view desktop_kind as
  select pool_id, host_id, version_id, network(set_masklen(address, 22)) as subnet, phase, user_id is null as free,
    coalesce(session_state = 'connected', false) as connected, wished_power, wished_present, vcpus, memory_bytes
  from desktop;
insert into tally
  select pool_id, host_id, version_id, subnet, phase, free, connected, wished_power, wished_present, count(*),
    sum(vcpus), sum(memory_bytes)
  from desktop_kind group by 1, 2, 3, 4, 5, 6, 7, 8, 9;
drop view desktop_kind;

create function desktop_tallied() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into tally
      select pool_id, host_id, version_id, network(set_masklen(address, 22)), phase, user_id is null,
        coalesce(session_state = 'connected', false), wished_power, wished_present, count(*), sum(vcpus), sum(memory_bytes)
      from fresh group by 1, 2, 3, 4, 5, 6, 7, 8, 9;
  elsif tg_op = 'DELETE' then
    insert into tally
      select pool_id, host_id, version_id, network(set_masklen(address, 22)), phase, user_id is null,
        coalesce(session_state = 'connected', false), wished_power, wished_present, -count(*), -sum(vcpus), -sum(memory_bytes)
      from stale group by 1, 2, 3, 4, 5, 6, 7, 8, 9;
  else
    insert into tally
      select pool_id, host_id, version_id, network(set_masklen(address, 22)), phase, user_id is null,
        coalesce(session_state = 'connected', false), wished_power, wished_present, sum(sign), sum(sign * vcpus),
        sum(sign * memory_bytes)
      from (select *, 1 as sign from fresh union all select *, -1 from stale) both_times
      group by 1, 2, 3, 4, 5, 6, 7, 8, 9
      having sum(sign) <> 0 or sum(sign * vcpus) <> 0 or sum(sign * memory_bytes) <> 0;
  end if;
  return null;
end $$;
create trigger desktop_tallied_insert after insert on desktop
  referencing new table as fresh for each statement execute function desktop_tallied();
create trigger desktop_tallied_update after update on desktop
  referencing old table as stale new table as fresh for each statement execute function desktop_tallied();
create trigger desktop_tallied_delete after delete on desktop
  referencing old table as stale for each statement execute function desktop_tallied();
`.execute(db)
}
