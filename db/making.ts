/** Desktops that begin: row, address, screen port, history and the reasons for their place, in one statement. */
import { type Kysely, sql } from 'kysely'
import type { Tx } from './connect.ts'
import type { Database, HardwareValue, Power } from './schema.ts'
import type { PlacementHostValue } from './schema-hosts.ts'
import { portsFree } from './screen-ports.ts'

export interface DesktopsNew {
  /** Names are the pool's with a number that was never used, unless one is given. */
  poolId: string
  poolName: string
  /** Of the only one that is made. */
  name?: string | undefined
  versionId: string
  hardware: HardwareValue
  power: Power
  reason: string
  now: Date
  /** Whose it is from its first moment; null: nobody's. */
  claim: { userId: string; slot: number; taskId: string | null } | null
  /** Their first disks are copies of that desktop's. */
  cloneOf?: { desktopId: string; incarnation: number; full: boolean }
  desktops: { id: string; hostId: string; why: string; hosts: PlacementHostValue[] }[]
}

/**
 * The caller holds `addressLock`: each gets the lowest free address of its host's subnet and the lowest free port of
 * its cluster's range. One whose name was taken meanwhile, or whose host has nothing left, is not made.
 * @returns those that were made.
 */
export async function desktopsInsert(tx: Tx, make: DesktopsNew): Promise<{ id: string; name: string }[]> {
  if (make.desktops.length === 0) return []
  const wished = make.desktops.map(({ hostId, ...desktop }) => ({ ...desktop, host_id: hostId }))
  const { poolId, now, claim } = make
  const { rows } = await sql<{ id: string; name: string }>`
    with numbered as (
      update pool set next_number = next_number + ${wished.length} where id = ${poolId}
      returning next_number - ${wished.length} as first
    ), placed as (
      select w.*, row_number() over (partition by host_id order by w.id) as nth,
        ((select first from numbered) + row_number() over (order by w.id) - 1)::text as number
      from jsonb_to_recordset(${JSON.stringify(wished)}::jsonb) as w(id uuid, host_id uuid, why text, hosts jsonb)
    ), wished as (
      select p.*, coalesce(${make.name ?? null}, ${make.poolName} || '-' || lpad(number, greatest(3, length(number)), '0')) as name
      from placed p
    ), here as (
      select h.id, h.subnet, c.port_from, c.port_to, w.wanted,
        (select count(*)::int from screen_port s where s.host_id = h.id) as ports_taken
      from host h join cluster c on c.id = h.cluster_id
      join (select host_id, count(*)::int as wanted from wished group by host_id) w on w.host_id = h.id
    ), addressed as (
      select here.id as host_id, a.address, row_number() over (partition by here.id order by a.address) as nth
      -- The first two and the last are not for guests.
      from here, lateral (
        select set_masklen(network(here.subnet)::inet, 32) + n as address
        from generate_series(2, (2 ^ (32 - masklen(here.subnet)))::int - 2) n) a
      where not exists (select from desktop d where d.address = a.address)
    ), ported as (${portsFree}), made as (
      insert into desktop (id, name, pool_id, host_id, version_id, hardware, address, wished_power, made_at, phase_since,
        step_since, user_id, user_slot, assigned_at, claim_task_id, clone_of)
      select w.id, w.name, ${poolId}::uuid, w.host_id, ${make.versionId}::uuid, ${JSON.stringify(make.hardware)}::jsonb,
        a.address, ${make.power}, ${now}::timestamptz, ${now}::timestamptz, ${now}::timestamptz,
        ${claim?.userId ?? null}::uuid, ${claim?.slot ?? null}::int, ${claim ? now : null}::timestamptz,
        ${claim?.taskId ?? null}::uuid, ${make.cloneOf ? JSON.stringify(make.cloneOf) : null}::jsonb
      from wished w join addressed a using (host_id, nth) join ported p using (host_id, nth)
      order by w.id
      on conflict (name) do nothing
      returning id, name, host_id, user_id
    ), screened as (
      insert into screen_port (host_id, port, desktop_id)
      select m.host_id, p.port, m.id from made m join wished w on w.id = m.id
      join ported p on p.host_id = w.host_id and p.nth = w.nth
    ), noted as (
      insert into transition (desktop_id, pool_id, host_id, user_id, at, was, became, reason)
      select id, ${poolId}::uuid, host_id, null::uuid, ${now}::timestamptz, null, 'making', ${make.reason} from made
      union all
      select id, ${poolId}::uuid, host_id, user_id, ${now}::timestamptz, 'making', 'assigned', 'made for its person'
      from made where user_id is not null
    ), reasoned as (
      insert into placement (desktop_id, at, cause, host_id, why, hosts)
      select w.id, ${now}::timestamptz, 'make', w.host_id, w.why, w.hosts from made m join wished w on w.id = m.id
    )
    select id, name from made order by id`.execute(tx)
  return rows
}

/** Undefined: the name is free. */
export function desktopNamed(db: Kysely<Database>, name: string) {
  return db.selectFrom('desktop').select('binned_at').where('name', '=', name).executeTakeFirst()
}
