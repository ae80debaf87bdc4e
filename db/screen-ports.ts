/** TCP ports on which hosts show screens: rows, unique per host and port. Taken when a desktop comes, given back later. */
import { sql } from 'kysely'
import type { Db, Tx } from './connect.ts'

/** Part of a `with`: the free ports of each host of `here` (id, port_from, port_to, ports_taken, wanted), lowest first. */
export const portsFree = sql`
  select here.id as host_id, n as port, row_number() over (partition by here.id order by n) as nth
  -- Of so many as are taken and wanted, enough are free: the whole range need not be walked.
  from here, generate_series(port_from, least(port_to, port_from + ports_taken + wanted - 1)) n
  where not exists (select from screen_port s where s.host_id = here.id and s.port = n)`

export interface PortWanted {
  host_id: string
  desktop_id: string
}

/**
 * The lowest free ports of their clusters' ranges for desktops on hosts; one that a desktop has there already is its port.
 * The caller holds `addressLock`.
 * @returns by desktop; those for which the range has none left are not in it.
 */
export async function screenPortsInsert(tx: Tx, wanted: PortWanted[]): Promise<Map<string, number>> {
  const { rows } = await sql<{ desktop_id: string; port: number }>`
    with given as (
      select * from jsonb_to_recordset(${JSON.stringify(wanted)}::jsonb) as g(host_id uuid, desktop_id uuid)
    ), had as (
      select desktop_id, s.port from screen_port s join given using (host_id, desktop_id)
    ), wanted as (
      select g.*, row_number() over (partition by host_id order by desktop_id) as nth from given g
      where not exists (select from had where had.desktop_id = g.desktop_id)
    ), here as (
      select h.id, c.port_from, c.port_to, w.wanted,
        (select count(*)::int from screen_port s where s.host_id = h.id) as ports_taken
      from host h join cluster c on c.id = h.cluster_id
      join (select host_id, count(*)::int as wanted from wanted group by host_id) w on w.host_id = h.id
    ), ported as (${portsFree}), made as (
      insert into screen_port (host_id, port, desktop_id)
      select host_id, p.port, w.desktop_id from wanted w join ported p using (host_id, nth)
      returning desktop_id, port
    )
    select * from had union all select * from made`.execute(tx)
  return new Map(rows.map(row => [row.desktop_id, row.port]))
}

/** The host of a cluster on which most screen ports are taken; undefined: none has any. */
export async function screenPortsMost(tx: Tx, clusterId: string): Promise<{ name: string; taken: number } | undefined> {
  const { rows } = await sql<{ name: string; taken: number }>`
    select h.name, count(*)::int as taken from screen_port s join host h on h.id = s.host_id
    where h.cluster_id = ${clusterId} group by h.id order by taken desc, h.name limit 1`.execute(tx)
  return rows[0]
}

/**
 * Gives back the ports of desktops that are neither on that host nor on their way to or from it, once that host hears
 * wishes again: a lost one may still have the screen open. Those of desktops that are gone went with their row.
 * @returns how many.
 */
export async function screenPortsReclaim(db: Db | Tx): Promise<number> {
  const { rows } = await sql`
    delete from screen_port s using desktop d, host h
    where d.id = s.desktop_id and d.host_id <> s.host_id and h.id = s.host_id and h.state in ('online', 'maintenance')
      and not exists (select from migration m where m.desktop_id = d.id and m.ended_at is null
        and s.host_id in (m.from_host_id, m.to_host_id))
    returning s.port`.execute(db)
  return rows.length
}
