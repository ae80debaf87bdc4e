import { type Kysely, sql } from 'kysely'

/** What may be done with a desktop changes while a template version is made of its disk: who looks at it is told. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
create function version_captured() returns trigger language plpgsql as $$
begin
  perform event_note('desktop', 'changed', d.id, d.user_id, d.pool_id)
    from desktop d where d.id = (coalesce(new.source, old.source) ->> 'desktopId')::uuid;
  return null;
end $$;
create trigger version_captured after insert or delete on template_version
  for each row execute function version_captured();
create trigger version_captured_on after update on template_version
  for each row when (new.state is distinct from old.state) execute function version_captured();
`.execute(db)
}
