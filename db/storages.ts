/** Root storages: what hosts keep images and desktops' own disks on. */
import { sql } from 'kysely'
import type { Db } from './connect.ts'
import type { HostState, HostUsageValue } from './schema.ts'

export interface StorageHostRow {
  id: string
  name: string
  state: HostState
  storage_id: string | null
  file_system: string | null
  usage: HostUsageValue | null
  desktops: number
  /** Of its desktops' disks, as their guests see them. */
  virtual_bytes: number
}

/** Each host of a cluster with its root storage and what is promised of it. */
export async function storageHosts(db: Db, clusterId: string): Promise<StorageHostRow[]> {
  const { rows } = await sql<StorageHostRow>`
    select host.id, host.name, host.state, host.observed_facts ->> 'storageId' as storage_id,
      host.observed_facts ->> 'fileSystem' as file_system, host.observed_usage as usage, coalesce(sum(d.n), 0)::int as desktops,
      coalesce(sum(d.bytes), 0)::bigint as virtual_bytes
    from host left join lateral (
      select count(*) as n,
        sum(coalesce((desktop.hardware ->> 'diskBytes')::bigint, v.virtual_bytes, 0)) as bytes
      from desktop join template_version v on v.id = desktop.version_id where desktop.host_id = host.id) d on true
    where host.cluster_id = ${clusterId} group by host.id order by host.name`.execute(db)
  return rows
}

/** What its hosts have of storage pools, and what of each is promised there. */
export interface StoragePoolPlaceRow {
  host_id: string
  pool_id: string
  storage_id: string
  file_system: string | null
  capacity_bytes: number
  virtual_bytes: number
}

export async function storagePoolPlaces(db: Db, clusterId: string): Promise<StoragePoolPlaceRow[]> {
  const { rows } = await sql<StoragePoolPlaceRow>`
    select s.host_id, s.pool_id, s.observed_storage_id as storage_id, s.observed_file_system as file_system,
      coalesce(s.observed_capacity_bytes, 0)::bigint as capacity_bytes,
      (select coalesce(sum(v.wished_bytes), 0)::bigint from volume v
        where v.pool_id = s.pool_id and v.host_id = s.host_id) as virtual_bytes
    from host_storage s join host on host.id = s.host_id
    where host.cluster_id = ${clusterId} and s.observed_state = 'ready' and s.observed_storage_id is not null
    order by s.pool_id, s.host_id`.execute(db)
  return rows
}
