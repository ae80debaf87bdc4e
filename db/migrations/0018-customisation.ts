import { type Kysely, sql } from 'kysely'

/**
 * What is run in a guest before anybody gets it (docs/decisions/0008).
 *
 * `wished_setup` says for what a desktop is customised: its life, and where scripts are run for each person also the moment
 * it was given to this one. It is fixed in the moment that begins: a pool whose customisation changes changes nothing
 * under a person. `setup_done` is what ended well.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
create table customisation (
  pool_id uuid primary key references pool on delete cascade,
  -- The password in it is sealed.
  wish jsonb not null,
  each_life boolean not null,
  each_person boolean not null
);
create trigger customisation_changed after insert or update or delete on customisation
  for each row execute function row_changed('pool', 'pool_id', '', 'pool_id', '');

alter table desktop
  add column wished_setup text,
  -- Grows with every "try again".
  add column wished_setup_try int not null default 1,
  add column observed_setup jsonb,
  add column setup_done text;

-- What came of scripts stays when its desktop is gone: the log of a task that failed is read afterwards.
create table setup_run (
  desktop_id uuid not null,
  step_id text not null,
  attempt int not null,
  step text not null,
  state text not null,
  exit_code bigint,
  text text not null,
  output text not null,
  started_at timestamptz not null,
  ms int not null,
  primary key (desktop_id, step_id, attempt)
);
create index setup_run_time on setup_run (started_at);

create function desktop_customised() returns trigger language plpgsql as $$
declare
  wish customisation;
begin
  select * into wish from customisation where pool_id = new.pool_id;
  if tg_op = 'INSERT' or new.wished_incarnation <> old.wished_incarnation then
    new.wished_setup := case when wish.each_life then new.wished_incarnation::text end;
    new.setup_done := null;
  end if;
  if wish.each_person and new.user_id is not null and (tg_op = 'INSERT' or new.user_id is distinct from old.user_id) then
    new.wished_setup := new.wished_incarnation || ':' || (extract(epoch from new.assigned_at) * 1000)::bigint;
  end if;
  return new;
end $$;
create trigger desktop_customised before insert on desktop for each row execute function desktop_customised();
create trigger desktop_customised_anew before update on desktop for each row
  when (new.wished_incarnation <> old.wished_incarnation or new.user_id is distinct from old.user_id)
  execute function desktop_customised();

-- By its name it comes after those above: their writing is told too.
create function desktop_setup_changing() returns trigger language plpgsql as $$
begin
  new.generation := nextval('generation');
  perform pg_notify('hdcs_host', new.host_id || ' ' || new.id);
  return new;
end $$;
create trigger desktop_setup_changing before update on desktop for each row
  when ((new.wished_setup, new.wished_setup_try, new.setup_done)
    is distinct from (old.wished_setup, old.wished_setup_try, old.setup_done))
  execute function desktop_setup_changing();

create function desktop_setup_changed() returns trigger language plpgsql as $$
begin
  perform event_note('desktop', 'changed', new.id, new.user_id, new.pool_id);
  return null;
end $$;
create trigger desktop_setup_changed after update on desktop for each row
  when (new.observed_setup is distinct from old.observed_setup)
  execute function desktop_setup_changed();
`.execute(db)
}
