import { type Kysely, sql } from 'kysely'

/** Template versions as files that people take with them: made by a host that has the image, kept for a while. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
create table template_export (
  id uuid primary key,
  version_id uuid not null references template_version on delete cascade,
  format text not null check (format in ('hdcs', 'ova', 'qcow2', 'raw', 'vmdk')),
  -- Whose storage has the image; null: none is online that has.
  host_id uuid references host on delete set null,
  state text not null default 'making' check (state in ('making', 'ready', 'failed')),
  progress int not null default 0,
  text text not null default '',
  size_bytes bigint,
  sha256 text,
  trouble jsonb,
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  unique (version_id, format)
);
create index template_export_host on template_export (host_id);

create function export_changed() returns trigger language plpgsql as $$
begin
  perform event_note('template', 'changed', v.template_id, null, null)
    from template_version v where v.id = coalesce(new.version_id, old.version_id);
  if tg_op <> 'UPDATE' or new.host_id is distinct from old.host_id or new.state <> old.state then
    perform pg_notify('hdcs_images', '');
    perform pg_notify('hdcs_nudge', 'templates');
  end if;
  perform pg_notify('hdcs_nudge', 'tasks');
  return null;
end $$;
create trigger export_changed after insert or update or delete on template_export
  for each row execute function export_changed();
`.execute(db)
}
