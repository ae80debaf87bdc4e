/** Desktops on their way from one host to another (docs/decisions/0006). The schema's own history is in migrations/. */
import { sql } from 'kysely'
import { type DesktopObserved, unheard } from './agents.ts'
import { type Db, pageOfRows, type Tx } from './connect.ts'
import { desktopPinned } from './dongles.ts'
import { hardwareTaken } from './placements.ts'
import type { TroubleValue } from './schema.ts'
import type { MigrationCause, MigrationKind, MigrationState, PlacementHostValue } from './schema-hosts.ts'
import { hasSnapshots } from './snapshots.ts'
import { desktopIsCaptured } from './templates.ts'
import { volumesHeld } from './volumes.ts'

export interface MigrationNew {
  id: string
  desktop_id: string
  from_host_id: string
  to_host_id: string
  kind: MigrationKind
  cause: MigrationCause
  reason: string
  restart: boolean
  decision: { why: string; hosts: PlacementHostValue[] } | null
  task_id: string | null
  created_at: Date
}

/** @returns whether it was taken: false when the desktop is on its way already. */
export async function migrationInsert(tx: Tx, { decision, ...migration }: MigrationNew): Promise<boolean> {
  const nameOf = (id: string) => tx.selectFrom('host').select('name').where('id', '=', id)
  const row = await tx
    .insertInto('migration')
    .values({
      ...migration,
      from_name: nameOf(migration.from_host_id),
      to_name: nameOf(migration.to_host_id),
      decision: decision && JSON.stringify(decision),
      from_storage_id: null,
      to_storage_id: null,
      started_at: null,
      ended_at: null,
    })
    .onConflict(conflict => conflict.column('desktop_id').where('ended_at', 'is', null).doNothing())
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

export type MigrationRow = Awaited<ReturnType<typeof migrationRows>>[number]

/** Newest first, with the names of what they belong to. */
export function migrationRows(
  db: Db | Tx,
  filter: {
    ids?: string[] | undefined
    desktopId?: string | undefined
    /** From it or to it. */
    hostId?: string | undefined
    taskIds?: string[] | undefined
    open?: boolean | undefined
    before?: string | undefined
    limit?: number
  },
) {
  let query = db
    .selectFrom('migration')
    .innerJoin('desktop', 'desktop.id', 'migration.desktop_id')
    .leftJoin('host as source', 'source.id', 'migration.from_host_id')
    .leftJoin('host as target', 'target.id', 'migration.to_host_id')
    .selectAll('migration')
    .select('desktop.name as desktop_name')
    .select(({ fn }) => [
      fn.coalesce('source.name', 'migration.from_name').as('from_host_name'),
      fn.coalesce('target.name', 'migration.to_name').as('to_host_name'),
    ])
  if (filter.ids) query = query.where('migration.id', 'in', filter.ids)
  if (filter.taskIds) query = query.where('migration.task_id', 'in', filter.taskIds)
  if (filter.desktopId) query = query.where('migration.desktop_id', '=', filter.desktopId)
  if (filter.open === true) query = query.where('migration.ended_at', 'is', null)
  if (filter.open === false) query = query.where('migration.ended_at', 'is not', null)
  if (filter.before) query = query.where('migration.id', '<', filter.before)
  const { hostId } = filter
  if (hostId) query = query.where(eb => eb.or([eb('from_host_id', '=', hostId), eb('to_host_id', '=', hostId)]))
  return pageOfRows(query.orderBy('migration.id', 'desc'), filter.limit).execute()
}

export type MigrationOpenRow = Awaited<ReturnType<typeof migrationsOpen>>[number]

/** Everything the plan of each open move looks at, oldest first; what a person waits for before what a rule did. */
export function migrationsOpen(db: Db | Tx, which: { hostId?: string } = {}) {
  let query = db
    .selectFrom('migration')
    .innerJoin('desktop', 'desktop.id', 'migration.desktop_id')
    .innerJoin('host as source', 'source.id', 'migration.from_host_id')
    .innerJoin('host as target', 'target.id', 'migration.to_host_id')
    .innerJoin('pool', 'pool.id', 'desktop.pool_id')
    .innerJoin('cluster as source_cluster', 'source_cluster.id', 'source.cluster_id')
    .innerJoin('cluster as target_cluster', 'target_cluster.id', 'target.cluster_id')
    .selectAll('migration')
    .select(['source_cluster.networks as from_networks', 'target_cluster.networks as to_networks'])
    .select([
      'pool.network',
      'desktop.name as desktop_name',
      'desktop.pool_id',
      'desktop.user_id',
      'desktop.phase',
      'desktop.host_id',
      'desktop.hardware',
      'desktop.version_id',
      'desktop.generation',
      'desktop.wished_present',
      'desktop.wished_power',
      'desktop.wished_saved',
      'desktop.observed_memory',
      hasSnapshots.as('snapshots_any'),
      'desktop.wished_incarnation',
      'desktop.observed_generation',
      'desktop.observed_incarnation',
      'desktop.observed_power',
      desktopPinned.as('pinned'),
      desktopIsCaptured.as('captured'),
    ])
    .select(['source.id as from_host_id', 'source.name as from_host_name', 'source.state as from_state'])
    .select(['source.cluster_id as from_cluster_id'])
    .select(['source.observed_facts as from_facts', 'target.observed_facts as to_facts'])
    .select(['target.id as to_host_id', 'target.name as to_host_name', 'target.state as to_state'])
    .select(['target.cluster_id as to_cluster_id'])
    .select('target.wished_state as to_wished_state')
    .where('migration.ended_at', 'is', null)
  const { hostId } = which
  if (hostId) query = query.where(eb => eb.or([eb('source.id', '=', hostId), eb('target.id', '=', hostId)]))
  return query.orderBy(sql`migration.cause in ('person', 'start')`, 'desc').orderBy('migration.id').execute()
}

/** Locks an open move for the rest of the transaction; undefined when it has ended. */
export function migrationLock(tx: Tx, id: string) {
  return tx
    .selectFrom('migration')
    .selectAll()
    .where('id', '=', id)
    .where('ended_at', 'is', null)
    .forUpdate()
    .executeTakeFirst()
}

/** What the migrations reconciler writes; it alone. */
export async function migrationSet(
  tx: Db | Tx,
  id: string,
  set: {
    kind?: MigrationKind
    state?: MigrationState
    from_storage_id?: string | null
    to_storage_id?: string | null
    progress?: number
    text?: string
    trouble?: TroubleValue | null
    started_at?: Date
    ended_at?: Date
  },
) {
  const { trouble, ...rest } = set
  await tx
    .updateTable('migration')
    .set({ ...rest, ...(trouble !== undefined && { trouble: trouble && JSON.stringify(trouble) }) })
    .where('id', '=', id)
    .where('ended_at', 'is', null)
    .execute()
}

type MovesOf =
  | { id: string }
  | { fromHostId: string; cause: MigrationCause }
  | { toHostId: string; cause: MigrationCause }

/** Asks open moves to stop, where they can. */
export async function migrationsCancel(tx: Tx, which: MovesOf) {
  const open = sql`m.ended_at is null and not m.wished_cancel and ${
    'id' in which
      ? sql`m.id = ${which.id}`
      : 'fromHostId' in which
        ? sql`m.cause = ${which.cause} and m.from_host_id = ${which.fromHostId}`
        : sql`m.cause = ${which.cause} and m.to_host_id = ${which.toHostId}`
  }`
  // Desktops first, as everybody locks them: the trigger changes their rows too.
  await sql`select d.id from desktop d join migration m on m.desktop_id = d.id where ${open} order by d.id for update of d`.execute(
    tx,
  )
  await sql`update migration m set wished_cancel = true where ${open}`.execute(tx)
}

/** One host's word on a move, with the machine as it sees it. */
export interface MoveObserved {
  id: string
  state: string
  progress: number
  text: string
  trouble: TroubleValue | null
  machine: DesktopObserved
}

/** Writes what a host says of moves from or to it, where it says something new. */
export async function migrationsObserve(db: Db, hostId: string, moves: MoveObserved[], at: Date) {
  if (moves.length === 0) return
  const said = moves.map(({ id, ...value }) => ({ id, value: { ...value, at: at.toISOString() } }))
  for (const [column, host] of [
    ['observed_source', 'from_host_id'],
    ['observed_target', 'to_host_id'],
  ] as const)
    await sql`
      update migration m set ${sql.ref(column)} = r.value
      from jsonb_to_recordset(${JSON.stringify(said)}::jsonb) as r(id uuid, value jsonb)
      where m.id = r.id and m.ended_at is null and m.${sql.ref(host)} = ${hostId}
        and (m.${sql.ref(column)} - 'at') is distinct from (r.value - 'at')`.execute(db)
}

/** The desktop is at home on another host from now on; what is known of it is what that host says. */
export async function desktopArrive(tx: Tx, id: string, hostId: string, machine: DesktopObserved | null) {
  const {
    id: _id,
    observed_graphics,
    observed_trouble,
    observed_memory,
    observed_work: _work,
    observed_cdrom,
    observed_hardware,
    ...observed
  } = machine ?? { ...unheard, id }
  await tx
    .updateTable('desktop')
    .set(eb => ({
      ...observed,
      observed_stopped: observed.observed_stopped as 'wished' | 'guest' | 'crashed' | null,
      observed_work: null,
      observed_graphics: observed_graphics ? JSON.stringify(observed_graphics) : null,
      observed_trouble: observed_trouble ? JSON.stringify(observed_trouble) : null,
      observed_memory: observed_memory ? JSON.stringify(observed_memory) : null,
      observed_cdrom: observed_cdrom ? JSON.stringify(observed_cdrom) : null,
      observed_hardware: observed_hardware ? JSON.stringify(observed_hardware) : null,
      host_id: hostId,
      // It is where it came from: nothing is to be brought back.
      origin_host_id: eb.fn('nullif', ['origin_host_id', eb.val(hostId)]),
    }))
    .where('id', '=', id)
    .execute()
}

/** @returns its host, when its address is of another cluster's network than that host's. */
export async function desktopAddressForeign(tx: Tx, id: string): Promise<string | undefined> {
  const { rows } = await sql<{ host_id: string }>`
    select d.host_id from desktop d join host h on h.id = d.host_id join cluster c on c.id = h.cluster_id
    where d.id = ${id} and not d.address <<= c.supernet`.execute(tx)
  return rows[0]?.host_id
}

export async function desktopAddressSet(tx: Tx, id: string, address: string) {
  await tx.updateTable('desktop').set({ address }).where('id', '=', id).execute()
}

export type MovableRow = Awaited<ReturnType<typeof desktopsMovable>>[number]

/** Desktops with what their pools ask of a host: one, all of a host, or all that came from a host and shall go back. */
export function desktopsMovable(db: Db | Tx, which: { id: string } | { hostId: string } | { originHostId: string }) {
  let query = db
    .selectFrom('desktop')
    .innerJoin('pool', 'pool.id', 'desktop.pool_id')
    .innerJoin('host', 'host.id', 'desktop.host_id')
    .leftJoin('migration as move', join =>
      join.onRef('move.desktop_id', '=', 'desktop.id').on('move.ended_at', 'is', null),
    )
    .leftJoin('host as target', 'target.id', 'move.to_host_id')
    .leftJoin('user_account', 'user_account.id', 'desktop.user_id')
    .select(['desktop.id', 'desktop.name', 'desktop.pool_id', 'desktop.host_id', 'desktop.version_id'])
    .select([hardwareTaken.as('hardware'), 'desktop.user_id', 'desktop.phase', 'desktop.phase_reason'])
    .select(['desktop.session_state', 'desktop.wished_present', 'desktop.wished_power', 'desktop.origin_host_id'])
    .select(['desktop.wished_saved', 'desktop.observed_memory', hasSnapshots.as('snapshots_any')])
    .select(['user_account.name as user_name', sql<boolean>`desktop.disk_incarnation is not null`.as('disk_made')])
    .select([desktopPinned.as('pinned'), desktopIsCaptured.as('captured')])
    .select(['pool.kind', 'pool.cluster_ids', 'pool.placement', 'pool.affinity', 'pool.needs', 'pool.network'])
    .select(['host.cluster_id', 'move.id as move_id', 'move.state as move_state', 'move.text as move_text'])
    .select(['move.cause as move_cause', volumesHeld.as('volumes')])
    .select(['move.progress as move_progress', 'target.id as target_id', 'target.name as target_name'])
  if ('id' in which) query = query.where('desktop.id', '=', which.id)
  else if ('hostId' in which) query = query.where('desktop.host_id', '=', which.hostId)
  else query = query.where('desktop.origin_host_id', '=', which.originHostId)
  return query.orderBy('desktop.name').execute()
}

/** Where maintenance shall bring it back to; null: nowhere. */
export async function originSet(tx: Tx, desktopId: string, hostId: string | null) {
  await tx.updateTable('desktop').set({ origin_host_id: hostId }).where('id', '=', desktopId).execute()
}

/** Hosts whose desktops shall leave, or shall come back; with an id that host in any case. */
export function hostsInMaintenance(db: Db | Tx, id?: string) {
  let query = db
    .selectFrom('host')
    .select(['id', 'name', 'state', 'state_since', 'wished_state', 'wished_evacuate'])
    .select(eb => [
      eb
        .selectFrom('desktop')
        .select(count => count.fn.countAll<number>().as('count'))
        .whereRef('desktop.host_id', '=', 'host.id')
        .as('desktops'),
      eb
        .selectFrom('desktop')
        .select(count => count.fn.countAll<number>().as('count'))
        .whereRef('desktop.origin_host_id', '=', 'host.id')
        .as('away'),
    ])
  query = id
    ? query.where('id', '=', id)
    : query.where(eb =>
        eb.or([
          eb('wished_evacuate', '=', true),
          eb('id', 'in', eb.selectFrom('desktop').select('origin_host_id').where('origin_host_id', 'is not', null)),
        ]),
      )
  return query.execute()
}

export interface MaintenanceWish {
  wished_state: 'online' | 'maintenance'
  wished_evacuate: boolean
}

/** A host's wish, by whoever administers it; moves that the wish before it began and that this one does not want are called off. */
export async function hostMaintenanceSet(tx: Tx, id: string, wish: MaintenanceWish) {
  await tx.updateTable('host').set(wish).where('id', '=', id).execute()
  if (!wish.wished_evacuate) await migrationsCancel(tx, { fromHostId: id, cause: 'maintenance' })
  if (wish.wished_state === 'maintenance') await migrationsCancel(tx, { toHostId: id, cause: 'return' })
}

/** It never left: there is nothing to bring back. */
export async function originForgetHere(tx: Tx, desktopId: string) {
  await tx
    .updateTable('desktop')
    .set({ origin_host_id: null })
    .where('id', '=', desktopId)
    .whereRef('origin_host_id', '=', 'host_id')
    .execute()
}

/** Nothing is brought back to this host any more. */
export async function originsForget(tx: Tx, hostId: string) {
  await migrationsCancel(tx, { toHostId: hostId, cause: 'return' })
  await tx.updateTable('desktop').set({ origin_host_id: null }).where('origin_host_id', '=', hostId).execute()
}

/** Moves by one rule that failed since a moment, by desktop. */
export async function migrationsFailed(
  db: Db | Tx,
  which: { fromHostId: string } | { toHostId: string },
  cause: MigrationCause,
  since: Date,
) {
  let query = db
    .selectFrom('migration')
    .select(['desktop_id', 'ended_at', 'trouble'])
    .where('cause', '=', cause)
    .where('state', '=', 'failed')
    .where('ended_at', '>', since)
  query =
    'fromHostId' in which
      ? query.where('from_host_id', '=', which.fromHostId)
      : query.where('to_host_id', '=', which.toHostId)
  const rows = await query.orderBy('ended_at').execute()
  const failed = new Map<string, { times: number; at: Date; text: string }>()
  for (const { desktop_id, ended_at, trouble } of rows)
    failed.set(desktop_id, {
      times: (failed.get(desktop_id)?.times ?? 0) + 1,
      at: ended_at ?? since,
      text: trouble?.text ?? 'nobody said why.',
    })
  return failed
}
