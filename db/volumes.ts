import { type Kysely, sql } from 'kysely'
import { pageOfRows, type Tx } from './connect.ts'
import type { Database } from './schema.ts'

export type VolumeRow = Awaited<ReturnType<typeof volumeRows>>[number]

/** Volumes with the names of what they belong to, by name. */
export function volumeRows(
  db: Kysely<Database>,
  filter: {
    ids?: string[]
    poolId?: string | undefined
    desktopId?: string | undefined
    name?: string | undefined
    after?: string | undefined
    limit?: number
  } = {},
) {
  let query = db
    .selectFrom('volume')
    .innerJoin('storage_pool', 'storage_pool.id', 'volume.pool_id')
    .leftJoin('host', 'host.id', 'volume.host_id')
    .leftJoin('desktop', 'desktop.id', 'volume.desktop_id')
    .leftJoin('desktop as user_desktop', 'user_desktop.id', 'volume.observed_used_by')
    .selectAll('volume')
    .select(['storage_pool.name as pool_name', 'storage_pool.cluster_id', 'storage_pool.source'])
    .select([
      'host.name as host_name',
      'host.state as host_state',
      'desktop.name as desktop_name',
      'user_desktop.name as used_by_name',
    ])
    .select(['desktop.observed_power as desktop_power', 'desktop.wished_saved', 'desktop.observed_memory'])
    .select('desktop.binned_at as desktop_binned_at')
  if (filter.ids) query = query.where('volume.id', 'in', filter.ids)
  if (filter.poolId) query = query.where('volume.pool_id', '=', filter.poolId)
  const { desktopId } = filter
  if (desktopId)
    query = query.where(eb =>
      eb.or([eb('volume.desktop_id', '=', desktopId), eb('volume.observed_used_by', '=', desktopId)]),
    )
  if (filter.name) query = query.where('volume.name', '=', filter.name)
  if (filter.after) query = query.where('volume.name', '>', filter.after)
  return pageOfRows(query.orderBy('volume.name'), filter.limit).execute()
}

/** Volumes that a desktop has or has not let go of yet; null: none. Of a query that has `desktop`. */
export const volumesHeld = sql<{ name: string; poolId: string; poolName: string }[] | null>`(
  select jsonb_agg(jsonb_build_object('name', v.name, 'poolId', v.pool_id, 'poolName', p.name) order by v.name)
  from volume v join storage_pool p on p.id = v.pool_id
  where v.desktop_id = desktop.id or v.observed_used_by = desktop.id)`

/** Their names in one text; null: none. Of a query that has `desktop`. */
export const volumeNames = sql<string | null>`(
  select string_agg(v.name, ', ' order by v.name) from volume v
  where v.desktop_id = desktop.id or v.observed_used_by = desktop.id)`

/** Of each pool that a host has ready, which storage lies there; null: none. Of a query that has `host`. */
export const storagesHeld = sql<Record<string, string> | null>`(
  select jsonb_object_agg(s.pool_id, s.observed_storage_id) from host_storage s
  where s.host_id = host.id and s.observed_state = 'ready' and s.observed_storage_id is not null)`

export async function volumeInsert(
  tx: Tx,
  volume: {
    id: string
    name: string
    pool_id: string
    host_id: string
    format: 'qcow2' | 'raw'
    wished_bytes: number
  },
) {
  await tx
    .insertInto('volume')
    .values({
      ...volume,
      desktop_id: null,
      slot: null,
      observed_bytes: null,
      observed_stored_bytes: null,
      observed_used_by: null,
      observed_trouble: null,
    })
    .execute()
}

/** Locks the row for the rest of the transaction. */
export function volumeLock(tx: Tx, id: string) {
  return tx.selectFrom('volume').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

export async function volumeSet(
  tx: Tx,
  id: string,
  set: {
    wished_bytes?: number
    wished_present?: boolean
    desktop_id?: string | null
    slot?: number | null
    host_id?: string
  },
) {
  await tx.updateTable('volume').set(set).where('id', '=', id).execute()
}

/** The least number that none of a desktop's volumes has. */
export async function volumeSlotFree(tx: Tx, desktopId: string, most: number): Promise<number | undefined> {
  const { rows } = await sql<{ slot: number }>`
    select slot from generate_series(1, ${most}) slot
    where not exists (select from volume v where v.desktop_id = ${desktopId} and v.slot = slot.slot)
    order by slot limit 1`.execute(tx)
  return rows[0]?.slot
}

/** Destroyed, and told so by its host. */
export async function volumesForget(db: Kysely<Database>): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('volume')
    .where('wished_present', '=', false)
    .where('observed_state', '=', 'gone')
    .executeTakeFirst()
  return Number(numDeletedRows)
}

/** Volumes that nobody looks after who is there, though another host of the cluster has them too. */
export async function volumesTakeOver(db: Kysely<Database>): Promise<void> {
  await sql`
    update volume set host_id = other.host_id
    from host_storage own, lateral (
      select here.host_id from host_storage here join host on host.id = here.host_id
      where here.pool_id = own.pool_id and here.observed_storage_id = own.observed_storage_id
        and here.observed_state = 'ready' and host.state = 'online' order by host.name limit 1) other
    where own.pool_id = volume.pool_id and own.host_id = volume.host_id
      and volume.desktop_id is null and volume.observed_used_by is null
      and exists (select from host where host.id = volume.host_id and host.state in ('lost', 'maintenance'))
      and other.host_id <> volume.host_id`.execute(db)
}

/** Another host that has a volume's storage, of a query that has `volume`. */
const elsewhere = (hostId: string) => sql`
  select here.host_id from host_storage own
  join host_storage here on here.pool_id = own.pool_id and here.observed_storage_id = own.observed_storage_id
  join host on host.id = here.host_id
  where own.pool_id = volume.pool_id and own.host_id = ${hostId} and here.host_id <> ${hostId}
    and here.observed_state = 'ready'
  order by (host.state = 'online') desc, host.name limit 1`

/** Names of the volumes that go with a host: no other one has their storage. */
export async function volumesOnlyOn(db: Kysely<Database>, hostId: string): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select name from volume where host_id = ${hostId} and not exists (${elsewhere(hostId)}) order by name`.execute(db)
  return rows.map(({ name }) => name)
}

/** A host is forgotten: another one looks after its volumes, and those that only it had are forgotten with it. */
export async function volumesLeave(tx: Tx, hostId: string): Promise<void> {
  await sql`update volume set host_id = (${elsewhere(hostId)}) where host_id = ${hostId}`.execute(tx)
  await tx.deleteFrom('volume').where('host_id', 'is', null).execute()
}
