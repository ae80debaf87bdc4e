import { type Kysely, sql } from 'kysely'

/**
 * vCPUs and memory that a desktop gets while it runs.
 *
 * A guest that runs keeps what it has until it starts anew, also when less is wished: what it takes of its host (`vcpus`,
 * `memory_bytes`, and the tallies with them) is the larger of both.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
alter table desktop
  -- What of its hardware a guest that runs shall have at once: vcpus, memoryBytes.
  add column wished_grow text[] not null default '{}',
  -- What the guest that runs has, how far that grows, and what of it it leaves aside; null: its host does not say.
  add column observed_hardware jsonb;
alter table desktop
  alter column vcpus set expression as (greatest((hardware ->> 'vcpus')::int,
    case when observed_power <> 'stopped' then (observed_hardware ->> 'vcpus')::int end)),
  alter column memory_bytes set expression as (greatest((hardware ->> 'memoryBytes')::bigint,
    case when observed_power <> 'stopped' then (observed_hardware ->> 'memoryBytes')::bigint end));

create trigger desktop_grows_otherwise before update on desktop for each row
  when (new.wished_grow is distinct from old.wished_grow)
  execute function desktop_made_otherwise();
-- With another power, pages hear of it anyway.
create trigger desktop_has_otherwise after update on desktop for each row
  when (new.observed_hardware is distinct from old.observed_hardware
    and new.observed_power is not distinct from old.observed_power)
  execute function desktop_seen_otherwise();
`.execute(db)
}
