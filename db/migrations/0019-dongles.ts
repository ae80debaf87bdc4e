import { type Kysely, sql } from 'kysely'

/**
 * USB devices of a host that are one desktop's alone. A device that is told by its serial may be in any port; one without
 * is the one in its port. Whoever binds or unbinds one changes the wish of its desktop.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
create table dongle (
  id uuid primary key,
  host_id uuid not null references host on delete cascade,
  desktop_id uuid not null references desktop on delete cascade,
  vendor text not null check (vendor ~ '^[0-9a-f]{4}$'),
  product text not null check (product ~ '^[0-9a-f]{4}$'),
  serial text,
  port text,
  name text not null,
  observed_state text check (observed_state in ('attached', 'waiting', 'missing', 'inUse', 'refused')),
  observed_text text not null default '',
  created_at timestamptz not null default now(),
  check ((serial is null) <> (port is null))
);
create unique index dongle_device on dongle (host_id, vendor, product, coalesce(serial, ''), coalesce(port, ''));
create index dongle_desktop on dongle (desktop_id);

create function dongle_changed() returns trigger language plpgsql as $$
declare
  it dongle := coalesce(new, old);
begin
  perform event_note('dongle', case tg_op when 'INSERT' then 'made' when 'DELETE' then 'removed' else 'changed' end,
    it.id, null, null);
  if tg_op <> 'UPDATE' then
    update desktop set generation = nextval('generation') where id = it.desktop_id;
    perform pg_notify('hdcs_host', host_id || ' ' || id) from desktop where id = it.desktop_id;
  end if;
  return null;
end $$;
create trigger dongle_changed after insert or update or delete on dongle
  for each row execute function dongle_changed();
`.execute(db)
}
