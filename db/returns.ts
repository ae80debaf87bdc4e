/** Lost hosts and what they carried. */
import { type Kysely, sql } from 'kysely'
import { unheard } from './agents.ts'
import type { Tx } from './connect.ts'
import { desktopPinned } from './dongles.ts'
import type { Database } from './schema.ts'
import { storagesHeld, volumesHeld } from './volumes.ts'

export type ReturnHostRow = Awaited<ReturnType<typeof returnHosts>>[number]

/** Every host, with what decides whether it is lost, off for certain, and shares its disks. */
export function returnHosts(db: Kysely<Database>) {
  return db
    .selectFrom('host')
    .innerJoin('cluster', 'cluster.id', 'host.cluster_id')
    .select(['host.id', 'host.name', 'host.cluster_id', 'cluster.name as cluster_name'])
    .select(['state', 'state_since', 'observed_beat_at', 'observed_facts', 'fenced_at', 'wished_off_at'])
    .select(['cluster.suspect_ms', 'cluster.lost_ms', 'cluster.fence_command'])
    .select(sql<boolean>`exists (select from desktop where desktop.host_id = host.id)`.as('carries'))
    .select(storagesHeld.as('storages'))
    .orderBy('host.name')
    .execute()
}

/** Keeps a host's row, and whether it is heard, as they are until the transaction ends. */
export async function returnHostLock(tx: Tx, id: string) {
  await tx.selectFrom('host').select('id').where('id', '=', id).forShare().execute()
}

export async function hostFencedSet(db: Kysely<Database>, id: string, at: Date): Promise<boolean> {
  const row = await db
    .updateTable('host')
    .set({ fenced_at: at })
    .where('id', '=', id)
    .where('state', '=', 'lost')
    // Heard since it was lost: it is not off.
    .where(eb => eb.or([eb('observed_beat_at', 'is', null), eb('observed_beat_at', '<', eb.ref('state_since'))]))
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

export type ReturnRow = Awaited<ReturnType<typeof returnRows>>[number]

/** Desktops of a host with what their pools wish; `movedAt`: when their last move ended, `moving`: one has not. */
export function returnRows(db: Kysely<Database>, which: { hostId: string } | { ids: string[] }) {
  const query = db
    .selectFrom('desktop')
    .innerJoin('pool', 'pool.id', 'desktop.pool_id')
    .selectAll('desktop')
    .select([
      'pool.kind',
      'pool.ha',
      'pool.cluster_ids',
      'pool.placement',
      'pool.affinity',
      'pool.needs',
      'pool.network',
    ])
    .select(
      sql<boolean>`exists (select from migration m where m.desktop_id = desktop.id and m.ended_at is null)`.as(
        'moving',
      ),
    )
    .select(desktopPinned.as('pinned'))
    .select(sql<Date | null>`(select max(m.ended_at) from migration m where m.desktop_id = desktop.id)`.as('moved_at'))
    .select(volumesHeld.as('volumes'))
  const filtered =
    'ids' in which ? query.where('desktop.id', 'in', which.ids) : query.where('desktop.host_id', '=', which.hostId)
  // Who waits for theirs comes first.
  return filtered.orderBy(sql`desktop.user_id is null`).orderBy('desktop.name').execute()
}

export interface DesktopReturned {
  id: string
  host_id: string
  incarnation: number
  /** Its own disk, which exists, came with it. */
  disk_made: boolean
  /** Null: it keeps its own. */
  address: string | null
}

/** At home elsewhere from now on; nothing was heard of them there yet, but that their own disks, if they keep them, exist. */
export async function desktopsReturn(tx: Tx, returned: DesktopReturned[], now: Date) {
  if (returned.length === 0) return
  const given = sql<DesktopReturned>`(select * from jsonb_to_recordset(${JSON.stringify(returned)}::jsonb) as r(
    id uuid, host_id uuid, incarnation int, disk_made boolean, address inet))`
  await tx
    .updateTable('desktop')
    .from(given.as('r'))
    .set(eb => ({
      ...unheard,
      host_id: eb.ref('r.host_id'),
      wished_incarnation: eb.ref('r.incarnation'),
      // Its password was for a screen that is gone.
      wished_graphics: null,
      waits_for: null,
      observed_incarnation: eb.case().when('r.disk_made', '=', true).then(eb.ref('r.incarnation')).end(),
      address: eb.fn.coalesce('r.address', 'desktop.address'),
    }))
    .whereRef('desktop.id', '=', 'r.id')
    .execute()
  // Nobody hears any more what was asked of them there.
  const text = 'Its host was lost before this was done; the desktop returned elsewhere.'
  await tx
    .updateTable('operation')
    .set({ done_at: now, trouble: JSON.stringify({ code: 'unreachable', text }) })
    .where(
      'desktop_id',
      'in',
      returned.map(({ id }) => id),
    )
    .where('done_at', 'is', null)
    .execute()
}

/** What the returns reconciler says desktops wait for. */
export async function desktopsWaitSet(tx: Tx, waiting: { id: string; waits_for: string | null }[]) {
  if (waiting.length === 0) return
  // Locked in their order, as everybody locks them.
  await sql`
    with given as (select * from jsonb_to_recordset(${JSON.stringify(waiting)}::jsonb) as g(id uuid, waits_for text)),
    locked as (select d.id from desktop d join given using (id) order by d.id for update of d)
    update desktop d set waits_for = given.waits_for from given join locked using (id) where d.id = given.id`.execute(
    tx,
  )
}

/** A host is heard again: nothing waits for it any more, and what waits when it is lost anew waits anew. */
export async function desktopsWaitEnd(tx: Tx, hostId: string) {
  await sql`
    with locked as (select id from desktop where host_id = ${hostId} and waits_for is not null order by id for update)
    update desktop d set waits_for = null from locked where d.id = locked.id`.execute(tx)
}
