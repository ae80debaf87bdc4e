import { type Kysely, sql } from 'kysely'

/** How fast images may come to the hosts of a cluster: its line may be that of a whole school. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
-- Null: as fast as it goes.
alter table cluster add column image_bytes_per_second bigint check (image_bytes_per_second > 0);

create function cluster_image_pace_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('hdcs_images', '');
  return null;
end $$;
create trigger cluster_image_pace_changed after update of image_bytes_per_second on cluster for each row
  when (old.image_bytes_per_second is distinct from new.image_bytes_per_second)
  execute function cluster_image_pace_changed();
`.execute(db)
}
