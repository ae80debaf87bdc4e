import { type Kysely, sql } from 'kysely'

/**
 * Which life of its disk a desktop was in when its state changed: how each was made and customised is read life by life.
 * Written here, since transitions are noted in many places. One that is noted beside its desktop's own row is of the first.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
alter table transition add column life int;
create function transition_life() returns trigger language plpgsql as $$
begin
  new.life := coalesce((select wished_incarnation from desktop where id = new.desktop_id), 1);
  return new;
end $$;
create trigger transition_life before insert on transition for each row execute function transition_life();
`.execute(db)
}
