/** Storage pools: wished for a cluster, made by its hosts, judged from what they say. */

import type { Principal } from '../auth/principal.ts'
import { clusterRows } from '../db/clusters.ts'
import type { Tx } from '../db/connect.ts'
import type { PoolSourceValue } from '../db/schema-storage.ts'
import { clusterUsual } from '../db/sites.ts'
import {
  type HostStorageRow,
  hostStorageRows,
  type StoragePoolRow,
  storagePoolInsert,
  storagePoolLock,
  storagePoolRefresh,
  storagePoolRows,
  storagePoolSet,
} from '../db/storage-pools.ts'
import { transact } from '../db/transact.ts'
import { counted } from '../lib/counted.ts'
import { nameAfter, nameCursor } from '../lib/cursors.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import type { Promised } from './file-systems.ts'
import { pageOf } from './pages.ts'
import { actionsFrom, conflictWhen } from './refusals.ts'
import { storageKeyOpen, storageKeySealed } from './storage-keys.ts'
import { type PoolSaid, poolFigures, poolState } from './storage-state.ts'
import { clusterPromised } from './storages.ts'
import { type TaskView, taskOpen } from './tasks.ts'

const administratorsOnly = (principal: Principal) =>
  principal.permissions.has('host.write') ? undefined : 'only administrators may do this'

export const saidOf = (row: HostStorageRow): PoolSaid => ({
  hostName: row.host_name,
  hostState: row.host_state,
  state: row.observed_state,
  refresh: row.observed_refresh,
  storageId: row.observed_storage_id,
  capacityBytes: row.observed_capacity_bytes,
  allocationBytes: row.observed_allocation_bytes,
  freeBytes: row.observed_free_bytes,
  trouble: row.observed_trouble,
})

const removeRefused = ({ wished_present, volumes }: StoragePoolRow) =>
  !wished_present
    ? 'it is already being removed'
    : volumes > 0
      ? counted(volumes, 'volume lies on it', 'volumes lie on it')
      : undefined

/** Why its source stays as it is: only of what nobody has, and on which nothing lies, nothing is lost by another one. */
function mendRefused(row: StoragePoolRow, hosts: readonly HostStorageRow[]): string | undefined {
  if (!row.wished_present) return 'it is being removed'
  if (row.volumes > 0)
    return `${counted(row.volumes, 'volume lies on it', 'volumes lie on it')}: delete them first, or make another pool`
  // A host that is away may have it mounted still.
  const having = hosts.find(({ observed_state }) => observed_state === 'ready')
  if (having) return `${having.host_name} has it as it is: a pool that works is removed, and another one made`
  return undefined
}

function poolView(
  broker: Broker,
  row: StoragePoolRow,
  { hosts, promised }: { hosts: readonly HostStorageRow[]; promised: PromisedOf },
  principal: Principal,
) {
  const refused = administratorsOnly(principal)
  const own = hosts.filter(({ pool_id }) => pool_id === row.id)
  const said = own.map(saidOf)
  const wished = { present: row.wished_present, refresh: row.wished_refresh }
  const gone = row.wished_present ? undefined : 'it is being removed'
  return {
    id: row.id,
    name: row.name,
    clusterId: row.cluster_id,
    clusterName: row.cluster_name,
    source: { ...row.source, ...(row.target !== null && { target: row.target }) },
    reserve: Math.round(row.reserve * 1000) / 1000,
    ...poolState(wished, said),
    ...(storageKeyOpen(row, broker.ticketKey) === undefined && { state: 'failed' as const, text: keyLost }),
    ...poolFigures(row.name, row.reserve, row.virtual_bytes, said, promised(row)),
    volumes: row.volumes,
    hosts: own.map((host, index) => ({
      hostId: host.host_id,
      hostName: host.host_name,
      hostState: host.host_state,
      state: host.observed_state ?? ('making' as const),
      storageId: host.observed_storage_id,
      capacityBytes: said[index]?.capacityBytes ?? null,
      allocationBytes: said[index]?.allocationBytes ?? null,
      freeBytes: said[index]?.freeBytes ?? null,
      trouble: host.observed_trouble,
    })),
    actions: actionsFrom({
      update: refused ?? gone,
      mend: refused ?? mendRefused(row, own),
      refresh: refused ?? gone,
      createVolume: refused ?? gone,
      delete: refused ?? removeRefused(row),
    }),
    createdAt: row.created_at.toISOString(),
  }
}

const keyLost =
  'Its Ceph key was kept with another key of this installation and cannot be read: give it anew (change the pool’s key).'

type PromisedOf = (pool: StoragePoolRow) => Promised

/** What is promised of the file systems that pools lie on: read once for each of their clusters. */
async function promisedOf(broker: Broker, rows: readonly StoragePoolRow[]): Promise<PromisedOf> {
  const clusters = new Map<string, Awaited<ReturnType<typeof clusterPromised>>>()
  for (const id of new Set(rows.map(({ cluster_id }) => cluster_id)))
    clusters.set(id, await clusterPromised(broker.db, id))
  return ({ id, cluster_id }) =>
    clusters.get(cluster_id)?.(place => place.poolId === id) ?? { capacityBytes: 0, promisedBytes: 0 }
}

export type StoragePoolView = ReturnType<typeof poolView>

export async function storagePoolList(
  broker: Broker,
  principal: Principal,
  query: { limit: number; cursor?: string | undefined; name?: string | undefined; clusterId?: string | undefined },
) {
  const { name, clusterId, cursor } = query
  const rows = await storagePoolRows(broker.db, { name, clusterId, after: nameAfter(cursor), limit: query.limit + 1 })
  const hosts = await hostStorageRows(
    broker.db,
    rows.map(({ id }) => id),
  )
  const promised = await promisedOf(broker, rows)
  return pageOf(
    rows,
    query.limit,
    row => nameCursor(row.name),
    row => poolView(broker, row, { hosts, promised }, principal),
  )
}

export async function storagePoolGet(broker: Broker, principal: Principal, id: string): Promise<StoragePoolView> {
  const [row] = await storagePoolRows(broker.db, { ids: [id] })
  if (!row) throw notFound()
  const hosts = await hostStorageRows(broker.db, [id])
  return poolView(broker, row, { hosts, promised: await promisedOf(broker, [row]) }, principal)
}

const notFound = () => new HdcsError('not_found', 'There is no such storage pool.')

export type PoolSourceGiven =
  | { type: 'dir'; target: string }
  | { type: 'netfs'; server: string; path: string; target?: string | undefined }
  | { type: 'rbd'; monitors: string[]; pool: string; user?: string | undefined; key?: string | undefined }

/** Where NFS is mounted on the hosts, when nobody says. */
const mountedIn = '/var/lib/hdcs-storage'

const userMissing = 'A key is of a user: say whose it is.'
const keyWithoutUser = () =>
  new HdcsError('invalid', userMissing, { fields: [{ field: 'body.source.user', message: userMissing }] })

const storedAs = (name: string, given: PoolSourceGiven) => {
  if (given.type === 'dir')
    return { source: { type: 'dir' } satisfies PoolSourceValue, target: given.target, key: null }
  if (given.type === 'netfs') {
    const { type, server, path, target = `${mountedIn}/${name}` } = given
    return { source: { type, server, path } satisfies PoolSourceValue, target, key: null }
  }
  const { type, monitors, pool, user = null, key = null } = given
  if (key !== null && user === null) throw keyWithoutUser()
  return { source: { type, monitors, pool, user } satisfies PoolSourceValue, target: null, key }
}

/** @throws HdcsError `invalid` (no such cluster), `conflict` for a name or a folder that is taken. */
export async function storagePoolCreate(
  broker: Broker,
  principal: Principal,
  body: { name: string; clusterId?: string | undefined; source: PoolSourceGiven; reserve: number },
) {
  const now = broker.clock.now()
  const id = newId(now.getTime())
  const { key, ...stored } = storedAs(body.name, body.source)
  const task = await transact(broker.db, async tx => {
    const clusterId = body.clusterId ?? (await clusterUsual(tx))
    const [cluster] = clusterId ? await clusterRows(tx, { ids: [clusterId] }) : []
    if (!cluster) throw new HdcsError('invalid', 'There is no such cluster: give the clusterId of one.')
    await placeFree(tx, cluster.id, stored)
    const { name, reserve } = body
    await storagePoolInsert(tx, {
      id,
      cluster_id: cluster.id,
      name,
      reserve,
      sealed_secret: storageKeySealed(broker, id, key),
      ...stored,
    }).catch(conflictWhen('taken', `A storage pool named ${name} already exists: choose another name.`))
    const subject = { type: 'storagePool', id, name }
    return taskOpen(tx, { kind: 'storagePool.make', subject, requestedBy: principal }, now)
  })
  return { task, storagePool: await storagePoolGet(broker, principal, id) }
}

interface Place {
  source: PoolSourceValue
  target: string | null
}

const within = (one: string, other: string) => one === other || one.startsWith(`${other}/`)
const overlap = (one: string, other: string) => within(one, other) || within(other, one)

/** Two pools in one place would each take the other's volumes for its own, and count its room twice. */
async function placeFree(tx: Tx, clusterId: string, { source, target }: Place, besides?: string) {
  const others = (await storagePoolRows(tx, { clusterId })).filter(({ id }) => id !== besides)
  const there = others.find(row => row.target !== null && target !== null && overlap(row.target, target))
  if (there)
    throw new HdcsError('conflict', `${target} overlaps with the storage pool ${there.name}: choose another folder.`)
  const same = others.find(row => samePlace(row.source, source))
  if (same) throw new HdcsError('conflict', `The storage pool ${same.name} is at this place already: use that one.`)
}

function samePlace(one: PoolSourceValue, other: PoolSourceValue): boolean {
  if (one.type === 'netfs' && other.type === 'netfs')
    return one.server.toLowerCase() === other.server.toLowerCase() && overlap(one.path, other.path)
  const plain = (monitor: string) => monitor.toLowerCase().replace(/:(6789|3300)$/, '')
  if (one.type === 'rbd' && other.type === 'rbd')
    return one.pool === other.pool && one.monitors.map(plain).some(name => other.monitors.map(plain).includes(name))
  return false
}

/**
 * Another place of the same kind, for a pool that no host has. @returns what is written.
 * @throws HdcsError `invalid` for another kind, `conflict` where something lies on it or somebody has it.
 */
async function sourceMended(tx: Tx, id: string, name: string, given: PoolSourceGiven) {
  const [row] = await storagePoolRows(tx, { ids: [id] })
  if (!row) throw notFound()
  if (given.type !== row.source.type)
    throw new HdcsError(
      'invalid',
      `${row.name} stays of its kind (${row.source.type}): for another one make another pool.`,
    )
  const refused = mendRefused(row, await hostStorageRows(tx, [id]))
  if (refused !== undefined) throw new HdcsError('conflict', `The source of ${row.name} stays: ${refused}.`)
  // Where it is mounted is kept unless said.
  const kept = given.type === 'netfs' && row.target !== null ? { target: row.target, ...given } : given
  const { key: _key, ...stored } = storedAs(name, kept)
  await placeFree(tx, row.cluster_id, stored, id)
  return stored
}

/** @throws HdcsError `not_found`, `invalid`, `conflict`. */
export async function storagePoolUpdate(
  broker: Broker,
  principal: Principal,
  id: string,
  given: {
    name?: string | undefined
    reserve?: number | undefined
    key?: string | undefined
    source?: PoolSourceGiven | undefined
  },
): Promise<StoragePoolView> {
  await transact(broker.db, async tx => {
    const row = await poolThere(tx, id)
    const name = given.name ?? row.name
    const newKey = given.key ?? (given.source?.type === 'rbd' ? given.source.key : undefined)
    if (newKey !== undefined && row.source.type !== 'rbd')
      throw new HdcsError('invalid', `${row.name} is no Ceph pool: it has no key.`)
    if (newKey !== undefined && !given.source && row.source.type === 'rbd' && row.source.user === null)
      throw keyWithoutUser()
    const key = newKey !== undefined && { secret: null, sealed_secret: storageKeySealed(broker, id, newKey) }
    const mended = given.source && (await sourceMended(tx, id, name, given.source))
    const reserve = given.reserve !== undefined && { reserve: given.reserve }
    await storagePoolSet(tx, id, { name, ...reserve, ...key, ...mended }).catch(
      conflictWhen('taken', `A storage pool named ${name} already exists: choose another name.`),
    )
  })
  return storagePoolGet(broker, principal, id)
}

async function poolThere(tx: Tx, id: string) {
  const row = await storagePoolLock(tx, id)
  if (!row) throw notFound()
  if (!row.wished_present) throw new HdcsError('conflict', `${row.name} is being removed.`)
  return row
}

/** Its hosts read it anew: volumes that others put there, room that was made. */
export async function storagePoolRead(broker: Broker, principal: Principal, id: string) {
  const now = broker.clock.now()
  const task = await transact(broker.db, async tx => {
    const { name } = await poolThere(tx, id)
    const refresh = await storagePoolRefresh(tx, id)
    const subject = { type: 'storagePool', id, name }
    return taskOpen(tx, { kind: 'storagePool.refresh', subject, requestedBy: principal, goal: { refresh } }, now)
  })
  return { task, storagePool: await storagePoolGet(broker, principal, id) }
}

/** Forgotten by its hosts; what lies on it stays. @throws HdcsError `not_found`, `conflict` while volumes lie on it. */
export async function storagePoolRemove(
  broker: Broker,
  principal: Principal,
  id: string,
): Promise<{ task: TaskView; storagePool: StoragePoolView }> {
  const now = broker.clock.now()
  const task = await transact(broker.db, async tx => {
    const locked = await storagePoolLock(tx, id)
    const [row] = await storagePoolRows(tx, { ids: [id] })
    if (!locked || !row) throw notFound()
    const refused = removeRefused(row)
    if (refused !== undefined) throw new HdcsError('conflict', `${row.name} stays: ${refused}.`)
    await storagePoolSet(tx, id, { wished_present: false })
    const subject = { type: 'storagePool', id, name: row.name }
    return taskOpen(tx, { kind: 'storagePool.delete', subject, requestedBy: principal }, now)
  })
  return { task, storagePool: await storagePoolGet(broker, principal, id) }
}
