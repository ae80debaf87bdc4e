/** Sites: places with clusters in them. */

import type { Principal } from '../auth/principal.ts'
import { hostRows } from '../db/hosts.ts'
import { type SiteRow, siteDeleteRow, siteInsert, siteRows, siteSet } from '../db/sites.ts'
import { nameAfter, nameCursor } from '../lib/cursors.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { pageOf } from './pages.ts'
import { actionsFrom, conflictWhen } from './refusals.ts'
import { type LoadedHost, resourcesSum } from './resources.ts'

function siteView(row: SiteRow, hosts: readonly (LoadedHost & { site_id: string })[], principal: Principal) {
  const administrator = principal.permissions.has('host.write')
  const refused = administrator ? undefined : 'only administrators may do this'
  return {
    id: row.id,
    name: row.name,
    clusters: row.clusters,
    hosts: row.hosts,
    resources: resourcesSum(hosts.filter(host => host.site_id === row.id)),
    actions: actionsFrom({
      update: refused,
      delete: refused ?? countedIn(row.clusters, 'cluster'),
    }),
    createdAt: row.created_at.toISOString(),
  }
}

export async function siteList(
  broker: Broker,
  principal: Principal,
  query: { limit: number; cursor?: string | undefined; name?: string | undefined },
) {
  const rows = await siteRows(broker.db, { name: query.name, after: nameAfter(query.cursor), limit: query.limit + 1 })
  const hosts = await hostRows(broker.db, { limit: allHosts })
  return pageOf(
    rows,
    query.limit,
    row => nameCursor(row.name),
    row => siteView(row, hosts, principal),
  )
}

export async function siteGet(broker: Broker, principal: Principal, id: string) {
  const [row] = await siteRows(broker.db, { ids: [id] })
  if (!row) throw new HdcsError('not_found', 'There is no such site.')
  return siteView(row, await hostRows(broker.db, { siteId: id, limit: allHosts }), principal)
}

/** @throws HdcsError `conflict` for a name that is taken. */
export async function siteCreate(broker: Broker, principal: Principal, body: { name: string }) {
  const id = newId(broker.clock.now().getTime())
  await siteInsert(broker.db, { id, name: body.name }).catch(nameTaken(body.name))
  return siteGet(broker, principal, id)
}

/** @throws HdcsError `not_found`, `conflict` for a name that is taken. */
export async function siteUpdate(
  broker: Broker,
  principal: Principal,
  id: string,
  body: { name?: string | undefined },
) {
  await siteGet(broker, principal, id)
  if (body.name !== undefined) await siteSet(broker.db, id, { name: body.name }).catch(nameTaken(body.name))
  return siteGet(broker, principal, id)
}

/** @throws HdcsError `not_found`, `conflict` while clusters are in it. */
export async function siteDelete(broker: Broker, principal: Principal, id: string): Promise<void> {
  const site = await siteGet(broker, principal, id)
  const inIt = (text: string) => `${site.name} stays: ${text}. Remove its clusters first, or give them another site.`
  const refused = site.actions.find(action => action.name === 'delete')?.reason
  if (refused !== undefined) throw new HdcsError('conflict', inIt(refused))
  // Somebody may have put a cluster into it since.
  await siteDeleteRow(broker.db, id).catch(conflictWhen('inUse', inIt('a cluster is in it')))
}

const nameTaken = (name: string) => conflictWhen('taken', `A site named ${name} already exists: choose another name.`)

/** Why a thing that holds others cannot go; undefined when it holds none. */
export const countedIn = (count: number, noun: string) =>
  count === 0 ? undefined : count === 1 ? `a ${noun} is in it` : `${count} ${noun}s are in it`

/** Sums need every host. */
export const allHosts = 100_000
