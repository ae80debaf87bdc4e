/** What hosts went through (silent, lost, fenced, in maintenance …) and what was done about it. */
import { type Kysely, sql } from 'kysely'
import type { Tx } from './connect.ts'
import { ofOldHost } from './desktops.ts'
import type { Database } from './schema.ts'
import type { HostEvent } from './schema-hosts.ts'

export interface HostHistoryNew {
  hostId: string
  what: HostEvent
  amount?: number
  reason?: string
  /** Who did it; absent: by itself. */
  userName?: string
}

/** What comes in many pieces or is tried again and again: told as one, with its sum, until something else happens. */
const gathered = [
  'returned',
  'waiting',
  'took',
  'copiesEnded',
  'disksRemoved',
  'fenceFailed',
  'powerOnFailed',
  'powerOffFailed',
] satisfies HostEvent[]
/** Longer: the sum says little of when; shorter: a power switch that is away all night fills the page. */
const gatherMs = 600_000
/** More: a cable that comes and goes fills the table; fewer: the reason of last month is gone. */
const mostEvents = 1_000

/** Also forgets what is older than a year, or beyond the newest thousand of the host. */
export async function hostHistoryAdd(tx: Tx, event: HostHistoryNew, at: Date) {
  const { hostId, what, amount = null, reason = '', userName = null } = event
  const since = new Date(at.getTime() - gatherMs)
  await sql`
    with more as (
      update host_history h set amount = h.amount + ${amount}::int
      where h.host_id = ${hostId} and h.what = ${what} and h.what = any (${gathered}) and h.reason = ${reason}
        and h.user_name is not distinct from ${userName}::text and h.at > ${since}
        and not exists (select from host_history o where o.host_id = h.host_id and o.id > h.id and o.what <> all (${gathered}))
      returning h.id
    ), old as (
      delete from host_history where host_id = ${hostId} and (at < ${at}::timestamptz - interval '1 year' or id <= (
        select id from host_history where host_id = ${hostId} order by id desc offset ${mostEvents} limit 1))
    )
    insert into host_history (host_id, at, what, amount, reason, user_name)
    select ${hostId}, ${at}, ${what}, ${amount}::int, ${reason}, ${userName}::text where not exists (select from more)`.execute(
    tx,
  )
}

/** Newest first. */
export function hostHistoryRows(db: Kysely<Database>, hostId: string, limit: number, before?: number) {
  let query = db
    .selectFrom('host_history')
    .select(['id', 'at', 'what', 'amount', 'reason', 'user_name'])
    .where('host_id', '=', hostId)
  if (before) query = query.where('id', '<', before)
  return query.orderBy('id', 'desc').limit(limit).execute()
}

/** What a host last said, kept as it is until the transaction ends. */
export function hostSaidBefore(tx: Tx, id: string) {
  return tx
    .selectFrom('host')
    .select(['observed_troubles', 'observed_agent_at'])
    .where('id', '=', id)
    .forNoKeyUpdate()
    .executeTakeFirst()
}

export async function hostAgentSet(tx: Tx, id: string, startedAt: Date) {
  await tx.updateTable('host').set({ observed_agent_at: startedAt }).where('id', '=', id).execute()
}

/** Of machines that run on a host, those that are at home elsewhere, or nowhere any more, and not on their way. */
export async function copiesElsewhere(db: Kysely<Database>, hostId: string, machineIds: string[]): Promise<number> {
  if (machineIds.length === 0) return 0
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from unnest(${machineIds}::uuid[]) as machine (id)
    where not exists (select from desktop d where d.id = machine.id and d.host_id = ${hostId})
      and not exists (select from migration m where m.desktop_id = machine.id and m.ended_at is null)`.execute(db)
  return rows[0]?.count ?? 0
}

/** Desktops that returned elsewhere since a host is lost, while nobody made sure that it is off: their old copies may run there. */
export const copiesLeft = sql<number>`case
  when host.state = 'lost' and coalesce(host.fenced_at < host.state_since, true) then (
    select coalesce(sum(h.amount), 0) from host_history h
    where h.host_id = host.id and h.what = 'returned' and h.at >= host.state_since)
  else 0 end`

/** Those of them that there still are, by name, with where they are at home now. */
export async function copiesLeftRows(db: Kysely<Database>, hostId: string) {
  const { rows } = await sql<{ id: string; name: string; user_name: string | null; host_name: string }>`
    select distinct d.id, d.name, u.name as user_name, home.name as host_name
    from host join transition t on t.became = 'returned' and t.at >= host.state_since
    join desktop d on d.id = t.desktop_id and d.host_id <> host.id
    join host home on home.id = d.host_id
    left join user_account u on u.id = d.user_id
    -- A return is noted at its new host: where it came from is in what was noted before.
    where host.id = ${hostId} and ${copiesLeft} > 0 and host.id = (
      select b.host_id from transition b where b.desktop_id = t.desktop_id and b.id < t.id order by b.id desc limit 1)
    order by d.name`.execute(db)
  return rows
}

export interface HostLossRow {
  id: number
  host_id: string
  name: string
  at: Date
  back_at: Date | null
  returned: number
  waiting: number
}

/** Hosts that were lost since a moment, not because we switched them off, and what became of their desktops. Newest first. */
export async function hostLossRows(db: Kysely<Database>, since: Date, limit: number): Promise<HostLossRow[]> {
  const { rows } = await sql<HostLossRow>`
    select l.id, l.host_id, h.name, l.at, next.back_at, greatest(coalesce(next.returned, 0) - coalesce(still.locked, 0), 0) as returned,
      coalesce(still.there + still.locked, 0) as waiting
    from host_history l join host h on h.id = l.host_id
    cross join lateral (
      select min(n.at) filter (where n.what = 'back') as back_at, sum(n.amount) filter (where n.what = 'returned') as returned
      from host_history n where n.host_id = l.host_id and n.id > l.id and n.id < coalesce(
        (select min(o.id) from host_history o where o.host_id = l.host_id and o.id > l.id and o.what = 'lost'), 9223372036854775807)) next
    left join lateral (
      select (select count(*) from desktop d where d.host_id = h.id and d.wished_present and d.waits_for is not null) as there,
        -- At home elsewhere by now, but its old copy, on the host that is lost, still has the disk: it waits as well.
        (select count(*) from desktop where phase <> 'ready' and wished_present and ${ofOldHost(sql`old.id`)} = h.id) as locked
      where next.back_at is null and h.state = 'lost') still on true
    where l.what = 'lost' and l.at > ${since} and (
      select p.what from host_history p
      where p.host_id = l.host_id and p.id < l.id and p.what in ('poweredOff', 'heard', 'heardAgain', 'back')
      order by p.id desc limit 1) is distinct from 'poweredOff'
    order by l.id desc limit ${limit}`.execute(db)
  return rows
}
