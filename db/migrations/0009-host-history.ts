import { type Kysely, sql } from 'kysely'

/** What hosts went through and what was done about it; when each one's agent began, to tell its restarts from cut lines. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
create table host_history (
  id bigint generated always as identity primary key,
  host_id uuid not null references host on delete cascade,
  at timestamptz not null,
  -- db/schema-hosts.ts, HostEvent
  what text not null,
  -- Desktops, tries or seconds, as the event has it.
  amount int,
  -- In the words of whoever said it; empty when the event says it all.
  reason text not null default '',
  -- As the person was called then, who may be gone since; null: by itself.
  user_name text
);
create index host_history_host on host_history (host_id, id desc);
create index host_history_lost on host_history (at) where what = 'lost';
alter table host add column observed_agent_at timestamptz;
`.execute(db)
}
