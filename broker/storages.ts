/** Root storages of a cluster: how full they are, and how much more is promised of them than there is. */
import { clusterRows } from '../db/clusters.ts'
import type { Db } from '../db/connect.ts'
import { type StorageHostRow, type StoragePoolPlaceRow, storageHosts, storagePoolPlaces } from '../db/storages.ts'
import { storageKeptBytes } from '../lib/capacity.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Broker } from './broker.ts'
import { promisedOn, type StoragePlace } from './file-systems.ts'
import { storageLevel, storageWarning, thinRatio } from './storage-level.ts'

/** All on which something is promised in a cluster. Pure. */
export function placesOf(hosts: readonly StorageHostRow[], pools: readonly StoragePoolPlaceRow[]): StoragePlace[] {
  const roots = hosts.flatMap(({ id, storage_id, file_system, usage, virtual_bytes }) =>
    storage_id === null || usage === null
      ? []
      : [
          {
            host_id: id,
            pool_id: null,
            storage_id,
            file_system,
            capacity_bytes: usage.storageTotalBytes,
            virtual_bytes,
          },
        ],
  )
  return [...roots, ...pools].map(row => ({
    hostId: row.host_id,
    poolId: row.pool_id,
    storageId: row.storage_id,
    fileSystem: row.file_system,
    capacityBytes: row.capacity_bytes,
    virtualBytes: row.virtual_bytes,
  }))
}

/** What is promised of a cluster's file systems: asked of root storages and of storage pools. */
export async function clusterPromised(db: Db, clusterId: string) {
  return promisedOn(placesOf(await storageHosts(db, clusterId), await storagePoolPlaces(db, clusterId)))
}

/** Hosts that tell the same identity share a storage: it counts once, as the one of them that is heard last sees it. */
export function rootStorages(hosts: readonly StorageHostRow[], pools: readonly StoragePoolPlaceRow[]) {
  const promised = promisedOn(placesOf(hosts, pools))
  const known = hosts.filter(({ storage_id, usage }) => storage_id !== null && usage !== null)
  const byStorage = Map.groupBy(known, ({ storage_id }) => storage_id ?? '')
  return [...byStorage].map(([storageId, sharing]) => {
    const { usage } = sharing.find(({ state }) => state === 'online') ?? sharing[0] ?? {}
    const capacityBytes = usage?.storageTotalBytes ?? 0
    const freeBytes = usage?.storageFreeBytes ?? 0
    const { promisedBytes } = promised(place => place.poolId === null && place.storageId === storageId)
    const figures = { capacityBytes, freeBytes, keptBytes: storageKeptBytes(capacityBytes), promisedBytes }
    const virtualBytes = sharing.reduce((sum, { virtual_bytes }) => sum + virtual_bytes, 0)
    const names = sharing.map(({ name }) => name)
    return {
      storageId,
      hosts: sharing.map(({ id, name }) => ({ id, name })),
      desktops: sharing.reduce((sum, { desktops }) => sum + desktops, 0),
      ...figures,
      virtualBytes,
      thinRatio: thinRatio(promisedBytes, capacityBytes),
      level: storageLevel(figures),
      warning: storageWarning(`The storage of ${names.slice(0, 3).join(', ')}${names.length > 3 ? ' …' : ''}`, figures),
    }
  })
}

/** @throws HdcsError `not_found`. */
export async function clusterStorages(broker: Broker, clusterId: string) {
  const [cluster] = await clusterRows(broker.db, { ids: [clusterId] })
  if (!cluster) throw new HdcsError('not_found', 'There is no such cluster.')
  return rootStorages(await storageHosts(broker.db, clusterId), await storagePoolPlaces(broker.db, clusterId))
}
