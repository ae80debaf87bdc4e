import { type Kysely, sql } from 'kysely'

/** Where a template version shall be that is not made everywhere: copied from the storage that has it to those of a cluster. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
create table template_copy (
  version_id uuid not null references template_version on delete cascade,
  cluster_id uuid not null references cluster on delete cascade,
  -- Null: as fast as it goes.
  bytes_per_second bigint check (bytes_per_second > 0),
  wished_attempt int not null default 1,
  state text not null default 'waiting' check (state in ('waiting', 'copying', 'ready', 'failed')),
  progress int not null default 0,
  text text not null default '',
  trouble jsonb,
  created_at timestamptz not null default now(),
  primary key (version_id, cluster_id)
);
create index template_copy_cluster on template_copy (cluster_id);

create function copy_changed() returns trigger language plpgsql as $$
begin
  perform event_note('template', 'changed', v.template_id, null, null)
    from template_version v where v.id = coalesce(new.version_id, old.version_id);
  if tg_op <> 'UPDATE' or new.wished_attempt <> old.wished_attempt
    or new.bytes_per_second is distinct from old.bytes_per_second then
    perform pg_notify('hdcs_images', '');
    perform pg_notify('hdcs_nudge', 'templates');
  end if;
  perform pg_notify('hdcs_nudge', 'tasks');
  return null;
end $$;
create trigger copy_changed after insert or update or delete on template_copy
  for each row execute function copy_changed();
`.execute(db)
}
