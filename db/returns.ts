/** Lost hosts and what they carried. */
import { type Kysely, sql } from 'kysely'
import type { Tx } from './connect.ts'
import type { Database } from './schema.ts'

export type ReturnHostRow = Awaited<ReturnType<typeof returnHosts>>[number]

/** Every host, with what decides whether it is lost, off for certain, and shares its disks. */
export function returnHosts(db: Kysely<Database>) {
  return db
    .selectFrom('host')
    .innerJoin('cluster', 'cluster.id', 'host.cluster_id')
    .select(['host.id', 'host.name', 'host.cluster_id', 'cluster.name as cluster_name'])
    .select(['state', 'state_since', 'observed_beat_at', 'observed_facts', 'fenced_at', 'wished_off_at'])
    .select(['cluster.lost_ms', 'cluster.fence_command'])
    .orderBy('host.name')
    .execute()
}

/** Keeps a host's row, and whether it is heard, as they are until the transaction ends. */
export function returnHostLock(tx: Tx, id: string) {
  return tx
    .selectFrom('host')
    .select(['state', 'state_since', 'observed_beat_at', 'fenced_at'])
    .where('id', '=', id)
    .forShare()
    .executeTakeFirst()
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
export function returnRows(db: Kysely<Database>, which: { hostId: string } | { id: string }) {
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
    .select(sql<Date | null>`(select max(m.ended_at) from migration m where m.desktop_id = desktop.id)`.as('moved_at'))
  const filtered =
    'id' in which ? query.where('desktop.id', '=', which.id) : query.where('desktop.host_id', '=', which.hostId)
  // Who waits for theirs comes first.
  return filtered.orderBy(sql`desktop.user_id is null`).orderBy('desktop.name').execute()
}

/** At home elsewhere from now on; nothing was heard of it there yet, but that its own disk, if it keeps it, exists. */
export async function desktopReturn(
  tx: Tx,
  id: string,
  to: { hostId: string; incarnation: number; diskMade: boolean; address: string | null },
) {
  await tx
    .updateTable('desktop')
    .set({
      host_id: to.hostId,
      wished_incarnation: to.incarnation,
      // Its password was for a screen that is gone.
      wished_graphics: null,
      waits_for: null,
      observed_generation: null,
      observed_incarnation: to.diskMade ? to.incarnation : null,
      observed_power: null,
      observed_stopped: null,
      observed_ready: false,
      observed_step: null,
      observed_queue_place: null,
      observed_clients: 0,
      observed_graphics: null,
      observed_trouble: null,
      observed_gone: false,
      ...(to.address !== null && { address: to.address }),
    })
    .where('id', '=', id)
    .execute()
  // Nobody hears any more what was asked of it there.
  const text = 'Its host was lost before this was done; the desktop returned elsewhere.'
  await tx
    .updateTable('operation')
    .set({ done_at: sql<Date>`now()`, trouble: JSON.stringify({ code: 'unreachable', text }) })
    .where('desktop_id', '=', id)
    .where('done_at', 'is', null)
    .execute()
}

/** What the returns reconciler says a desktop waits for. */
export async function desktopWaitsSet(db: Kysely<Database>, id: string, waitsFor: string | null) {
  await db.updateTable('desktop').set({ waits_for: waitsFor }).where('id', '=', id).execute()
}
