/** Storage pools, and what each host says of them. */
import { type Kysely, sql } from 'kysely'
import type { StorageReport } from '../vmm/report.ts'
import { pageOfRows, type Tx } from './connect.ts'
import type { Database } from './schema.ts'
import type { PoolSourceValue } from './schema-storage.ts'

export type StoragePoolRow = Awaited<ReturnType<typeof storagePoolRows>>[number]

/** Pools with what their hosts say and what lies on them, by name. */
export function storagePoolRows(
  db: Kysely<Database>,
  filter: {
    ids?: string[]
    clusterId?: string | undefined
    name?: string | undefined
    after?: string | undefined
    limit?: number
  } = {},
) {
  let query = db
    .selectFrom('storage_pool')
    .innerJoin('cluster', 'cluster.id', 'storage_pool.cluster_id')
    .selectAll('storage_pool')
    .select('cluster.name as cluster_name')
    .select([
      sql<number>`(select count(*) from volume where volume.pool_id = storage_pool.id)`.as('volumes'),
      sql<number>`(select coalesce(sum(wished_bytes), 0)::bigint from volume where volume.pool_id = storage_pool.id)`.as(
        'virtual_bytes',
      ),
    ])
  if (filter.ids) query = query.where('storage_pool.id', 'in', filter.ids)
  if (filter.clusterId) query = query.where('storage_pool.cluster_id', '=', filter.clusterId)
  if (filter.name) query = query.where('storage_pool.name', '=', filter.name)
  if (filter.after) query = query.where('storage_pool.name', '>', filter.after)
  return pageOfRows(query.orderBy('storage_pool.name'), filter.limit).execute()
}

export type HostStorageRow = Awaited<ReturnType<typeof hostStorageRows>>[number]

/** Every host of the pools' clusters with what it says of the pool, if anything. */
export function hostStorageRows(db: Kysely<Database>, poolIds: string[]) {
  return db
    .selectFrom('storage_pool')
    .innerJoin('host', 'host.cluster_id', 'storage_pool.cluster_id')
    .leftJoin('host_storage as said', join =>
      join.onRef('said.host_id', '=', 'host.id').onRef('said.pool_id', '=', 'storage_pool.id'),
    )
    .select(['storage_pool.id as pool_id', 'host.id as host_id', 'host.name as host_name', 'host.state as host_state'])
    .select(['said.observed_state', 'said.observed_refresh', 'said.observed_storage_id', 'said.observed_trouble'])
    .select(['said.observed_capacity_bytes', 'said.observed_allocation_bytes', 'said.observed_free_bytes'])
    .where('storage_pool.id', 'in', poolIds.length > 0 ? poolIds : ['00000000-0000-0000-0000-000000000000'])
    .orderBy('host.name')
    .execute()
}

export async function storagePoolInsert(
  tx: Tx,
  pool: {
    id: string
    cluster_id: string
    name: string
    source: PoolSourceValue
    target: string | null
    sealed_secret: string | null
    reserve: number
  },
) {
  await tx
    .insertInto('storage_pool')
    .values({ ...pool, source: JSON.stringify(pool.source) })
    .execute()
}

/** Locks the row: nobody puts a volume on it, or removes it, until the transaction ends. */
export function storagePoolLock(tx: Tx, id: string) {
  return tx.selectFrom('storage_pool').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

export async function storagePoolSet(
  tx: Tx,
  id: string,
  {
    source,
    ...set
  }: {
    name?: string
    reserve?: number
    wished_present?: boolean
    secret?: null
    sealed_secret?: string | null
    source?: PoolSourceValue
    target?: string | null
  },
) {
  const written = { ...set, ...(source && { source: JSON.stringify(source) }) }
  if (Object.keys(written).length > 0) await tx.updateTable('storage_pool').set(written).where('id', '=', id).execute()
}

/** @returns the wish's number. */
export async function storagePoolRefresh(tx: Tx, id: string): Promise<number> {
  const { wished_refresh } = await tx
    .updateTable('storage_pool')
    .set(eb => ({ wished_refresh: eb('wished_refresh', '+', 1) }))
    .where('id', '=', id)
    .returning('wished_refresh')
    .executeTakeFirstOrThrow()
  return wished_refresh
}

/** Keys that stand there as they are. */
export function storageKeysPlain(db: Kysely<Database>) {
  return db
    .selectFrom('storage_pool')
    .select(['id', 'secret'])
    .where('secret', 'is not', null)
    .$narrowType<{ secret: string }>()
    .execute()
}

/** Puts the sealed key in the plain one's place, unless that is another by now. */
export async function storageKeySeal(
  db: Kysely<Database>,
  { id, secret }: { id: string; secret: string },
  sealed: string,
) {
  await db
    .updateTable('storage_pool')
    .set({ secret: null, sealed_secret: sealed })
    .where('id', '=', id)
    .where('secret', '=', secret)
    .execute()
}

export async function storagePoolDeleteRow(tx: Tx, id: string) {
  await tx.deleteFrom('storage_pool').where('id', '=', id).where('wished_present', '=', false).execute()
}

/** What a host is told of: the pools of its cluster, and the volumes that it looks after. */
export async function storageWished(db: Kysely<Database>, hostId: string) {
  const pools = await db
    .selectFrom('storage_pool')
    .innerJoin('host', 'host.cluster_id', 'storage_pool.cluster_id')
    .selectAll('storage_pool')
    .where('host.id', '=', hostId)
    .orderBy('storage_pool.id')
    .execute()
  const volumes = await db.selectFrom('volume').selectAll().where('host_id', '=', hostId).orderBy('id').execute()
  return { pools, volumes }
}

/** Writes what a host says of its pools and volumes; only what differs. */
export async function storageObserve(db: Kysely<Database>, hostId: string, { pools, volumes }: StorageReport) {
  if (pools.length > 0)
    await sql`
      insert into host_storage as here
      select ${hostId}::uuid, r.id, r.state, r.refresh, r."storageId", r."capacityBytes", r."allocationBytes",
        r."freeBytes", nullif(r.trouble, 'null'), r."fileSystem"
      from jsonb_to_recordset(${JSON.stringify(pools)}::jsonb) as r(id uuid, state text, refresh int, "storageId" text,
        "capacityBytes" bigint, "allocationBytes" bigint, "freeBytes" bigint, trouble jsonb, "fileSystem" text)
      join storage_pool on storage_pool.id = r.id
      on conflict (host_id, pool_id) do update set observed_state = excluded.observed_state,
        observed_refresh = excluded.observed_refresh, observed_storage_id = excluded.observed_storage_id,
        observed_capacity_bytes = excluded.observed_capacity_bytes,
        observed_allocation_bytes = excluded.observed_allocation_bytes,
        observed_free_bytes = excluded.observed_free_bytes, observed_trouble = excluded.observed_trouble,
        observed_file_system = excluded.observed_file_system
      where here is distinct from excluded`.execute(db)
  if (volumes.length > 0)
    await sql`
      update volume set observed_state = r.state, observed_bytes = r."sizeBytes",
        observed_stored_bytes = r."storedBytes", observed_used_by = r."usedBy",
        observed_trouble = nullif(r.trouble, 'null'), made = made or r."sizeBytes" is not null
      from jsonb_to_recordset(${JSON.stringify(volumes)}::jsonb) as r(id uuid, state text, "sizeBytes" bigint,
        "storedBytes" bigint, "usedBy" uuid, trouble jsonb)
      where volume.id = r.id and volume.host_id = ${hostId}
        and (volume.observed_state, volume.observed_bytes, volume.observed_stored_bytes, volume.observed_used_by,
          volume.observed_trouble)
        is distinct from (r.state, r."sizeBytes", r."storedBytes", r."usedBy", nullif(r.trouble, 'null'))`.execute(db)
}
