import { type Kysely, sql } from 'kysely'
import type { Tx } from './connect.ts'
import type { Database, HostFactsValue, HostState, HostUsageValue, TroubleValue } from './schema.ts'

export type HostRow = Awaited<ReturnType<typeof hostRows>>[number]

/** Hosts with what they carry, by name. */
export function hostRows(
  db: Kysely<Database>,
  filter: {
    ids?: string[]
    name?: string | undefined
    clusterId?: string | undefined
    after?: string | undefined
    limit?: number
  },
) {
  let query = db
    .selectFrom('host')
    .innerJoin('cluster', 'cluster.id', 'host.cluster_id')
    .innerJoin('site', 'site.id', 'cluster.site_id')
    .leftJoin('desktop as d', join => join.onRef('d.host_id', '=', 'host.id').on('d.wished_present', '=', true))
    .selectAll('host')
    .select(['cluster.name as cluster_name', 'site.name as site_name'])
    .select([
      sql<string>`host.subnet::text`.as('subnet_text'),
      sql<number>`count(d.id)`.as('desktops'),
      sql<number>`count(d.id) filter (where d.wished_power <> 'stopped')`.as('running'),
      sql<number>`coalesce(sum((d.hardware ->> 'vcpus')::int) filter (where d.wished_power <> 'stopped'), 0)`.as(
        'vcpus',
      ),
      sql<number>`coalesce(sum((d.hardware ->> 'memoryBytes')::bigint) filter (where d.wished_power <> 'stopped'), 0)::bigint`.as(
        'memory_bytes',
      ),
    ])
    .groupBy(['host.id', 'cluster.id', 'site.id'])
  if (filter.ids) query = query.where('host.id', 'in', filter.ids)
  if (filter.name) query = query.where('host.name', '=', filter.name)
  if (filter.clusterId) query = query.where('host.cluster_id', '=', filter.clusterId)
  if (filter.after) query = query.where('host.name', '>', filter.after)
  return query
    .orderBy('host.name')
    .limit(filter.limit ?? 1000)
    .execute()
}

/** Versions whose image is ready, by host: where a desktop of it can be made at once. */
export async function hostsWithImage(db: Kysely<Database>, versionId: string): Promise<Set<string>> {
  const rows = await db
    .selectFrom('host_image')
    .select('host_id')
    .where('version_id', '=', versionId)
    .where('observed_state', '=', 'ready')
    .execute()
  return new Set(rows.map(row => row.host_id))
}

/** Only one process gives out subnets and addresses at a time; held to the end of the transaction. */
export async function addressLock(tx: Tx) {
  await sql`select pg_advisory_xact_lock(4711)`.execute(tx)
}

/** The lowest addresses of a host's subnet that no desktop has; the first two and the last are not for guests. */
export async function addressesFree(tx: Tx, hostId: string, count: number): Promise<string[]> {
  const { rows } = await sql<{ address: string }>`
    select host(a.address) as address from host h,
      lateral (select set_masklen(network(h.subnet)::inet, 32) + n as address
        from generate_series(2, (2 ^ (32 - masklen(h.subnet)))::int - 2) n) a
    where h.id = ${hostId} and not exists (select from desktop d where d.address = a.address)
    order by a.address limit ${count}`.execute(tx)
  return rows.map(row => row.address)
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
    .select(sql<string>`subnet::text`.as('subnet'))
    .where('cluster_id', '=', clusterId)
    .execute()
  return { supernet, subnets: hosts.map(host => host.subnet) }
}

export async function supernetsTaken(tx: Tx): Promise<string[]> {
  const rows = await tx.selectFrom('cluster').select(sql<string>`supernet::text`.as('supernet')).execute()
  return rows.map(row => row.supernet)
}

export async function clusterSupernetSet(tx: Tx, clusterId: string, supernet: string) {
  await tx.updateTable('cluster').set({ supernet }).where('id', '=', clusterId).execute()
}

export async function hostInsert(
  tx: Tx,
  host: { id: string; cluster_id: string; name: string; key_hash: string; subnet: string },
) {
  await tx
    .insertInto('host')
    .values({ ...host, observed_beat_at: null })
    .execute()
}

export async function hostKeyReplace(db: Kysely<Database>, id: string, keyHash: string) {
  await db.updateTable('host').set({ key_hash: keyHash }).where('id', '=', id).execute()
}

export function hostByKey(db: Kysely<Database>, keyHash: string) {
  return db
    .selectFrom('host')
    .innerJoin('cluster', 'cluster.id', 'host.cluster_id')
    .select(['host.id', 'host.name', sql<string>`host.subnet::text`.as('subnet')])
    .select(sql<string>`cluster.supernet::text`.as('supernet'))
    .where('host.key_hash', '=', keyHash)
    .executeTakeFirst()
}

export async function hostObserve(
  db: Kysely<Database>,
  id: string,
  seen: { at: Date; capacity?: number; facts?: HostFactsValue; usage?: HostUsageValue; troubles?: TroubleValue[] },
) {
  await db
    .updateTable('host')
    .set({
      observed_beat_at: seen.at,
      ...(seen.capacity !== undefined && { observed_capacity: seen.capacity }),
      ...(seen.facts && { observed_facts: JSON.stringify(seen.facts) }),
      ...(seen.usage && { observed_usage: JSON.stringify(seen.usage) }),
      ...(seen.troubles && { observed_troubles: JSON.stringify(seen.troubles) }),
    })
    .where('id', '=', id)
    .execute()
}

export function hostsForState(db: Kysely<Database>) {
  return db.selectFrom('host').select(['id', 'name', 'state', 'wished_state', 'observed_beat_at']).execute()
}

export async function hostStateSet(db: Kysely<Database>, id: string, state: HostState, now: Date) {
  await db.updateTable('host').set({ state, state_since: now }).where('id', '=', id).execute()
}

export async function hostDelete(tx: Tx, id: string) {
  await tx.deleteFrom('host').where('id', '=', id).execute()
}

export async function joinTokenInsert(
  db: Kysely<Database>,
  token: { hash: string; cluster_id: string; expires_at: Date },
) {
  await db
    .insertInto('join_token')
    .values({ ...token, used_at: null })
    .execute()
}

/** Uses a token up: of two agents with one token, one joins. */
export function joinTokenUse(tx: Tx, hash: string, now: Date) {
  return tx
    .updateTable('join_token')
    .set({ used_at: now })
    .where('hash', '=', hash)
    .where('used_at', 'is', null)
    .where('expires_at', '>', now)
    .returning('cluster_id')
    .executeTakeFirst()
}

export function siteRows(db: Kysely<Database>, name?: string) {
  let query = db
    .selectFrom('site')
    .leftJoin('cluster', 'cluster.site_id', 'site.id')
    .leftJoin('host', 'host.cluster_id', 'cluster.id')
    .select(['site.id', 'site.name'])
    .select([sql<number>`count(distinct cluster.id)`.as('clusters'), sql<number>`count(distinct host.id)`.as('hosts')])
    .groupBy('site.id')
  if (name) query = query.where('site.name', '=', name)
  return query.orderBy('site.name').execute()
}

export function clusterRows(db: Kysely<Database>, name?: string) {
  let query = db
    .selectFrom('cluster')
    .innerJoin('site', 'site.id', 'cluster.site_id')
    .leftJoin('host', join => join.onRef('host.cluster_id', '=', 'cluster.id'))
    .select(['cluster.id', 'cluster.name', 'site.id as site_id', 'site.name as site_name'])
    .select([
      sql<number>`count(host.id)`.as('hosts'),
      sql<number>`coalesce(sum(host.observed_capacity) filter (where host.state = 'online'), 0)`.as('capacity'),
      sql<number>`coalesce(sum((select count(*) from desktop d where d.host_id = host.id and d.wished_power <> 'stopped')), 0)::bigint`.as(
        'running',
      ),
    ])
    .groupBy(['cluster.id', 'site.id'])
  if (name) query = query.where('cluster.name', '=', name)
  return query.orderBy('cluster.name').execute()
}

/** The first start's site and cluster; the same rows at every later one. */
export async function treeEnsure(tx: Tx, ids: { siteId: string; clusterId: string; supernet: string }) {
  await tx
    .insertInto('site')
    .values({ id: ids.siteId, name: 'main' })
    .onConflict(c => c.column('name').doNothing())
    .execute()
  const site = await tx.selectFrom('site').select('id').where('name', '=', 'main').executeTakeFirstOrThrow()
  await tx
    .insertInto('cluster')
    .values({ id: ids.clusterId, name: 'main', site_id: site.id, supernet: ids.supernet })
    .onConflict(c => c.column('name').doNothing())
    .execute()
  const cluster = await tx.selectFrom('cluster').select('id').where('name', '=', 'main').executeTakeFirstOrThrow()
  return { siteId: site.id, clusterId: cluster.id }
}
