import { type Kysely, sql } from 'kysely'

/** Clusters with a network and rules of their own, moves between hosts, stored placements, screen ports. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
alter table cluster
  -- Every host gets a /22 of it. No two clusters overlap (broker/sites.ts).
  add column supernet cidr,
  add column port_from int not null default 16000,
  add column port_to int not null default 31999,
  add column placement text not null default 'spread' check (placement in ('spread', 'pack', 'balanced')),
  add column vcpus_per_core double precision,
  -- Share of its hosts that warm desktops leave alone, so that a person who asks for another pool's finds room.
  add column person_reserve double precision not null default 0.1 check (person_reserve >= 0 and person_reserve < 1),
  add column memory_reserve double precision not null default 0.1 check (memory_reserve >= 0 and memory_reserve < 1),
  add column suspect_ms int not null default 8000,
  add column lost_ms int not null default 15000 check (lost_ms > suspect_ms),
  -- broker/balance.ts: rebalancing and consolidation, both off unless somebody turns them on.
  add column balance jsonb not null default '{}',
  -- A program the control plane runs to make sure that a lost host is off; and to switch hosts off and on. Null: none.
  add column fence_command text,
  add column power_command text;
update cluster set supernet = set_masklen('10.128.0.0'::inet + (n - 1) * (1 << 18), 14)::cidr
  from (select id as numbered, row_number() over (order by created_at, id) as n from cluster) c where c.numbered = cluster.id;
alter table cluster alter column supernet set not null, add unique (supernet);

alter table host
  add column tags text[] not null default '{}',
  -- CIDRs it was in itself when it joined: no cluster's network may touch them.
  add column networks text[] not null default '{}',
  add column fenced_at timestamptz,
  -- Its desktops shall leave while it is wished in maintenance (broker/evacuation.ts).
  add column wished_evacuate boolean not null default false,
  -- Since when it is wished off by consolidation; null: it shall be on.
  add column wished_off_at timestamptz;

alter table pool
  -- Empty: any cluster.
  add column cluster_ids uuid[] not null default '{}',
  -- Null: the cluster's.
  add column placement text check (placement in ('spread', 'pack', 'balanced')),
  add column affinity text not null default 'none' check (affinity in ('none', 'together', 'apart')),
  -- Host tags a desktop of this pool needs (a GPU, a dongle).
  add column needs text[] not null default '{}',
  add column network jsonb not null default '{"mode": "nat"}',
  -- What happens to its desktops when their host is lost.
  add column ha text not null default 'restart' check (ha in ('restart', 'wait'));

alter table desktop
  -- What placement and pages sum up by host, without opening the documents of every desktop.
  add column vcpus int not null generated always as ((hardware ->> 'vcpus')::int) stored,
  add column memory_bytes bigint not null generated always as ((hardware ->> 'memoryBytes')::bigint) stored,
  -- Grows with every change of its move: both hosts are told.
  add column moves int not null default 0,
  -- Where a move that maintenance began brings it back to.
  add column origin_host_id uuid references host on delete set null,
  -- What keeps it from returning while its host is lost.
  add column waits_for text;

create index desktop_origin on desktop (origin_host_id) where origin_host_id is not null;

create table screen_port (
  host_id uuid not null references host on delete cascade,
  port int not null,
  desktop_id uuid not null references desktop on delete cascade,
  primary key (host_id, port),
  unique (desktop_id, host_id)
);

create table migration (
  id uuid primary key,
  desktop_id uuid not null references desktop on delete cascade,
  from_host_id uuid not null references host on delete cascade,
  to_host_id uuid not null references host on delete cascade,
  kind text not null check (kind in ('live', 'storage', 'offline')),
  -- person: asked for; maintenance, return, balance, consolidation: by rule.
  cause text not null,
  reason text not null default '',
  -- One that runs and cannot move so may be shut down for it; it starts again where it comes to.
  restart boolean not null default false,
  -- Why there: written to "placement" when it arrives. { why, hosts }
  decision jsonb,
  task_id uuid references task on delete set null,
  wished_cancel boolean not null default false,
  state text not null default 'queued' check (state in ('queued', 'preparing', 'moving', 'done', 'failed', 'cancelled')),
  progress int not null default 0,
  text text not null default '',
  trouble jsonb,
  -- What the two hosts say (vmm/report.ts, MoveReport).
  observed_source jsonb,
  observed_target jsonb,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz
);
create unique index migration_open on migration (desktop_id) where ended_at is null;
create index migration_from on migration (from_host_id) where ended_at is null;
create index migration_to on migration (to_host_id) where ended_at is null;
create index migration_past on migration (desktop_id, id desc);

create table placement (
  id bigint generated always as identity primary key,
  desktop_id uuid not null references desktop on delete cascade,
  at timestamptz not null default now(),
  -- make, move, return
  cause text not null,
  host_id uuid,
  why text not null,
  -- [{ hostId, hostName, clusterName, fits, score, reason }], best first
  hosts jsonb not null
);
create index placement_desktop on placement (desktop_id, id desc);

create or replace function desktop_changing() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    new.generation := nextval('generation');
    new.dirty := true;
    perform pg_notify('hdcs_host', new.host_id::text);
    return new;
  end if;
  if (new.wished_present, new.wished_power, new.wished_stop_grace_ms, new.wished_incarnation, new.wished_graphics,
      new.version_id, new.hardware, new.user_id is null, new.host_id, new.moves)
     is distinct from
     (old.wished_present, old.wished_power, old.wished_stop_grace_ms, old.wished_incarnation, old.wished_graphics,
      old.version_id, old.hardware, old.user_id is null, old.host_id, old.moves)
  then
    new.generation := nextval('generation');
    perform pg_notify('hdcs_host', new.host_id::text);
    if new.host_id <> old.host_id then perform pg_notify('hdcs_host', old.host_id::text); end if;
  end if;
  -- Columns that the database computes are not there yet in a trigger before the write.
  if (to_jsonb(new) - 'dirty' - 'phase' - 'phase_reason' - 'phase_since' - 'step_since' - 'session_state' - 'session_since' - 'disk_incarnation' - 'claim_task_id' - 'vcpus' - 'memory_bytes')
     is distinct from
     (to_jsonb(old) - 'dirty' - 'phase' - 'phase_reason' - 'phase_since' - 'step_since' - 'session_state' - 'session_since' - 'disk_incarnation' - 'claim_task_id' - 'vcpus' - 'memory_bytes')
  then
    new.dirty := true;
    perform pg_notify('hdcs_nudge', 'desktops');
  end if;
  return new;
end $$;

-- What either host is told of a move is part of the desktop's spec: a new generation, and both agents are woken.
create function migration_changed() returns trigger language plpgsql as $$
begin
  -- It went with one of its hosts: the other one is told that nothing moves.
  if tg_op = 'DELETE' then
    if old.ended_at is null then update desktop set moves = moves + 1 where id = old.desktop_id; end if;
    return null;
  end if;
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
create trigger migration_changed after insert or update or delete on migration for each row execute function migration_changed();

-- Its key or its subnet is another, or it is no host any more: whoever holds its agent's line lets go of it.
create function host_line_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('hdcs_line', old.id::text);
  return null;
end $$;
create trigger host_line_changed after update of key_hash, subnet on host for each row
  when ((old.key_hash, old.subnet) is distinct from (new.key_hash, new.subnet)) execute function host_line_changed();
-- No host's desktops may reach any host: a new address is told to all agents. No id means all lines.
create function host_address_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('hdcs_line', '');
  return null;
end $$;
create trigger host_address_changed after update of observed_facts on host for each row
  when (old.observed_facts ->> 'address' is distinct from new.observed_facts ->> 'address')
  execute function host_address_changed();

-- What its desktops may reach is part of their specs: it holds for those that run, from now on.
create function pool_network_changed() returns trigger language plpgsql as $$
begin
  update desktop set generation = nextval('generation') where pool_id = new.id;
  perform pg_notify('hdcs_host', host_id::text) from (select distinct host_id from desktop where pool_id = new.id) hosts;
  return null;
end $$;
create trigger pool_network_changed after update of network on pool for each row
  when (old.network is distinct from new.network) execute function pool_network_changed();

create trigger host_line_removed after delete on host for each row execute function host_line_changed();

create trigger site_changed after insert or update or delete on site
  for each row execute function row_changed('site', 'id', '', '', '');
create trigger cluster_changed after insert or update or delete on cluster
  for each row execute function row_changed('cluster', 'id', '', '', 'pools');
`.execute(db)
}
