import { type Kysely, sql } from 'kysely'

/**
 * Networks that pools name, as each cluster has them. What a running desktop is plugged into stays; its host is told what
 * holds from its next start on.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
alter table cluster add column networks jsonb not null default '[]';

create function cluster_networks_changed() returns trigger language plpgsql as $$
begin
  update desktop d set generation = nextval('generation')
    from host h, pool p
    where h.cluster_id = new.id and d.host_id = h.id and p.id = d.pool_id and p.network ->> 'mode' = 'bridge';
  -- Those too that desktops are on their way to.
  perform pg_notify('hdcs_host', id::text) from host where cluster_id = new.id;
  return null;
end $$;
create trigger cluster_networks_changed after update of networks on cluster for each row
  when (old.networks is distinct from new.networks) execute function cluster_networks_changed();
`.execute(db)
}
