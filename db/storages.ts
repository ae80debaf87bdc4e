/** Root storages: what hosts keep images and desktops' own disks on. */
import { sql } from 'kysely'
import type { Db } from './connect.ts'
import type { HostState, HostUsageValue } from './schema.ts'

export interface StorageHostRow {
  id: string
  name: string
  state: HostState
  storage_id: string | null
  usage: HostUsageValue | null
  desktops: number
  /** Of its desktops' disks, as their guests see them. */
  virtual_bytes: number
}

/** Each host of a cluster with its root storage and what is promised of it. */
export async function storageHosts(db: Db, clusterId: string): Promise<StorageHostRow[]> {
  const { rows } = await sql<StorageHostRow>`
    select host.id, host.name, host.state, host.observed_facts ->> 'storageId' as storage_id,
      host.observed_usage as usage, coalesce(sum(d.n), 0)::int as desktops,
      coalesce(sum(d.bytes), 0)::bigint as virtual_bytes
    from host left join lateral (
      select count(*) as n,
        sum(coalesce((desktop.hardware ->> 'diskBytes')::bigint, v.virtual_bytes, 0)) as bytes
      from desktop join template_version v on v.id = desktop.version_id where desktop.host_id = host.id) d on true
    where host.cluster_id = ${clusterId} group by host.id order by host.name`.execute(db)
  return rows
}
