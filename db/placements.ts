/** What placement looks at, and what it decided: the table `placement`. */
import { type Kysely, sql } from 'kysely'
import type { Tx } from './connect.ts'
import type { Database, HardwareValue, HostFactsValue, HostState, HostUsageValue, TroubleValue } from './schema.ts'
import type { ClusterNetworkValue, PlacementHostValue, PlacementPolicy, PlacementTable } from './schema-hosts.ts'

export interface PlacementFactsRow {
  id: string
  name: string
  state: HostState
  wished_off: boolean
  tags: string[]
  observed_facts: HostFactsValue | null
  observed_usage: HostUsageValue | null
  observed_troubles: TroubleValue[]
  cluster_id: string
  cluster_name: string
  cluster_placement: PlacementPolicy
  vcpus_per_core: number | null
  memory_reserve: number
  person_reserve: number
  networks: ClusterNetworkValue[]
  /** Wished to run here, or on its way to here. */
  running: number
  vcpus: number
  memory_bytes: number
  /** Of the subnet, and how many of them desktops have, wherever those are by now. */
  addresses: number
  addresses_taken: number
  ports: number
  ports_taken: number
  images: string[]
  /** Desktops by pool, of the pools that were asked for; and those on their way to here. */
  pools: Record<string, number>
  pools_coming: Record<string, number>
}

/** Every host with what is taken of it, in one statement. */
export async function placementFacts(db: Kysely<Database>, poolIds: readonly string[]): Promise<PlacementFactsRow[]> {
  const { rows } = await sql<PlacementFactsRow>`
    with used as (
      select host_id, sum(n) as running, sum(vcpus)::bigint as vcpus, sum(memory_bytes)::bigint as memory_bytes from (
        select host_id, n, vcpus, memory_bytes from tally where wished_present and wished_power <> 'stopped'
        union all
        select m.to_host_id, 1, d.vcpus, d.memory_bytes from migration m join desktop d on d.id = m.desktop_id
          where m.ended_at is null and d.host_id <> m.to_host_id and (d.wished_power <> 'stopped' or m.cause = 'start')
      ) here group by host_id
    ), addressed as (
      select subnet, sum(n) as taken from tally group by 1
    ), pooled as (
      select host_id, jsonb_object_agg(pool_id, n) as pools from (
        select host_id, pool_id, sum(n) as n from tally
          where wished_present and pool_id = any(${[...poolIds]}::uuid[]) group by host_id, pool_id
      ) by_pool group by host_id
    ), coming as (
      select host_id, jsonb_object_agg(pool_id, n) as pools from (
        select m.to_host_id as host_id, d.pool_id, count(*) as n from migration m join desktop d on d.id = m.desktop_id
          where m.ended_at is null and d.host_id <> m.to_host_id and d.pool_id = any(${[...poolIds]}::uuid[])
          group by m.to_host_id, d.pool_id
      ) by_pool group by host_id
    ), imaged as (
      select host_id, array_agg(version_id) as images from host_image where observed_state = 'ready' group by host_id
    )
    -- In maintenance from the word on: the reconciler of hosts comes a moment later.
    select h.id, h.name,
      case when h.state = 'online' and h.wished_state = 'maintenance' then 'maintenance' else h.state end as state,
      h.wished_off_at is not null as wished_off, h.tags, h.observed_facts, h.observed_usage, h.observed_troubles,
      c.id as cluster_id, c.name as cluster_name, c.placement as cluster_placement, c.vcpus_per_core,
      c.memory_reserve, c.person_reserve, c.networks,
      coalesce(used.running, 0) as running, coalesce(used.vcpus, 0)::bigint as vcpus,
      coalesce(used.memory_bytes, 0)::bigint as memory_bytes,
      (2 ^ (32 - masklen(h.subnet)))::int - 3 as addresses, coalesce(addressed.taken, 0) as addresses_taken,
      c.port_to - c.port_from + 1 as ports, 
      -- A range wider than a subnet many times over cannot be used up: its ports need not be counted.
      case when c.port_to - c.port_from < 8192
        then (select count(*) from screen_port s where s.host_id = h.id) else 0 end as ports_taken,
      coalesce(imaged.images, '{}') as images, coalesce(pooled.pools, '{}') as pools,
      coalesce(coming.pools, '{}') as pools_coming
    from host h join cluster c on c.id = h.cluster_id
    left join used on used.host_id = h.id
    left join addressed on addressed.subnet = h.subnet
    left join pooled on pooled.host_id = h.id
    left join coming on coming.host_id = h.id
    left join imaged on imaged.host_id = h.id
    order by h.id`.execute(db)
  return rows
}

/** A desktop's hardware as it counts against a host: what it runs with, where that is more than it is wished. */
export const hardwareTaken = sql<HardwareValue>`(desktop.hardware
  || jsonb_build_object('vcpus', desktop.vcpus, 'memoryBytes', desktop.memory_bytes))`

/** Decisions kept per desktop. Fewer: "how did it get there?" has no answer after a week of evacuations. */
const keptPerDesktop = 10

export interface PlacementNew {
  desktop_id: string
  cause: PlacementTable['cause']
  host_id: string | null
  why: string
  hosts: PlacementHostValue[]
}

/** Notes decisions, one for each of some desktops, and forgets the oldest of the same desktops. */
export async function placementsInsert(tx: Tx, rows: PlacementNew[]) {
  if (rows.length === 0) return
  await sql`
    with given as (
      select * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
        as g(desktop_id uuid, cause text, host_id uuid, why text, hosts jsonb)
    ), stale as (
      select old.id from given, lateral (
        select id from placement p where p.desktop_id = given.desktop_id order by id desc offset ${keptPerDesktop - 1}) old
    ), forgotten as (delete from placement where id in (select id from stale))
    insert into placement (desktop_id, cause, host_id, why, hosts)
    select desktop_id, cause, host_id, why, hosts from given`.execute(tx)
}

/** Newest first. */
export function placementsOf(db: Kysely<Database>, desktopId: string) {
  return db
    .selectFrom('placement')
    .leftJoin('host', 'host.id', 'placement.host_id')
    .select(['placement.at', 'cause', 'placement.host_id', 'host.name as host_name', 'why', 'hosts'])
    .where('desktop_id', '=', desktopId)
    .orderBy('placement.id', 'desc')
    .limit(keptPerDesktop)
    .execute()
}

/** Ids that are no cluster's. */
export async function clustersUnknown(db: Kysely<Database>, ids: string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await db.selectFrom('cluster').select('id').where('id', 'in', ids).execute()
  return ids.filter(id => !rows.some(row => row.id === id))
}
