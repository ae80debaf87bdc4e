import { type Kysely, sql } from 'kysely'

/**
 * Fewer looks for each desktop that somebody asked for.
 *
 * A host's agent is told which desktop changed (`hdcs_host`: host and desktop): the rest of its host need not be compared.
 * A desktop that was just made is as it was made until its host says something: it is marked, and looked at with that
 * word, or by the timer. And receipts are settled with their desktops: a new phase wakes nobody else for them.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
create or replace function desktop_changing() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    new.generation := nextval('generation');
    new.dirty := true;
    perform pg_notify('hdcs_host', new.host_id || ' ' || new.id);
    return new;
  end if;
  if (new.wished_present, new.wished_power, new.wished_stop_grace_ms, new.wished_incarnation, new.wished_graphics,
      new.version_id, new.hardware, new.user_id is null, new.host_id, new.moves)
     is distinct from
     (old.wished_present, old.wished_power, old.wished_stop_grace_ms, old.wished_incarnation, old.wished_graphics,
      old.version_id, old.hardware, old.user_id is null, old.host_id, old.moves)
  then
    new.generation := nextval('generation');
    perform pg_notify('hdcs_host', new.host_id || ' ' || new.id);
    if new.host_id <> old.host_id then perform pg_notify('hdcs_host', old.host_id || ' ' || new.id); end if;
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

create or replace function desktop_changed() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    perform event_note('desktop', 'made', new.id, new.user_id, new.pool_id);
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
    end if;
  end if;
  return null;
end $$;
`.execute(db)
}
