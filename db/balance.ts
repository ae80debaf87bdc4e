/** What rebalancing and consolidation look at beside hosts and desktops, and what they wish of hosts. */
import { type Kysely, sql } from 'kysely'
import type { Database } from './schema.ts'

export interface BalanceClusterRow {
  id: string
  name: string
  balance: Record<string, unknown>
  power_command: string | null
  open_moves: number
  /** When rebalancing last moved something. */
  moved_at: Date | null
  /** When a host was last switched. */
  switched_at: Date | null
  /** Desktops of a pool that may be here find no room. */
  short: boolean
}

export async function balanceClusters(db: Kysely<Database>, id?: string): Promise<BalanceClusterRow[]> {
  const { rows } = await sql<BalanceClusterRow>`
    select c.id, c.name, c.balance, c.power_command,
      (select count(*) from migration m join host h on h.id = m.from_host_id
        where h.cluster_id = c.id and m.ended_at is null) as open_moves,
      (select max(m.created_at) from migration m join host h on h.id = m.from_host_id
        where h.cluster_id = c.id and m.cause = 'balance') as moved_at,
      (select max(t.created_at) from task t join host h on h.id = t.subject_id
        where h.cluster_id = c.id and t.kind in ('host.powerOff', 'host.powerOn')) as switched_at,
      exists (select from pool p where p.enabled and p.wished_present and p.status = 'waiting'
        and (p.cluster_ids = '{}' or c.id = any (p.cluster_ids))
        and exists (select from template_version v where v.template_id = p.template_id and v.state = 'sealed')) as short
    from cluster c where ${id ?? null}::uuid is null or c.id = ${id ?? null}::uuid order by c.name`.execute(db)
  return rows
}

/** Why moves by balance failed since a moment, by desktop: the last word of each. */
export async function balanceMovesFailed(db: Kysely<Database>, clusterId: string, since: Date) {
  const { rows } = await sql<{ desktop_id: string; text: string }>`
    select distinct on (m.desktop_id) m.desktop_id, coalesce(m.trouble ->> 'text', 'nobody said why.') as text
    from migration m join host h on h.id = m.from_host_id
    where h.cluster_id = ${clusterId} and m.cause in ('balance', 'consolidation') and m.state = 'failed' and m.ended_at > ${since}
    order by m.desktop_id, m.ended_at desc`.execute(db)
  return new Map(rows.map(row => [row.desktop_id, row.text]))
}

export async function hostWishedOffSet(db: Kysely<Database>, id: string, at: Date | null) {
  await db.updateTable('host').set({ wished_off_at: at }).where('id', '=', id).execute()
}

/** Whether anything is on a host, or on its way to it or from it. */
export async function hostIsEmpty(db: Kysely<Database>, id: string): Promise<boolean> {
  const { rows } = await sql<{ empty: boolean }>`
    select not exists (select from desktop where host_id = ${id})
      and not exists (select from migration where ended_at is null and ${id}::uuid in (from_host_id, to_host_id)) as empty`.execute(
    db,
  )
  return rows[0]?.empty ?? false
}
