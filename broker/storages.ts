/** Root storages of a cluster: how full they are, and how much more is promised of them than there is. */
import { clusterRows } from '../db/clusters.ts'
import { type StorageHostRow, storageHosts } from '../db/storages.ts'
import { storageKeptBytes } from '../lib/capacity.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Broker } from './broker.ts'
import { storageLevel, storageWarning, thinRatio } from './storage-level.ts'

/** Hosts that tell the same identity share a storage: it counts once, as the one of them that is heard last sees it. */
export function rootStorages(hosts: readonly StorageHostRow[]) {
  const known = hosts.filter(({ storage_id, usage }) => storage_id !== null && usage !== null)
  const byStorage = Map.groupBy(known, ({ storage_id }) => storage_id ?? '')
  return [...byStorage].map(([storageId, sharing]) => {
    const { usage } = sharing.find(({ state }) => state === 'online') ?? sharing[0] ?? {}
    const capacityBytes = usage?.storageTotalBytes ?? 0
    const freeBytes = usage?.storageFreeBytes ?? 0
    const figures = { capacityBytes, freeBytes, keptBytes: storageKeptBytes(capacityBytes) }
    const virtualBytes = sharing.reduce((sum, { virtual_bytes }) => sum + virtual_bytes, 0)
    const names = sharing.map(({ name }) => name)
    return {
      storageId,
      hosts: sharing.map(({ id, name }) => ({ id, name })),
      desktops: sharing.reduce((sum, { desktops }) => sum + desktops, 0),
      ...figures,
      virtualBytes,
      thinRatio: thinRatio(virtualBytes, capacityBytes),
      level: storageLevel(figures),
      warning: storageWarning(`The storage of ${names.slice(0, 3).join(', ')}${names.length > 3 ? ' …' : ''}`, figures),
    }
  })
}

/** @throws HdcsError `not_found`. */
export async function clusterStorages(broker: Broker, clusterId: string) {
  const [cluster] = await clusterRows(broker.db, { ids: [clusterId] })
  if (!cluster) throw new HdcsError('not_found', 'There is no such cluster.')
  return rootStorages(await storageHosts(broker.db, clusterId))
}
