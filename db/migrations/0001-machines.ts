import { type Kysely, sql } from 'kysely'

/**
 * The tree, templates, pools, desktops and what is noted of them.
 *
 * Three things are left to triggers, because forgetting one of them anywhere would be a desktop that nobody moves:
 * a wished change of a desktop gives it a new generation and wakes its host's agent; any change marks it for the
 * desktops reconciler; and every visible change becomes an event for the pages.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
create sequence generation;

create table setting (key text primary key, value text not null);

create table site (id uuid primary key, name text not null unique, created_at timestamptz not null default now());
create table cluster (
  id uuid primary key,
  site_id uuid not null references site,
  name text not null unique,
  created_at timestamptz not null default now()
);
create table host (
  id uuid primary key,
  cluster_id uuid not null references cluster,
  name text not null unique,
  key_hash text not null,
  subnet cidr not null unique,
  wished_state text not null default 'online' check (wished_state in ('online', 'maintenance')),
  state text not null default 'joining' check (state in ('joining', 'online', 'suspect', 'lost', 'maintenance')),
  state_since timestamptz not null default now(),
  observed_beat_at timestamptz,
  observed_capacity int not null default 0,
  observed_facts jsonb,
  observed_usage jsonb,
  observed_troubles jsonb not null default '[]',
  created_at timestamptz not null default now()
);
create table join_token (
  hash text primary key,
  cluster_id uuid not null references cluster on delete cascade,
  expires_at timestamptz not null,
  used_at timestamptz
);

create table template (
  id uuid primary key,
  name text not null unique,
  description text not null default '',
  hardware jsonb not null,
  ready_when text not null default 'agent' check (ready_when in ('agent', 'running')),
  created_at timestamptz not null default now()
);
create table template_version (
  id uuid primary key,
  template_id uuid not null references template on delete cascade,
  number int not null,
  source jsonb not null,
  notes text not null default '',
  wished_attempt int not null default 1,
  uploaded boolean not null default false,
  state text not null default 'making' check (state in ('uploading', 'making', 'sealed', 'failed')),
  progress int not null default 0,
  text text not null default '',
  virtual_bytes bigint,
  stored_bytes bigint,
  sha256 text,
  trouble jsonb,
  created_at timestamptz not null default now(),
  unique (template_id, number)
);
create table host_image (
  host_id uuid not null references host on delete cascade,
  version_id uuid not null references template_version on delete cascade,
  observed_attempt int not null,
  observed_state text not null,
  observed_progress int not null default 0,
  observed_text text not null default '',
  observed_virtual_bytes bigint,
  observed_stored_bytes bigint,
  observed_sha256 text,
  observed_trouble jsonb,
  primary key (host_id, version_id)
);

create table pool (
  id uuid primary key,
  name text not null unique,
  description text not null default '',
  kind text not null check (kind in ('floating', 'persistent')),
  template_id uuid not null references template,
  template_version int,
  min_size int not null,
  max_size int not null check (max_size >= min_size),
  warm int not null,
  cold int not null,
  max_per_user int not null,
  hardware jsonb not null,
  start text not null default 'boot',
  enabled boolean not null default true,
  wished_present boolean not null default true,
  status text not null default 'waiting',
  status_text text not null default '',
  restrained_until timestamptz,
  -- Failures from before were paid for, by a pause or by an administrator who looked.
  failures_since timestamptz not null default now(),
  next_number int not null default 1,
  created_at timestamptz not null default now()
);
create table entitlement (
  pool_id uuid not null references pool on delete cascade,
  subject text not null,
  primary key (pool_id, subject)
);
comment on column entitlement.subject is 'everyone, user:<id> or group:<id>';

create table desktop (
  id uuid primary key,
  name text not null unique,
  pool_id uuid not null references pool,
  host_id uuid not null references host,
  version_id uuid not null references template_version,
  hardware jsonb not null,
  address inet not null unique,
  user_id uuid,
  user_slot int,
  assigned_at timestamptz,
  claim_task_id uuid,
  wished_present boolean not null default true,
  wished_power text not null default 'stopped' check (wished_power in ('running', 'paused', 'stopped')),
  wished_stop_grace_ms int not null default 0,
  wished_incarnation int not null default 1,
  wished_graphics jsonb,
  -- The life whose disk has existed: its host must never replace it by an empty one.
  disk_incarnation int,
  generation bigint not null,
  observed_generation bigint,
  observed_incarnation int,
  observed_power text,
  observed_stopped text,
  observed_ready boolean not null default false,
  observed_step text,
  observed_queue_place int,
  observed_clients int not null default 0,
  observed_graphics jsonb,
  observed_trouble jsonb,
  observed_gone boolean not null default false,
  phase text not null default 'making',
  phase_reason text not null default 'made',
  phase_since timestamptz not null default now(),
  step_since timestamptz not null default now(),
  session_state text,
  session_since timestamptz,
  dirty boolean not null default true,
  made_at timestamptz not null default now(),
  -- One person's desktops in a pool have slots from 1 up: two claims at once cannot take the same slot.
  unique (pool_id, user_id, user_slot),
  check ((user_id is null) = (user_slot is null))
);
create index desktop_free on desktop (pool_id, phase) where user_id is null;
create index desktop_user on desktop (user_id) where user_id is not null;
create index desktop_host on desktop (host_id, generation);
create index desktop_version on desktop (version_id);
create index desktop_dirty on desktop (id) where dirty;

create table transition (
  id bigint generated always as identity primary key,
  desktop_id uuid not null,
  pool_id uuid not null,
  host_id uuid,
  user_id uuid,
  at timestamptz not null default now(),
  was text,
  became text not null,
  reason text not null
);
create index transition_desktop on transition (desktop_id, id desc);
create index transition_failed on transition (pool_id, id desc) where became in ('failed', 'claim undone');
create index transition_ready on transition (pool_id, id desc) where became = 'ready';

create table task (
  id uuid primary key,
  kind text not null,
  state text not null default 'queued' check (state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  progress int not null default 0,
  steps jsonb not null default '[]',
  error jsonb,
  subject_type text not null,
  subject_id uuid not null,
  subject_name text not null,
  -- What the subject must have reached for this task to be done, e.g. an incarnation or an attempt.
  goal jsonb not null default '{}',
  requested_by uuid,
  start_at timestamptz,
  created_at timestamptz not null default now(),
  finished_at timestamptz
);
create index task_open on task (subject_id) where state in ('queued', 'running');
create index task_person on task (requested_by, id desc);
create index task_past on task (kind, finished_at desc) where state = 'succeeded';
create table task_log (
  id bigint generated always as identity primary key,
  task_id uuid not null references task on delete cascade,
  at timestamptz not null default now(),
  text text not null
);
create index task_log_task on task_log (task_id, id);

create table operation (
  id uuid primary key,
  host_id uuid not null references host on delete cascade,
  desktop_id uuid not null,
  task_id uuid references task on delete cascade,
  name text not null,
  created_at timestamptz not null default now(),
  done_at timestamptz,
  trouble jsonb
);
create index operation_open on operation (host_id) where done_at is null;

create table session (
  id uuid primary key,
  desktop_id uuid not null,
  user_id uuid not null,
  created_at timestamptz not null default now(),
  ended_at timestamptz,
  -- replaced: its person opened the desktop elsewhere, and SPICE itself ends the older screen.
  ended_reason text
);
create index session_open on session (desktop_id) where ended_at is null;

create table event (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  noun text not null,
  what text not null,
  subject_id uuid not null,
  -- The person it concerns, if only one; the pool whose users it concerns.
  user_id uuid,
  pool_id uuid
);

-- A session that was ended by us is ended on the screen too, by whichever gateway carries it.
create function session_ended() returns trigger language plpgsql as $$
begin
  if old.ended_at is null and new.ended_at is not null and new.ended_reason is distinct from 'replaced' then
    perform pg_notify('hdcs_kick', new.id::text);
  end if;
  return null;
end $$;
create trigger session_ended after update on session for each row execute function session_ended();

create function event_note(noun text, what text, subject_id uuid, user_id uuid, pool_id uuid) returns void
language sql as $$
  insert into event (noun, what, subject_id, user_id, pool_id) values ($1, $2, $3, $4, $5);
  select pg_notify('hdcs_event', '');
$$;

create function desktop_changing() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    new.generation := nextval('generation');
    new.dirty := true;
    perform pg_notify('hdcs_host', new.host_id::text);
    return new;
  end if;
  if (new.wished_present, new.wished_power, new.wished_stop_grace_ms, new.wished_incarnation, new.wished_graphics,
      new.version_id, new.hardware, new.user_id is null)
     is distinct from
     (old.wished_present, old.wished_power, old.wished_stop_grace_ms, old.wished_incarnation, old.wished_graphics,
      old.version_id, old.hardware, old.user_id is null)
  then
    new.generation := nextval('generation');
    perform pg_notify('hdcs_host', new.host_id::text);
  end if;
  if (to_jsonb(new) - 'dirty' - 'phase' - 'phase_reason' - 'phase_since' - 'step_since' - 'session_state' - 'session_since' - 'disk_incarnation')
     is distinct from
     (to_jsonb(old) - 'dirty' - 'phase' - 'phase_reason' - 'phase_since' - 'step_since' - 'session_state' - 'session_since' - 'disk_incarnation')
  then
    new.dirty := true;
    perform pg_notify('hdcs_nudge', 'desktops');
  end if;
  return new;
end $$;
create trigger desktop_changing before insert or update on desktop for each row execute function desktop_changing();

create function desktop_changed() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    perform event_note('desktop', 'made', new.id, new.user_id, new.pool_id);
    perform pg_notify('hdcs_nudge', 'desktops');
  elsif tg_op = 'DELETE' then
    perform event_note('desktop', 'removed', old.id, old.user_id, old.pool_id);
    perform pg_notify('hdcs_nudge', 'pools');
  else
    if (new.phase, new.user_id, new.observed_step, new.observed_queue_place, new.session_state, new.observed_power, new.observed_trouble)
       is distinct from
       (old.phase, old.user_id, old.observed_step, old.observed_queue_place, old.session_state, old.observed_power, old.observed_trouble)
    then
      perform event_note('desktop', 'changed', new.id, coalesce(new.user_id, old.user_id), new.pool_id);
    end if;
    if (new.phase, new.user_id) is distinct from (old.phase, old.user_id) then
      perform pg_notify('hdcs_nudge', 'pools');
      perform pg_notify('hdcs_nudge', 'tasks');
    end if;
  end if;
  return null;
end $$;
create trigger desktop_changed after insert or update or delete on desktop for each row execute function desktop_changed();

-- For rows of few and slow changes: every change is an event. Arguments: the noun and whom it concerns.
create function row_changed() returns trigger language plpgsql as $$
declare
  row jsonb := to_jsonb(coalesce(new, old));
begin
  if tg_op = 'UPDATE' and new is not distinct from old then return null; end if;
  perform event_note(
    tg_argv[0],
    case tg_op when 'INSERT' then 'made' when 'DELETE' then 'removed' else 'changed' end,
    (row ->> tg_argv[1])::uuid,
    case when tg_argv[2] = '' then null else (row ->> tg_argv[2])::uuid end,
    case when tg_argv[3] = '' then null else (row ->> tg_argv[3])::uuid end);
  if tg_argv[4] <> '' then perform pg_notify('hdcs_nudge', tg_argv[4]); end if;
  return null;
end $$;
create trigger pool_changed after insert or update or delete on pool
  for each row execute function row_changed('pool', 'id', '', 'id', 'pools');
create trigger entitlement_changed after insert or delete on entitlement
  for each row execute function row_changed('pool', 'pool_id', '', 'pool_id', '');
create trigger template_changed after insert or update or delete on template
  for each row execute function row_changed('template', 'id', '', '', '');
create trigger task_changed after insert or update or delete on task
  for each row execute function row_changed('task', 'id', 'requested_by', '', '');

create function version_changed() returns trigger language plpgsql as $$
begin
  perform event_note('template', 'changed', coalesce(new.template_id, old.template_id), null, null);
  perform pg_notify('hdcs_images', '');
  perform pg_notify('hdcs_nudge', 'templates');
  perform pg_notify('hdcs_nudge', 'tasks');
  perform pg_notify('hdcs_nudge', 'pools');
  return null;
end $$;
create trigger version_changed after insert or update or delete on template_version
  for each row execute function version_changed();

-- A heartbeat alone is no event: ten thousand pages would reread ten thousand hosts each three seconds.
create function host_changed() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and (to_jsonb(new) - 'observed_beat_at' - 'observed_usage') = (to_jsonb(old) - 'observed_beat_at' - 'observed_usage') then
    return null;
  end if;
  perform event_note('host', case tg_op when 'INSERT' then 'made' when 'DELETE' then 'removed' else 'changed' end,
    coalesce(new.id, old.id), null, null);
  perform pg_notify('hdcs_nudge', 'desktops');
  perform pg_notify('hdcs_nudge', 'pools');
  return null;
end $$;
create trigger host_changed after insert or update or delete on host for each row execute function host_changed();
`.execute(db)
}
