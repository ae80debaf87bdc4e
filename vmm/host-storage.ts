/** What a host does with storage pools and volumes: a part of its contract (host.ts), and as idempotent as that. */
import type { MachineVolume, StoragePoolSpec, VolumeSpec } from './storage-spec.ts'

export interface FoundStoragePool {
  storageId: string
  /** Of this host, where its volumes lie as files; null: elsewhere, or not known. */
  fileSystem: string | null
  capacityBytes: number
  allocationBytes: number
  freeBytes: number
}

export interface FoundVolume {
  sizeBytes: number
  storedBytes: number
}

/**
 * Volumes are asked for only after their pool was ensured in this process.
 * Errors besides those of the host: `invalid` (a place that no pool may use), `storage_full` (the pool's reserve).
 */
export interface StorageHost {
  /** Makes and starts it, and reads it anew. A pool that is not ours is never touched: `conflict`. */
  storagePoolEnsure(pool: StoragePoolSpec): Promise<FoundStoragePool>
  /** How full it is now. */
  storagePoolLook(pool: StoragePoolSpec): Promise<FoundStoragePool>
  /** Forgets it; what lies on it stays. */
  storagePoolRemove(id: string): Promise<void>
  /** Ids of pools of this installation that are here. */
  storagePools(): Promise<string[]>
  /**
   * Makes it, or makes it larger; a guest that runs with it sees that at once.
   * @param usedBy the machine that runs with it.
   * @throws HdcsError `not_found` when it was made before and is not there.
   */
  volumeEnsure(volume: VolumeSpec, usedBy: string | null): Promise<FoundVolume>
  volumeRemove(volume: VolumeSpec): Promise<void>
  /** Plugs it into a machine that runs. */
  volumeAttach(machineId: string, volume: MachineVolume): Promise<void>
  /** Returns when the guest has let go of it. @throws HdcsError `timeout` while it has not. */
  volumeDetach(machineId: string, volumeId: string): Promise<void>
}
