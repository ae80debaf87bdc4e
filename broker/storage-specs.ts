/** Rows of pools and volumes as a host is told of them. Pure but for their keys, which are opened. */
import type { storageWished } from '../db/storage-pools.ts'
import type { StorageSpec } from '../vmm/spec.ts'
import { storageKeyOpen } from './storage-keys.ts'

type Wished = Awaited<ReturnType<typeof storageWished>>

export const storageSpec = ({ pools, volumes }: Wished, ticketKey: Uint8Array): StorageSpec => ({
  pools: pools.map(row => ({
    id: row.id,
    name: row.name,
    source: row.source,
    target: row.target,
    secret: storageKeyOpen(row, ticketKey) ?? null,
    reserve: row.reserve,
    refresh: row.wished_refresh,
    gone: !row.wished_present,
  })),
  volumes: volumes.map(row => ({
    id: row.id,
    name: row.name,
    poolId: row.pool_id,
    format: row.format,
    sizeBytes: row.wished_bytes,
    made: row.made,
    gone: !row.wished_present,
  })),
})
