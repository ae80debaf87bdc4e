import { type Kysely, sql } from 'kysely'

/** What may be done with a desktop changes while a template version is made of its disk: who looks at it is told. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
create or replace function version_changed() returns trigger language plpgsql as $$
declare
  captured uuid := (coalesce(new.source, old.source) ->> 'desktopId')::uuid;
begin
  perform event_note('template', 'changed', coalesce(new.template_id, old.template_id), null, null);
  if captured is not null and new.state is distinct from old.state then
    perform event_note('desktop', 'changed', d.id, d.user_id, d.pool_id) from desktop d where d.id = captured;
  end if;
  perform pg_notify('hdcs_images', '');
  perform pg_notify('hdcs_nudge', 'templates');
  perform pg_notify('hdcs_nudge', 'tasks');
  perform pg_notify('hdcs_nudge', 'pools');
  return null;
end $$;
`.execute(db)
}
