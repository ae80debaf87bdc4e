import { type Kysely, sql } from 'kysely'
import { type Db, pageOfRows, type Tx } from './connect.ts'
import type { Database } from './schema.ts'

export type SiteRow = Awaited<ReturnType<typeof siteRows>>[number]

/** Sites with how much is in them, by name. */
export function siteRows(
  db: Kysely<Database>,
  filter: { ids?: string[]; name?: string | undefined; after?: string | undefined; limit?: number } = {},
) {
  let query = db
    .selectFrom('site')
    .leftJoin('cluster', 'cluster.site_id', 'site.id')
    .leftJoin('host', 'host.cluster_id', 'cluster.id')
    .select(['site.id', 'site.name', 'site.created_at'])
    .select([sql<number>`count(distinct cluster.id)`.as('clusters'), sql<number>`count(distinct host.id)`.as('hosts')])
    .groupBy('site.id')
  if (filter.ids) query = query.where('site.id', 'in', filter.ids)
  if (filter.name) query = query.where('site.name', '=', filter.name)
  if (filter.after) query = query.where('site.name', '>', filter.after)
  return pageOfRows(query.orderBy('site.name'), filter.limit).execute()
}

export async function siteInsert(db: Db, site: { id: string; name: string }) {
  await db.insertInto('site').values(site).execute()
}

export async function siteSet(db: Db, id: string, set: { name: string }) {
  await db.updateTable('site').set(set).where('id', '=', id).execute()
}

export async function siteDeleteRow(db: Db, id: string) {
  await db.deleteFrom('site').where('id', '=', id).execute()
}

/**
 * The site and cluster `main` when there is no cluster at all; else what there is, because an administrator may have
 * given it another name.
 * @returns the cluster that hosts belong to when nobody says otherwise.
 */
export async function treeEnsure(tx: Tx, ids: { siteId: string; clusterId: string; supernet: string }) {
  const known = await clusterUsual(tx)
  if (known) return { clusterId: known }
  await tx
    .insertInto('site')
    .values({ id: ids.siteId, name: 'main' })
    .onConflict(c => c.column('name').doNothing())
    .execute()
  const site = await tx.selectFrom('site').select('id').where('name', '=', 'main').executeTakeFirstOrThrow()
  const { clusterId, supernet } = ids
  await tx.insertInto('cluster').values({ id: clusterId, name: 'main', site_id: site.id, supernet }).execute()
  return { clusterId }
}

/** The cluster `main`, else the oldest. */
export async function clusterUsual(db: Kysely<Database>): Promise<string | undefined> {
  const row = await db
    .selectFrom('cluster')
    .select('id')
    .orderBy(sql`name <> 'main'`)
    .orderBy('created_at')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
  return row?.id
}
