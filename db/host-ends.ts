/** The two ends of a move: what of each host decides whether and how a desktop goes. */
import type { Db, Tx } from './connect.ts'
import type { HostState } from './schema.ts'
import type { ClusterNetworkValue } from './schema-hosts.ts'
import { storagesHeld } from './volumes.ts'

/** What of a host decides whether and how a desktop can come to it or leave it. */
export interface HostEnd {
  id: string
  name: string
  state: HostState
  clusterId: string
  /** Null: it has not told its facts yet. */
  storageId: string | null
  /** Null: it takes no part in live migrations. */
  migrationUri: string | null
  /** libvirt's lock manager guards its disks. */
  diskLocks?: boolean
  /** Of each storage pool that it has ready: what lies there. */
  storages?: Record<string, string> | null
  /** How its cluster has the networks that pools name. */
  networks?: ClusterNetworkValue[]
}

export async function hostEnds(db: Db | Tx): Promise<Map<string, HostEnd>> {
  const rows = await db
    .selectFrom('host')
    .innerJoin('cluster', 'cluster.id', 'host.cluster_id')
    .select(['host.id', 'host.name', 'host.state', 'host.cluster_id', 'host.observed_facts', 'cluster.networks'])
    .select(storagesHeld.as('storages'))
    .execute()
  const ends = rows.map(({ id, name, state, cluster_id: clusterId, observed_facts: facts, storages, networks }) => {
    const { storageId = null, migrationUri = null, diskLocks = false } = facts ?? {}
    return { id, name, state, clusterId, storageId, migrationUri, diskLocks, storages, networks }
  })
  return new Map(ends.map(end => [end.id, end]))
}
