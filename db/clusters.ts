import { type Kysely, sql } from 'kysely'
import { pageOfRows, type Tx } from './connect.ts'
import type { Database } from './schema.ts'
import type { PlacementPolicy } from './schema-hosts.ts'

export type ClusterRow = Awaited<ReturnType<typeof clusterRows>>[number]

/** Clusters with their site and how many hosts and desktops they hold, by name. */
export function clusterRows(
  db: Kysely<Database>,
  filter: {
    ids?: string[]
    name?: string | undefined
    siteId?: string | undefined
    after?: string | undefined
    limit?: number
  } = {},
) {
  let query = db
    .selectFrom('cluster')
    .innerJoin('site', 'site.id', 'cluster.site_id')
    .selectAll('cluster')
    .select(['site.name as site_name', sql<string>`cluster.supernet::text`.as('supernet')])
    .select([
      sql<number>`(select count(*) from host where host.cluster_id = cluster.id)`.as('hosts'),
      sql<number>`(select count(*) from pool where cluster.id = any (pool.cluster_ids))`.as('pools'),
    ])
  if (filter.ids) query = query.where('cluster.id', 'in', filter.ids)
  if (filter.name) query = query.where('cluster.name', '=', filter.name)
  if (filter.siteId) query = query.where('cluster.site_id', '=', filter.siteId)
  if (filter.after) query = query.where('cluster.name', '>', filter.after)
  return pageOfRows(query.orderBy('cluster.name'), filter.limit).execute()
}

/** Whether anything of a cluster has an address of its network. */
export async function clusterHasDesktops(tx: Tx, id: string): Promise<boolean> {
  const row = await tx
    .selectFrom('desktop')
    .innerJoin('host', 'host.id', 'desktop.host_id')
    .select('desktop.id')
    .where('host.cluster_id', '=', id)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** What an administrator may say of a cluster. */
export interface ClusterSet {
  name?: string
  site_id?: string
  supernet?: string
  port_from?: number
  port_to?: number
  placement?: PlacementPolicy
  vcpus_per_core?: number | null
  memory_reserve?: number
  person_reserve?: number
  suspect_ms?: number
  lost_ms?: number
  bin_days?: number
  image_bytes_per_second?: number | null
  /** JSON. */
  networks?: string
  /** JSON. */
  balance?: string
  fence_command?: string | null
  power_command?: string | null
}

export async function clusterInsert(
  tx: Tx,
  cluster: ClusterSet & { id: string; name: string; site_id: string; supernet: string },
) {
  await tx.insertInto('cluster').values(cluster).execute()
}

export async function clusterSet(tx: Tx, id: string, set: ClusterSet) {
  if (Object.keys(set).length > 0) await tx.updateTable('cluster').set(set).where('id', '=', id).execute()
}

export async function clusterDeleteRow(tx: Tx, id: string) {
  await tx.deleteFrom('cluster').where('id', '=', id).execute()
}

/** A cluster's network and the subnets its hosts have of it. */
export async function clusterNetwork(tx: Tx, clusterId: string) {
  const { supernet } = await tx
    .selectFrom('cluster')
    .select(sql<string>`supernet::text`.as('supernet'))
    .where('id', '=', clusterId)
    .executeTakeFirstOrThrow()
  const hosts = await tx
    .selectFrom('host')
    .select(['id', sql<string>`subnet::text`.as('subnet')])
    .where('cluster_id', '=', clusterId)
    .orderBy('created_at')
    .execute()
  return { supernet, hosts, subnets: hosts.map(host => host.subnet) }
}

export async function supernetsTaken(tx: Tx): Promise<{ id: string; name: string; supernet: string }[]> {
  return tx
    .selectFrom('cluster')
    .select(['id', 'name', sql<string>`supernet::text`.as('supernet')])
    .execute()
}

/** Networks that hosts are in themselves, as they told when they joined. */
export function hostNetworks(tx: Tx): Promise<{ name: string; networks: string[] }[]> {
  return tx.selectFrom('host').select(['name', 'networks']).where(sql<boolean>`networks <> '{}'`).execute()
}

export async function clusterSupernetSet(tx: Tx, clusterId: string, supernet: string) {
  await tx.updateTable('cluster').set({ supernet }).where('id', '=', clusterId).execute()
}

/** Each host another subnet at once: none may have for a moment what another had. */
export async function hostSubnetsSet(tx: Tx, subnets: { id: string; subnet: string }[]) {
  await sql`update host set subnet = s.subnet::cidr
    from jsonb_to_recordset(${JSON.stringify(subnets)}::jsonb) as s(id uuid, subnet text) where host.id = s.id`.execute(
    tx,
  )
}
