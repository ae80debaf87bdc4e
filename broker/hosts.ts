import { createHash, randomBytes } from 'node:crypto'
import type { Principal } from '../auth/principal.ts'
import { clusterRows } from '../db/clusters.ts'
import type { Tx } from '../db/connect.ts'
import { hostHistoryAdd } from '../db/host-history.ts'
import {
  addressLock,
  type HostRow,
  hostByKey,
  hostInsert,
  hostNames,
  hostRows,
  hostSet,
  joinTokenInsert,
  joinTokenUse,
} from '../db/hosts.ts'
import { clusterUsual } from '../db/sites.ts'
import { storageKeptBytes } from '../lib/capacity.ts'
import { counted } from '../lib/counted.ts'
import { nameAfter, nameCursor } from '../lib/cursors.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { capacitiesOf, hostCapacity } from './capacity.ts'
import { pageOf } from './pages.ts'
import { actionsFrom, conflictWhen } from './refusals.ts'
import { hostResources, nothingFree } from './resources.ts'
import { fenceRefused } from './returning.ts'
import { storageWarning } from './storage-level.ts'
import { subnetFor } from './subnets.ts'

function hostView(row: HostRow, principal: Principal) {
  const refused = principal.permissions.has('host.write') ? undefined : 'only administrators may do this'
  const capacity = hostCapacity(row.observed_facts, row)
  // What it said last is of before; nothing can be placed there.
  const lost = row.state === 'lost'
  return {
    id: row.id,
    name: row.name,
    clusterId: row.cluster_id,
    clusterName: row.cluster_name,
    siteName: row.site_name,
    state: row.state,
    since: row.state_since.toISOString(),
    offSince: row.wished_off_at?.toISOString() ?? null,
    fencedAt: row.fenced_at?.toISOString() ?? null,
    capacity: capacity.desktops,
    capacities: capacitiesOf([row]),
    capacityLimit: row.observed_facts ? capacity.limit : null,
    resources: lost ? nothingFree(hostResources(row)) : hostResources(row),
    used: { desktops: row.desktops, running: row.running, vcpus: row.vcpus, memoryBytes: row.memory_bytes },
    subnet: row.subnet_text,
    address: row.observed_facts?.address ?? null,
    storageId: row.observed_facts?.storageId ?? null,
    tags: row.tags,
    facts: row.observed_facts,
    usage: lost ? null : row.observed_usage,
    troubles: row.observed_troubles,
    storageWarning: lost ? null : rootWarning(row),
    actions: actionsFrom({
      update: refused,
      enterMaintenance:
        refused ??
        (row.wished_state === 'maintenance' && row.wished_evacuate ? 'it is in maintenance already' : undefined),
      fence: refused ?? fenceRefused({ state: row.state, lostSince: row.state_since, fencedAt: row.fenced_at }),
      leaveMaintenance: refused ?? (row.wished_state === 'online' ? 'it is not in maintenance' : undefined),
      remove: refused ?? removeRefused(row),
      forceRemove:
        refused ??
        (row.state === 'lost' || row.state === 'joining' ? undefined : 'it is heard: put it into maintenance first'),
    }),
  }
}

/** Its root storage is filling up; null: it is not. */
function rootWarning({ observed_usage: usage }: HostRow): string | null {
  if (!usage) return null
  const { storageTotalBytes: capacityBytes, storageFreeBytes: freeBytes } = usage
  return storageWarning('Its storage', { capacityBytes, freeBytes, keptBytes: storageKeptBytes(capacityBytes) })
}

/** Why a host may not simply leave; undefined: it may. */
export function removeRefused({
  desktops,
  moves,
  copies_left: copies,
}: Pick<HostRow, 'desktops' | 'moves' | 'copies_left'>) {
  if (desktops > 0) return counted(desktops, 'desktop is on it', 'desktops are on it')
  if (moves > 0)
    return counted(moves, 'desktop is on its way to it or from it', 'desktops are on their way to it or from it')
  if (copies === 0) return
  const returned = counted(
    copies,
    'desktop returned from it, and its old copy',
    'desktops returned from it, and their old copies',
  )
  return `${returned} may still run there`
}

export async function hostList(
  broker: Broker,
  principal: Principal,
  query: { limit: number; cursor?: string | undefined; name?: string | undefined; clusterId?: string | undefined },
) {
  const rows = await hostRows(broker.db, {
    name: query.name,
    clusterId: query.clusterId,
    after: nameAfter(query.cursor),
    limit: query.limit + 1,
  })
  return pageOf(
    rows,
    query.limit,
    row => nameCursor(row.name),
    row => hostView(row, principal),
  )
}

export async function hostGet(broker: Broker, principal: Principal, id: string) {
  const [row] = await hostRows(broker.db, { ids: [id] })
  if (!row) throw new HdcsError('not_found', 'There is no such host.')
  return hostView(row, principal)
}

/** @throws HdcsError `not_found`, `conflict` for a name that is taken. */
export async function hostUpdate(
  broker: Broker,
  principal: Principal,
  id: string,
  body: { name?: string | undefined; tags?: string[] | undefined },
) {
  await hostGet(broker, principal, id)
  await hostSet(broker.db, id, {
    ...(body.name !== undefined && { name: body.name }),
    ...(body.tags && { tags: [...new Set(body.tags)].sort() }),
  }).catch(conflictWhen('taken', `A host named ${body.name} already exists: choose another name.`))
  return hostGet(broker, principal, id)
}

/** Agents' keys and tokens are random: a plain hash is enough, nothing can be guessed. */
export const secretHash = (secret: string) => createHash('sha256').update(secret).digest('hex')

export async function joinTokenMake(
  broker: Broker,
  _principal: Principal,
  ask: { clusterId?: string | undefined; minutes: number },
  origin: string,
) {
  const clusterId = ask.clusterId ?? (await clusterUsual(broker.db))
  const [cluster] = clusterId ? await clusterRows(broker.db, { ids: [clusterId] }) : []
  if (!cluster) throw new HdcsError('not_found', 'There is no such cluster.')
  const token = randomBytes(24).toString('base64url')
  const expiresAt = new Date(broker.clock.now().getTime() + ask.minutes * 60_000)
  await joinTokenInsert(broker.db, { hash: secretHash(token), cluster_id: cluster.id, expires_at: expiresAt })
  return {
    token,
    expiresAt: expiresAt.toISOString(),
    // The token goes by the pipe: as an argument it would stand in the host's process list, and in sudo's log.
    command: `(echo HDCS_JOIN_TOKEN=${token}; curl -fsSL '${origin}/join') | bash`,
    reachable: !isLoopback(new URL(origin).hostname),
  }
}

/** Names and addresses by which a machine means itself. */
const isLoopback = (host: string) => /^(127\.[\d.]+|\[::1\]|(.+\.)?localhost)$/.test(host)

/** What a host may know of itself here: its name may differ from the machine's own. */
export async function hostKnown(broker: Broker, key: string | undefined) {
  const host = key === undefined ? undefined : await hostByKey(broker.db, secretHash(key))
  if (!host) throw new HdcsError('unauthenticated', 'This is no host’s key (any more): join with a new token.')
  return { hostId: host.id, name: host.name, heardAt: host.observed_beat_at?.toISOString() ?? null }
}

const keyNew = () => randomBytes(32).toString('base64url')

/**
 * A new host joins with its token. It brings a key of its own, or gets one.
 * @throws HdcsError `forbidden`: unknown, used or expired token.
 */
export async function hostJoin(
  broker: Broker,
  ask: { token: string; hostName: string; networks: string[]; key?: string | undefined },
): Promise<{ hostId: string; key: string }> {
  const { hostName: name, networks, key = keyNew() } = ask
  return broker.db.transaction().execute(async tx => {
    // It was not answered, or did not hear it, and asks again: its token is used up, and nobody else has its key.
    const known = await hostByKey(tx, secretHash(key))
    if (known) return { hostId: known.id, key }
    const used = await joinTokenUse(tx, secretHash(ask.token), broker.clock.now())
    if (!used)
      throw new HdcsError('forbidden', 'The join token is unknown, used or expired: make a new one on the Hosts page.')
    return hostAdd(tx, { clusterId: used.cluster_id, name, networks, key }, broker.clock.now())
  })
}

/**
 * Adds a host with a subnet that no other has and that none of its own networks touches (libvirt would refuse it).
 * A name that is taken gets a number.
 * @param host.networks CIDRs of the host's interfaces.
 */
export async function hostAdd(
  tx: Tx,
  host: { clusterId: string; name: string; networks: string[]; key?: string },
  now: Date,
): Promise<{ hostId: string; key: string }> {
  await addressLock(tx)
  const subnet = await subnetFor(tx, host.clusterId, host.networks)
  const names = new Set((await hostNames(tx)).map(row => row.name))
  let name = host.name
  for (let number = 2; names.has(name); number++) name = `${host.name}-${number}`
  const hostId = newId()
  const { clusterId: cluster_id, networks, key = keyNew() } = host
  await hostInsert(tx, { id: hostId, cluster_id, name, key_hash: secretHash(key), subnet, networks })
  await hostHistoryAdd(tx, { hostId, what: 'joined' }, now)
  return { hostId, key }
}
