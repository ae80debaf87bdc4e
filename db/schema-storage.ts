/** Tables of storage pools and volumes. */
import type { Generated } from 'kysely'
import type { Json, JsonOrNull, TroubleValue } from './schema.ts'

export type PoolSourceValue =
  | { type: 'dir' }
  | { type: 'netfs'; server: string; path: string }
  | { type: 'rbd'; monitors: string[]; pool: string; user: string | null }

export interface StoragePoolTable {
  id: string
  cluster_id: string
  name: string
  source: Json<PoolSourceValue>
  target: string | null
  /** Ceph's key, base64, as older versions wrote it: sealed by the process that leads. */
  secret: string | null
  /** The same, for control processes alone (auth/sealed.ts, about the pool's id). */
  sealed_secret: string | null
  /** Share of its capacity that new volumes leave free. */
  reserve: Generated<number>
  wished_refresh: Generated<number>
  wished_present: Generated<boolean>
  created_at: Generated<Date>
}

export type HostStorageState = 'making' | 'ready' | 'failed' | 'gone'

/** What a host says of a pool of its cluster. */
export interface HostStorageTable {
  host_id: string
  pool_id: string
  observed_state: HostStorageState
  observed_refresh: number
  /** Hosts that say the same share what lies there. */
  observed_storage_id: string | null
  /** Of the host's own: what lies on one shares its space. */
  observed_file_system: string | null
  observed_capacity_bytes: number | null
  observed_allocation_bytes: number | null
  observed_free_bytes: number | null
  observed_trouble: JsonOrNull<TroubleValue>
}

export type VolumeState = 'waiting' | 'making' | 'ready' | 'failed' | 'gone'

export interface VolumeTable {
  id: string
  name: string
  pool_id: string
  /** Who looks after it; null: nobody now. */
  host_id: string | null
  format: 'qcow2' | 'raw'
  wished_bytes: number
  wished_present: Generated<boolean>
  desktop_id: string | null
  slot: number | null
  made: Generated<boolean>
  observed_state: Generated<VolumeState>
  observed_bytes: number | null
  observed_stored_bytes: number | null
  /** The desktop that runs with it. */
  observed_used_by: string | null
  observed_trouble: JsonOrNull<TroubleValue>
  created_at: Generated<Date>
}
