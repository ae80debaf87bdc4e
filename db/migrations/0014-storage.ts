import { type Kysely, sql } from 'kysely'

/**
 * Storage pools of clusters and volumes on them. Agents hear of a change as of images (`hdcs_images`); a desktop whose
 * volumes change gets a new generation, so that its host is told of it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
create table storage_pool (
  id uuid primary key,
  cluster_id uuid not null references cluster,
  name text not null unique,
  source jsonb not null,
  target text,
  -- Ceph's key: told to the hosts of the cluster and to nobody else.
  secret text,
  reserve real not null default 0.05 check (reserve >= 0 and reserve <= 0.5),
  wished_refresh int not null default 1,
  wished_present boolean not null default true,
  created_at timestamptz not null default now()
);
create index storage_pool_cluster on storage_pool (cluster_id);

create table host_storage (
  host_id uuid not null references host on delete cascade,
  pool_id uuid not null references storage_pool on delete cascade,
  observed_state text not null,
  observed_refresh int not null,
  observed_storage_id text,
  observed_capacity_bytes bigint,
  observed_allocation_bytes bigint,
  observed_free_bytes bigint,
  observed_trouble jsonb,
  primary key (host_id, pool_id)
);

create table volume (
  id uuid primary key,
  name text not null unique,
  pool_id uuid not null references storage_pool,
  -- Who looks after it: of a pool that is each host's own, where it lies. Null: only while its host is being forgotten.
  host_id uuid references host,
  format text not null check (format in ('qcow2', 'raw')),
  wished_bytes bigint not null check (wished_bytes > 0),
  wished_present boolean not null default true,
  desktop_id uuid references desktop on delete set null,
  slot int check (slot between 1 and 8),
  -- It was there once: it is never replaced by an empty one. Written with the report.
  made boolean not null default false,
  observed_state text not null default 'waiting',
  observed_bytes bigint,
  observed_stored_bytes bigint,
  observed_used_by uuid,
  observed_trouble jsonb,
  created_at timestamptz not null default now(),
  unique (desktop_id, slot)
);
create index volume_pool on volume (pool_id);
create index volume_host on volume (host_id);
create index volume_used on volume (observed_used_by) where observed_used_by is not null;

create function storage_pool_changed() returns trigger language plpgsql as $$
begin
  perform event_note('storagePool', case tg_op when 'INSERT' then 'made' when 'DELETE' then 'removed' else 'changed' end,
    coalesce(new.id, old.id), null, null);
  perform pg_notify('hdcs_images', '');
  perform pg_notify('hdcs_nudge', 'storage');
  perform pg_notify('hdcs_nudge', 'tasks');
  return null;
end $$;
create trigger storage_pool_changed after insert or update or delete on storage_pool
  for each row execute function storage_pool_changed();

create function host_storage_changed() returns trigger language plpgsql as $$
begin
  perform event_note('storagePool', 'changed', coalesce(new.pool_id, old.pool_id), null, null);
  perform pg_notify('hdcs_nudge', 'storage');
  perform pg_notify('hdcs_nudge', 'tasks');
  return null;
end $$;
create trigger host_storage_changed after insert or update or delete on host_storage
  for each row execute function host_storage_changed();

create function volume_changed() returns trigger language plpgsql as $$
declare
  was uuid; became uuid;
begin
  if tg_op <> 'INSERT' then was := old.desktop_id; end if;
  if tg_op <> 'DELETE' then became := new.desktop_id; end if;
  perform event_note('volume', case tg_op when 'INSERT' then 'made' when 'DELETE' then 'removed' else 'changed' end,
    coalesce(new.id, old.id), null, null);
  if was is distinct from became or (tg_op = 'UPDATE' and new.slot is distinct from old.slot) then
    update desktop set generation = nextval('generation') where id in (was, became);
    perform pg_notify('hdcs_host', host_id || ' ' || id) from desktop where id in (was, became);
  end if;
  if tg_op <> 'UPDATE' or (new.wished_bytes, new.wished_present, new.host_id, new.desktop_id, new.made, new.observed_used_by)
    is distinct from (old.wished_bytes, old.wished_present, old.host_id, old.desktop_id, old.made, old.observed_used_by) then
    perform pg_notify('hdcs_images', '');
  end if;
  perform pg_notify('hdcs_nudge', 'storage');
  perform pg_notify('hdcs_nudge', 'tasks');
  return null;
end $$;
create trigger volume_changed after insert or update or delete on volume
  for each row execute function volume_changed();

-- Who looks after a volume goes with its desktop.
create function volumes_follow() returns trigger language plpgsql as $$
begin
  update volume set host_id = new.host_id from storage_pool pool
    where pool.id = volume.pool_id and new.id in (volume.desktop_id, volume.observed_used_by)
      and volume.host_id is distinct from new.host_id;
  return null;
end $$;
create trigger volumes_follow after update of host_id on desktop for each row
  when (old.host_id is distinct from new.host_id) execute function volumes_follow();
`.execute(db)
}
