/** Storage pools and volumes: as a host is told of them, and what it says of them (docs/decisions/0014). */
import type { Trouble } from './report.ts'

type PoolSource =
  /** A folder of each host's own, or of all, where that is on storage which they share. */
  | { type: 'dir' }
  /** NFS: mounted by libvirt on every host of the cluster. */
  | { type: 'netfs'; server: string; path: string }
  /** Ceph: QEMU speaks with it itself. */
  | { type: 'rbd'; monitors: string[]; pool: string; user: string | null }

export interface StoragePoolSpec {
  /** Also the UUID of libvirt's pool, and of its secret. */
  id: string
  name: string
  source: PoolSource
  /** The folder its volumes lie in; null for `rbd`. */
  target: string | null
  /** Ceph's key of the user, base64; null: none. */
  secret: string | null
  /** Share of its capacity that new volumes leave free: 0 to 1. */
  reserve: number
  /** Grows with each wish to read it anew. */
  refresh: number
  /** It shall not be here any more. */
  gone: boolean
}

export interface VolumeSpec {
  id: string
  /** Also the beginning of its file's name. */
  name: string
  poolId: string
  format: 'qcow2' | 'raw'
  /** As its guest sees it. It only grows. */
  sizeBytes: number
  /** It was reported once: should it be missing, that is told instead of an empty one being made. */
  made: boolean
  /** Destroy it. */
  gone: boolean
}

/** All of it, whenever anything of it changes. */
export interface StorageSpec {
  pools: StoragePoolSpec[]
  volumes: VolumeSpec[]
}

/** A volume as a machine has it. */
export type MachineVolume = Pick<VolumeSpec, 'id' | 'name' | 'poolId' | 'format'> & {
  /** 1 is `vdb`. */
  slot: number
}

export interface StoragePoolReport {
  id: string
  state: 'making' | 'ready' | 'failed' | 'gone'
  /** Which wish to read it anew this answers. */
  refresh: number
  /** Hosts that say the same share what lies there; null: not known. */
  storageId: string | null
  /** Which file system of this host it lies on; absent or null: none of its own, or not known. */
  fileSystem?: string | null | undefined
  capacityBytes: number | null
  allocationBytes: number | null
  freeBytes: number | null
  trouble: Trouble | null
}

export interface VolumeReport {
  id: string
  state: 'waiting' | 'making' | 'ready' | 'failed' | 'gone'
  sizeBytes: number | null
  /** What it takes of its pool. */
  storedBytes: number | null
  /** The machine that runs with it. */
  usedBy: string | null
  trouble: Trouble | null
}

export interface StorageReport {
  pools: StoragePoolReport[]
  volumes: VolumeReport[]
}
