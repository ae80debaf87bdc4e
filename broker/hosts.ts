import { createHash, randomBytes } from 'node:crypto'
import type { Principal } from '../auth/principal.ts'
import type { Tx } from '../db/connect.ts'
import {
  addressLock,
  clusterRows,
  type HostRow,
  hostDelete,
  hostInsert,
  hostRows,
  joinTokenInsert,
  joinTokenUse,
} from '../db/hosts.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { pageOf } from './pages.ts'
import { actionsFrom } from './refusals.ts'
import { subnetFor } from './subnets.ts'

function hostView(row: HostRow, principal: Principal) {
  const administrator = principal.permissions.has('host.write')
  const remove = !administrator
    ? 'only administrators may do this'
    : row.desktops > 0
      ? `${row.desktops} desktops are on it`
      : row.state === 'online'
        ? 'it is online: stop its agent first'
        : undefined
  return {
    id: row.id,
    name: row.name,
    clusterId: row.cluster_id,
    clusterName: row.cluster_name,
    siteName: row.site_name,
    state: row.state,
    since: row.state_since.toISOString(),
    capacity: row.observed_capacity,
    used: { desktops: row.desktops, running: row.running, vcpus: row.vcpus, memoryBytes: row.memory_bytes },
    subnet: row.subnet_text,
    facts: row.observed_facts,
    usage: row.observed_usage,
    troubles: row.observed_troubles,
    actions: actionsFrom({ remove }),
  }
}

export async function hostList(
  broker: Broker,
  principal: Principal,
  query: { limit: number; cursor?: string | undefined; name?: string | undefined; clusterId?: string | undefined },
) {
  const rows = await hostRows(broker.db, {
    name: query.name,
    clusterId: query.clusterId,
    after: query.cursor,
    limit: query.limit + 1,
  })
  return pageOf(
    rows,
    query.limit,
    row => row.name,
    row => hostView(row, principal),
  )
}

export async function hostGet(broker: Broker, principal: Principal, id: string) {
  const [row] = await hostRows(broker.db, { ids: [id] })
  if (!row) throw new HdcsError('not_found', 'There is no such host.')
  return hostView(row, principal)
}

/** @throws HdcsError `conflict` while it is online or carries desktops. */
export async function hostRemove(broker: Broker, principal: Principal, id: string): Promise<void> {
  const host = await hostGet(broker, principal, id)
  const refused = host.actions.find(action => action.name === 'remove')?.reason
  if (refused !== undefined) throw new HdcsError('conflict', `${host.name} stays: ${refused}.`)
  await broker.db.transaction().execute(tx => hostDelete(tx, id))
}

/** Agents' keys and tokens are random: a plain hash is enough, nothing can be guessed. */
export const secretHash = (secret: string) => createHash('sha256').update(secret).digest('hex')

export async function joinTokenMake(
  broker: Broker,
  _principal: Principal,
  ask: { clusterId?: string | undefined; minutes: number },
  origin: string,
) {
  const clusters = await clusterRows(broker.db)
  const cluster = clusters.find(candidate =>
    ask.clusterId ? candidate.id === ask.clusterId : candidate.name === 'main',
  )
  if (!cluster) throw new HdcsError('not_found', 'There is no such cluster.')
  const token = randomBytes(24).toString('base64url')
  const expiresAt = new Date(broker.clock.now().getTime() + ask.minutes * 60_000)
  await joinTokenInsert(broker.db, { hash: secretHash(token), cluster_id: cluster.id, expires_at: expiresAt })
  return {
    token,
    expiresAt: expiresAt.toISOString(),
    command: `HDCS_CONTROL_URL=${origin} HDCS_JOIN_TOKEN=${token} npm run agent`,
  }
}

/** A new host joins with its token and gets a key of its own. @throws HdcsError `forbidden`: unknown, used or expired token. */
export async function hostJoin(
  broker: Broker,
  ask: { token: string; hostName: string; networks: string[] },
): Promise<{ hostId: string; key: string }> {
  return broker.db.transaction().execute(async tx => {
    const used = await joinTokenUse(tx, secretHash(ask.token), broker.clock.now())
    if (!used)
      throw new HdcsError('forbidden', 'The join token is unknown, used or expired: make a new one on the Hosts page.')
    return hostAdd(tx, { clusterId: used.cluster_id, name: ask.hostName, networks: ask.networks })
  })
}

/**
 * Adds a host with a subnet that no other has and that none of its own networks touches (libvirt would refuse it).
 * A name that is taken gets a number.
 * @param host.networks CIDRs of the host's interfaces.
 */
export async function hostAdd(
  tx: Tx,
  host: { clusterId: string; name: string; networks: string[] },
): Promise<{ hostId: string; key: string }> {
  await addressLock(tx)
  const subnet = await subnetFor(tx, host.clusterId, host.networks)
  const names = new Set((await hostRows(tx, {})).map(row => row.name))
  let name = host.name
  for (let number = 2; names.has(name); number++) name = `${host.name}-${number}`
  const key = randomBytes(32).toString('base64url')
  const hostId = newId()
  await hostInsert(tx, { id: hostId, cluster_id: host.clusterId, name, key_hash: secretHash(key), subnet })
  return { hostId, key }
}
