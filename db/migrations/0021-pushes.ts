import { type Kysely, sql } from 'kysely'

/** Pools that go to another template version at a set time, and desktops that are looked at one by one to see that they work. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
-- A push was called off half way: what stands on another version stays on it until it is given back.
alter table pool add column remake_held boolean not null default false;

create table push (
  id uuid primary key,
  pool_id uuid not null references pool on delete cascade,
  task_id uuid not null,
  requested_by text not null,
  version int not null,
  -- What the pool was made of when it began.
  from_version int,
  at timestamptz not null,
  -- Null: nobody is made to give anything back.
  notice_minutes int check (notice_minutes >= 0),
  notes text not null,
  state text not null default 'scheduled' check (state in ('scheduled', 'running', 'done', 'cancelled')),
  -- What it waits for, or why it ended.
  text text not null default '',
  started_at timestamptz,
  -- Desktops that people had by then are given back by force from here on.
  force_at timestamptz,
  ended_at timestamptz,
  -- How many desktops were where when it ended.
  counts jsonb,
  created_at timestamptz not null
);
create index push_of_pool on push (pool_id, id);
create unique index push_of_task on push (task_id);
create unique index push_scheduled on push (pool_id) where state = 'scheduled';
create unique index push_running on push (pool_id) where state = 'running';

create function push_changed() returns trigger language plpgsql as $$
declare
  row push := coalesce(new, old);
begin
  perform event_note('pool', 'changed', row.pool_id, null, row.pool_id);
  perform pg_notify('hdcs_nudge', 'pushes');
  perform pg_notify('hdcs_nudge', 'tasks');
  -- People who shall give theirs back see it at once.
  if row.notice_minutes is not null and row.state in ('running', 'cancelled') then
    perform event_note('desktop', 'changed', d.id, d.user_id, d.pool_id)
      from desktop d where d.pool_id = row.pool_id and d.user_id is not null;
  end if;
  return null;
end $$;
create trigger push_changed after insert or update or delete on push for each row execute function push_changed();

create table verification (
  id uuid primary key,
  pool_id uuid not null references pool on delete cascade,
  task_id uuid not null,
  requested_by text not null,
  -- So many are looked at at the same time.
  batch int not null check (batch > 0),
  state text not null default 'running' check (state in ('running', 'done', 'cancelled')),
  created_at timestamptz not null,
  ended_at timestamptz
);
create index verification_of_pool on verification (pool_id, id);
create unique index verification_of_task on verification (task_id);
create unique index verification_running on verification (pool_id) where state = 'running';

-- Desktops by name too: the result outlives them.
create table verified_desktop (
  verification_id uuid not null references verification on delete cascade,
  desktop_id uuid not null,
  name text not null,
  state text not null default 'waiting' check (state in ('waiting', 'starting', 'asking', 'ok', 'failed', 'skipped')),
  text text not null default '',
  -- It stood still, and shall again.
  started boolean not null default false,
  operation_id uuid,
  since timestamptz not null,
  primary key (verification_id, desktop_id)
);
create index verified_under_way on verified_desktop (desktop_id) where state in ('starting', 'asking');

create function verification_changed() returns trigger language plpgsql as $$
declare
  row verification := coalesce(new, old);
begin
  perform event_note('pool', 'changed', row.pool_id, null, row.pool_id);
  perform pg_notify('hdcs_nudge', 'verifications');
  perform pg_notify('hdcs_nudge', 'tasks');
  return null;
end $$;
create trigger verification_changed after insert or update or delete on verification
  for each row execute function verification_changed();

create function verified_changed() returns trigger language plpgsql as $$
begin
  perform event_note('pool', 'changed', v.pool_id, null, v.pool_id)
    from verification v where v.id in (select verification_id from changed);
  perform pg_notify('hdcs_nudge', 'verifications');
  perform pg_notify('hdcs_nudge', 'tasks');
  return null;
end $$;
create trigger verified_changed after update on verified_desktop referencing new table as changed
  for each statement execute function verified_changed();
`.execute(db)
}
