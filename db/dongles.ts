/** USB devices of hosts that are bound to one desktop each. */
import { type Kysely, sql } from 'kysely'
import { pageOfRows } from './connect.ts'
import type { Database } from './schema.ts'
import type { DongleState } from './schema-hosts.ts'

export interface DongleNew {
  id: string
  host_id: string
  desktop_id: string
  vendor: string
  product: string
  serial: string | null
  port: string | null
  name: string
}

/** @throws PostgreSQL's 23505 when it is bound already. */
export async function dongleInsert(db: Kysely<Database>, dongle: DongleNew) {
  await db
    .insertInto('dongle')
    .values({ ...dongle, observed_state: null })
    .execute()
}

export async function dongleDelete(db: Kysely<Database>, id: string) {
  await db.deleteFrom('dongle').where('id', '=', id).execute()
}

/** What a desktop had is free for others. */
export async function donglesFree(db: Kysely<Database>, desktopId: string) {
  await db.deleteFrom('dongle').where('desktop_id', '=', desktopId).execute()
}

export type DongleRow = Awaited<ReturnType<typeof dongleRows>>[number]

/** With the names of what they belong to, oldest first. */
export function dongleRows(
  db: Kysely<Database>,
  filter: {
    ids?: string[]
    hostId?: string | undefined
    desktopId?: string | undefined
    after?: string | undefined
    limit?: number
  },
) {
  let query = db
    .selectFrom('dongle')
    .innerJoin('desktop', 'desktop.id', 'dongle.desktop_id')
    .innerJoin('host', 'host.id', 'dongle.host_id')
    .selectAll('dongle')
    .select(['desktop.name as desktop_name', 'desktop.phase', 'host.name as host_name', 'host.state as host_state'])
  if (filter.ids) query = query.where('dongle.id', 'in', filter.ids)
  if (filter.hostId) query = query.where('dongle.host_id', '=', filter.hostId)
  if (filter.desktopId) query = query.where('dongle.desktop_id', '=', filter.desktopId)
  if (filter.after) query = query.where('dongle.id', '>', filter.after)
  return pageOfRows(query.orderBy('dongle.id'), filter.limit).execute()
}

/** Of a `desktop`: why it stays on its host, as administrators read it; null: nothing is bound to it. */
export const desktopPinned = sql<string | null>`(
  select 'it has the dongle ' || string_agg(dongle.name, ', ' order by dongle.id) || ', which is on ' || min(home.name)
  from dongle join host home on home.id = dongle.host_id where dongle.desktop_id = desktop.id)`

/** Of a `desktop`, as its host is told of them (vmm/spec.ts); null: none. */
export const desktopDongles = (hostId: string) => sql<DongleValue[] | null>`(
  select jsonb_agg(jsonb_build_object('id', id, 'vendor', vendor, 'product', product, 'serial', serial, 'port', port)
    order by id)
  from dongle where dongle.desktop_id = desktop.id and dongle.host_id = ${hostId})`

interface DongleValue {
  id: string
  vendor: string
  product: string
  serial: string | null
  port: string | null
}

/** What a host says of its own; only what differs is written. */
export async function donglesObserve(
  db: Kysely<Database>,
  hostId: string,
  said: { id: string; state: DongleState; text: string }[],
) {
  if (said.length === 0) return
  await sql`
    update dongle set observed_state = s.state, observed_text = s.text
    from jsonb_to_recordset(${JSON.stringify(said)}::jsonb) as s(id uuid, state text, text text)
    where dongle.id = s.id and dongle.host_id = ${hostId}
      and (dongle.observed_state, dongle.observed_text) is distinct from (s.state, s.text)`.execute(db)
}
