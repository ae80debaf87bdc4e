import { type Kysely, sql } from 'kysely'
import { pageOfRows, type Tx } from './connect.ts'
import { copiesLeft } from './host-history.ts'
import type { Database, HostFactsValue, HostState, HostUsageValue, TroubleValue } from './schema.ts'
import { hostTallies } from './tallies.ts'

export type HostRow = Awaited<ReturnType<typeof hostRows>>[number]

interface Arriving {
  /** On their way to it, and what they will take. */
  arriving: number
  arriving_vcpus: number
  arriving_memory_bytes: number
}

const arriving = () =>
  sql<Arriving>`(
    select count(*) as arriving, coalesce(sum(desktop.vcpus), 0) as arriving_vcpus,
      coalesce(sum(desktop.memory_bytes), 0)::bigint as arriving_memory_bytes
    from migration join desktop on desktop.id = migration.desktop_id
    where migration.to_host_id = host.id and migration.ended_at is null and desktop.host_id <> host.id
      and desktop.wished_power <> 'stopped')`.as<'a'>('a')

/** Open moves from it and to it, of desktops that stand still, too. */
const moves = sql<number>`(
  select count(*) from migration where migration.ended_at is null and host.id in (from_host_id, to_host_id))`.as(
  'moves',
)

/** Hosts with what they carry, by name. */
export function hostRows(
  db: Kysely<Database>,
  filter: {
    ids?: string[]
    name?: string | undefined
    clusterId?: string | undefined
    siteId?: string | undefined
    after?: string | undefined
    limit?: number
  },
) {
  let query = db
    .selectFrom('host')
    .innerJoin('cluster', 'cluster.id', 'host.cluster_id')
    .innerJoin('site', 'site.id', 'cluster.site_id')
    .leftJoin(hostTallies(db).as('d'), 'd.host_id', 'host.id')
    .innerJoinLateral(arriving, join => join.onTrue())
    .selectAll('host')
    .select(['cluster.name as cluster_name', 'cluster.site_id', 'site.name as site_name'])
    .select(['cluster.vcpus_per_core', 'cluster.memory_reserve', 'cluster.suspect_ms', 'cluster.lost_ms'])
    .select([sql<string>`host.subnet::text`.as('subnet_text'), copiesLeft.as('copies_left'), moves])
    .select(({ fn, val }) =>
      (['desktops', 'running', 'vcpus', 'memory_bytes'] as const).map(name =>
        fn.coalesce(`d.${name}`, val(0)).as(name),
      ),
    )
    .select(['a.arriving', 'a.arriving_vcpus', 'a.arriving_memory_bytes'])
  if (filter.ids) query = query.where('host.id', 'in', filter.ids)
  if (filter.name) query = query.where('host.name', '=', filter.name)
  if (filter.clusterId) query = query.where('host.cluster_id', '=', filter.clusterId)
  if (filter.siteId) query = query.where('cluster.site_id', '=', filter.siteId)
  if (filter.after) query = query.where('host.name', '>', filter.after)
  return pageOfRows(query.orderBy('host.name'), filter.limit).execute()
}

/** Versions whose image is ready, by host: where a desktop of it can be made at once. */
export async function hostsWithImage(db: Kysely<Database>, versionId: string): Promise<Set<string>> {
  const rows = await db
    .selectFrom('host_image')
    .select('host_id')
    .where('version_id', '=', versionId)
    .where('observed_state', '=', 'ready')
    .execute()
  return new Set(rows.map(row => row.host_id))
}

/** Only one process gives out subnets and addresses at a time; held to the end of the transaction. */
export async function addressLock(tx: Tx) {
  await sql`select pg_advisory_xact_lock(4711)`.execute(tx)
}

interface StartLocked {
  hostId: string
  /** Its address is of another cluster's network. */
  foreign: boolean
}

/**
 * For a desktop that starts where it is: until the transaction ends nobody else promises what its host has left, and
 * nobody places (`addressLock`), while others start on other hosts. Where it will need an address, nobody does either:
 * two who waited for `addressLock` while they hold this would wait for each other.
 *
 * @returns as it was before the wait; undefined: there is no such desktop.
 */
export async function hostStartLock(tx: Tx, desktopId: string): Promise<StartLocked | undefined> {
  const { rows } = await sql<StartLocked>`
    select d.host_id as "hostId", not d.address <<= c.supernet as foreign,
      case when d.address <<= c.supernet then pg_advisory_xact_lock_shared(4711)::text
        else pg_advisory_xact_lock(4711)::text end,
      pg_advisory_xact_lock(4712, hashtext(d.host_id::text))
    from desktop d join host h on h.id = d.host_id join cluster c on c.id = h.cluster_id
    where d.id = ${desktopId}`.execute(tx)
  return rows[0]
}

/** One more host of which something is promised, for who holds `hostStartLock`. */
export async function hostPromiseLock(tx: Tx, hostId: string) {
  await sql`select pg_advisory_xact_lock(4712, hashtext(${hostId}))`.execute(tx)
}

/**
 * The lowest addresses that no desktop has, as many of each host's subnet as are wanted there, or what is left; the first
 * two and the last are not for guests.
 */
export async function addressesFree(tx: Tx, wanted: ReadonlyMap<string, number>): Promise<Map<string, string[]>> {
  if (wanted.size === 0) return new Map()
  const hosts = [...wanted].map(([id, count]) => ({ id, count }))
  const { rows } = await sql<{ host_id: string; addresses: string[] }>`
    select h.id as host_id, array_agg(host(free.address) order by free.address) as addresses
    from jsonb_to_recordset(${JSON.stringify(hosts)}::jsonb) as w(id uuid, count int) join host h on h.id = w.id,
      lateral (select a.address from (
          select set_masklen(network(h.subnet)::inet, 32) + n as address
          from generate_series(2, (2 ^ (32 - masklen(h.subnet)))::int - 2) n) a
        where not exists (select from desktop d where d.address = a.address)
        order by a.address limit w.count) free
    group by h.id`.execute(tx)
  return new Map(rows.map(row => [row.host_id, row.addresses]))
}

export async function hostInsert(
  tx: Tx,
  host: { id: string; cluster_id: string; name: string; key_hash: string; subnet: string; networks: string[] },
) {
  // A key that was of a host that was removed, and joins anew, is good again.
  await tx.deleteFrom('removed_host').where('key_hash', '=', host.key_hash).execute()
  await tx
    .insertInto('host')
    .values({ ...host, observed_beat_at: null })
    .execute()
}

/** Its state, which nobody changes until the transaction ends. */
export async function hostStateLock(tx: Tx, id: string): Promise<HostState | undefined> {
  const row = await tx.selectFrom('host').select('state').where('id', '=', id).forNoKeyUpdate().executeTakeFirst()
  return row?.state
}

/** Against other changes of the host until the transaction ends; desktops come to it and go all the same. */
export async function hostLock(tx: Tx, id: string) {
  await tx.selectFrom('host').select('id').where('id', '=', id).forNoKeyUpdate().execute()
}

/** What an administrator may say of a host. */
export async function hostSet(db: Kysely<Database>, id: string, set: { name?: string; tags?: string[] }) {
  if (Object.keys(set).length > 0) await db.updateTable('host').set(set).where('id', '=', id).execute()
}

export async function hostKeyReplace(db: Kysely<Database>, id: string, keyHash: string) {
  await db.updateTable('host').set({ key_hash: keyHash }).where('id', '=', id).execute()
}

export function hostByKey(db: Kysely<Database>, keyHash: string) {
  return db
    .selectFrom('host')
    .innerJoin('cluster', 'cluster.id', 'host.cluster_id')
    .select(['host.id', 'host.name', 'host.observed_beat_at', sql<string>`host.subnet::text`.as('subnet')])
    .select(sql<string>`cluster.supernet::text`.as('supernet'))
    .where('host.key_hash', '=', keyHash)
    .executeTakeFirst()
}

/** Whether it was the key of a host that was removed: one that is unknown may be of a backup of before it joined. */
export async function hostKeyRemoved(db: Kysely<Database>, keyHash: string): Promise<boolean> {
  const row = await db.selectFrom('removed_host').select('name').where('key_hash', '=', keyHash).executeTakeFirst()
  return row !== undefined
}

export interface HostName {
  id: string
  name: string
  /** What the machine calls itself, and where it is reached; null before it told. */
  machineName: string | null
  address: string | null
}

export function hostNames(db: Kysely<Database>): Promise<HostName[]> {
  return db
    .selectFrom('host')
    .select(['id', 'name'])
    .select([
      sql<string | null>`observed_facts ->> 'hostName'`.as('machineName'),
      sql<string | null>`observed_facts ->> 'address'`.as('address'),
    ])
    .execute()
}

/** What an agent's line depends on. */
export function hostLines(db: Kysely<Database>, ids: string[]) {
  return db
    .selectFrom('host')
    .innerJoin('cluster', 'cluster.id', 'host.cluster_id')
    .select(['host.id', 'host.key_hash', sql<string>`host.subnet::text`.as('subnet')])
    .select(sql<string>`cluster.supernet::text`.as('supernet'))
    .where('host.id', 'in', ids)
    .execute()
}

export async function hostObserve(
  db: Kysely<Database>,
  id: string,
  seen: { at: Date; facts?: HostFactsValue; usage?: HostUsageValue; troubles?: TroubleValue[] },
) {
  await db
    .updateTable('host')
    .set({
      observed_beat_at: seen.at,
      ...(seen.facts && { observed_facts: JSON.stringify(seen.facts) }),
      ...(seen.usage && { observed_usage: JSON.stringify(seen.usage) }),
      ...(seen.troubles && { observed_troubles: JSON.stringify(seen.troubles) }),
    })
    .where('id', '=', id)
    .execute()
}

/** Where hosts are reached, as they say themselves: what their desktops may not reach. */
export async function hostAddresses(db: Kysely<Database>): Promise<string[]> {
  const { rows } = await sql<{ address: string }>`
    select distinct observed_facts ->> 'address' as address from host
    where observed_facts ->> 'address' not like '127.%' order by address`.execute(db)
  return rows.map(row => row.address)
}

export function hostsForState(db: Kysely<Database>) {
  return db
    .selectFrom('host')
    .innerJoin('cluster', 'cluster.id', 'host.cluster_id')
    .select(['host.id', 'host.name', 'state', 'wished_state', 'observed_beat_at', 'suspect_ms', 'lost_ms'])
    .execute()
}

export async function hostStateSet(db: Kysely<Database>, id: string, state: HostState, now: Date) {
  await db.updateTable('host').set({ state, state_since: now }).where('id', '=', id).execute()
}

/** Its key is kept as one that was good once: `hostKeyRemoved`. */
export async function hostDelete(tx: Tx, id: string, at: Date) {
  await tx
    .insertInto('removed_host')
    .columns(['key_hash', 'name', 'removed_at'])
    .expression(eb =>
      eb
        .selectFrom('host')
        .select(['key_hash', 'name'])
        .select(sql<Date>`${at}::timestamptz`.as('removed_at'))
        .where('id', '=', id),
    )
    .execute()
  await tx.deleteFrom('host').where('id', '=', id).execute()
}

export async function joinTokenInsert(
  db: Kysely<Database>,
  token: { hash: string; cluster_id: string; expires_at: Date },
) {
  await db
    .insertInto('join_token')
    .values({ ...token, used_at: null })
    .execute()
}

/** Uses a token up: of two agents with one token, one joins. */
export function joinTokenUse(tx: Tx, hash: string, now: Date) {
  return tx
    .updateTable('join_token')
    .set({ used_at: now })
    .where('hash', '=', hash)
    .where('used_at', 'is', null)
    .where('expires_at', '>', now)
    .returning('cluster_id')
    .executeTakeFirst()
}
