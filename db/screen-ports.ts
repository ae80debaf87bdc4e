/** TCP ports on which hosts show screens: rows, unique per host and port. Taken when a desktop comes, given back later. */
import { sql } from 'kysely'
import type { Db, Tx } from './connect.ts'

/**
 * The lowest free port of the cluster's range for a desktop on a host; the one it has there already if it has one.
 * @returns undefined when the range is used up.
 */
export async function screenPortInsert(tx: Tx, hostId: string, desktopId: string): Promise<number | undefined> {
  const { rows } = await sql<{ port: number }>`
    with had as (
      select port from screen_port where host_id = ${hostId} and desktop_id = ${desktopId}
    ), taken as (
      insert into screen_port (host_id, port, desktop_id)
      select ${hostId}, free.port, ${desktopId} from (
        select n as port from host h join cluster c on c.id = h.cluster_id,
          -- Of so many as are taken and one more, one is free: the whole range need not be walked.
          generate_series(c.port_from, least(c.port_to, c.port_from + (select count(*)::int from screen_port where host_id = ${hostId}))) n
        where h.id = ${hostId} and not exists (select from had)
          and not exists (select from screen_port s where s.host_id = h.id and s.port = n)
        order by n limit 1
      ) free
      returning port
    )
    select port from had union all select port from taken`.execute(tx)
  return rows[0]?.port
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
