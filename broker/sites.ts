import { clusterRows, siteRows } from '../db/hosts.ts'
import type { Broker } from './broker.ts'

// A site list is short: one page.
export async function siteList(broker: Broker, query: { name?: string | undefined }) {
  return { items: await siteRows(broker.db, query.name), nextCursor: null }
}

export async function clusterList(broker: Broker, query: { name?: string | undefined }) {
  const rows = await clusterRows(broker.db, query.name)
  const items = rows.map(({ site_id, site_name, ...row }) => ({ ...row, siteId: site_id, siteName: site_name }))
  return { items, nextCursor: null }
}
