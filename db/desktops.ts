import { type ExpressionBuilder, type Kysely, sql } from 'kysely'
import type { Db, Tx } from './connect.ts'
import type { Database, DesktopTable, GraphicsWish, HardwareValue, Phase, Power } from './schema.ts'

export interface Claimed {
  id: string
  name: string
  phase: Phase
}

/**
 * Between the moment a desktop is given back and the reconciler's look at it, its phase still says "ready" while its
 * disk is the last person's. The incarnations tell: nobody gets a disk other than the one that is wished.
 */
const claimable = (poolId: string) => sql<boolean>`
  pool_id = ${poolId} and user_id is null and wished_present and phase in ('ready', 'starting', 'stopped', 'making')
  and (observed_incarnation = wished_incarnation or (observed_incarnation is null and wished_incarnation = 1))`

/**
 * Gives the best unclaimed desktop of a pool to a person, in one statement, and notes it.
 * Order: running and ready, still starting, stopped, still being made. `skip locked` lets any number of control
 * processes claim at once without waiting for each other and without giving one desktop twice; without it a class of
 * 30 queues up behind the first row. The unique slot keeps one person from two desktops by two clicks.
 *
 * @returns undefined when nothing is free, or all that is free is held by somebody for a moment (desktopFree tells).
 *   Waiting for such a row here was tried: claims that wait for each other's rows deadlock.
 */
export async function desktopClaim(
  db: Kysely<Database>,
  claim: { poolId: string; userId: string; slot: number; taskId: string; now: Date },
): Promise<Claimed | undefined> {
  const free = db
    .selectFrom('desktop')
    .select('id')
    .where(claimable(claim.poolId))
    .orderBy(sql`array_position(array['ready', 'starting', 'stopped', 'making'], phase)`)
    .orderBy('made_at')
    .limit(1)
    .forUpdate()
    .skipLocked()

  return db
    .with('claimed', q =>
      q
        .updateTable('desktop')
        .set({
          user_id: claim.userId,
          user_slot: claim.slot,
          assigned_at: claim.now,
          claim_task_id: claim.taskId,
          wished_power: 'running',
        })
        .where('id', '=', free)
        .returning(['id', 'name', 'phase', 'host_id']),
    )
    .with('noted', q =>
      q
        .insertInto('transition')
        .columns(['desktop_id', 'pool_id', 'host_id', 'user_id', 'at', 'was', 'became', 'reason'])
        .expression(
          q
            .selectFrom('claimed')
            .select([
              'id',
              sql<string>`${claim.poolId}::uuid`.as('pool_id'),
              'host_id',
              sql<string>`${claim.userId}::uuid`.as('user_id'),
              sql<Date>`${claim.now}::timestamptz`.as('at'),
              'phase',
              sql<string>`'assigned'`.as('became'),
              sql<string>`'claimed'`.as('reason'),
            ]),
        ),
    )
    .selectFrom('claimed')
    .select(['id', 'name', 'phase'])
    .executeTakeFirst()
}

/** Whether anything is free, held by somebody for a moment or not. */
export async function desktopFree(db: Kysely<Database>, poolId: string): Promise<boolean> {
  const row = await db.selectFrom('desktop').select('id').where(claimable(poolId)).limit(1).executeTakeFirst()
  return row !== undefined
}

/** A person's desktops in a pool, oldest slot first. */
export function desktopsOwned(db: Kysely<Database>, poolId: string, userId: string) {
  return db
    .selectFrom('desktop')
    .select(['id', 'name', 'phase', 'user_slot', 'claim_task_id', 'wished_power'])
    .where('pool_id', '=', poolId)
    .where('user_id', '=', userId)
    .where('wished_present', '=', true)
    .orderBy('user_slot')
    .execute()
}

export interface DesktopNew {
  id: string
  name: string
  pool_id: string
  host_id: string
  version_id: string
  hardware: HardwareValue
  address: string
  wished_power: Power
}

/** @returns the id, or undefined when name or address were taken meanwhile (another process made a desktop too). */
export async function desktopInsert(db: Kysely<Database>, desktop: DesktopNew, now: Date, reason: string) {
  const row = await db
    .insertInto('desktop')
    .values({ ...desktop, hardware: JSON.stringify(desktop.hardware), made_at: now, phase_since: now, step_since: now })
    .onConflict(conflict => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  if (row) await transitionNote(db, [{ ...desktop, user_id: null, was: null, became: 'making', reason }], now)
  return row?.id
}

export async function transitionNote(
  db: Kysely<Database>,
  rows: {
    id: string
    pool_id: string
    host_id: string | null
    user_id: string | null
    was: string | null
    became: string
    reason: string
  }[],
  now: Date,
) {
  if (rows.length === 0) return
  await db
    .insertInto('transition')
    .values(
      rows.map(({ id, pool_id, host_id, user_id, was, became, reason }) => ({
        desktop_id: id,
        pool_id,
        host_id,
        user_id,
        was,
        became,
        reason,
        at: now,
      })),
    )
    .execute()
}

/** Sets wished columns; the trigger does the rest (generation, the host's agent, the reconciler). */
export async function desktopWish(
  db: Kysely<Database>,
  id: string,
  wish: {
    wished_power?: Power
    wished_stop_grace_ms?: number
    wished_present?: boolean
    wished_graphics?: string | null
    wished_incarnation?: number
    version_id?: string
    hardware?: string
    claim_task_id?: string | null
  },
) {
  await db.updateTable('desktop').set(wish).where('id', '=', id).execute()
}

/** Nobody's any more, and its next life begins with a new disk. */
export async function desktopDetach(tx: Tx, id: string, incarnation: number) {
  await tx
    .updateTable('desktop')
    .set({
      user_id: null,
      user_slot: null,
      assigned_at: null,
      claim_task_id: null,
      wished_incarnation: incarnation,
      wished_power: 'stopped',
      wished_stop_grace_ms: 0,
      wished_graphics: null,
    })
    .where('id', '=', id)
    .execute()
}

/** Gives a desktop that was just made, in this transaction, to the person it was made for. */
export async function desktopAssign(
  tx: Tx,
  id: string,
  to: { userId: string; slot: number; taskId: string; now: Date },
) {
  await tx
    .updateTable('desktop')
    .set({ user_id: to.userId, user_slot: to.slot, assigned_at: to.now, claim_task_id: to.taskId })
    .where('id', '=', id)
    .execute()
}

/** Locks the row for the rest of the transaction. */
export function desktopLock(tx: Tx, id: string) {
  return tx.selectFrom('desktop').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

export type DesktopRow = Awaited<ReturnType<typeof desktopRows>>[number]

export interface DesktopFilter {
  ids?: string[]
  userId?: string | undefined
  poolId?: string | undefined
  hostId?: string | undefined
  phase?: string | undefined
  name?: string | undefined
  search?: string | undefined
  /** Names after this one. */
  after?: string | undefined
  limit?: number
}

/** Desktops with the names of what they belong to, by name: what pages and programs are shown. */
export function desktopRows(db: Db | Tx, filter: DesktopFilter) {
  let query = db
    .selectFrom('desktop')
    .innerJoin('pool', 'pool.id', 'desktop.pool_id')
    .innerJoin('host', 'host.id', 'desktop.host_id')
    .innerJoin('template_version', 'template_version.id', 'desktop.version_id')
    .leftJoin('user_account', 'user_account.id', 'desktop.user_id')
    .selectAll('desktop')
    .select([
      'pool.name as pool_name',
      'pool.kind as pool_kind',
      'host.name as host_name',
      'host.state as host_state',
      'template_version.number as version_number',
      'user_account.name as user_name',
      sql<string>`host(desktop.address)`.as('address_text'),
    ])
  if (filter.ids) query = query.where('desktop.id', 'in', filter.ids)
  if (filter.userId) query = query.where('desktop.user_id', '=', filter.userId)
  if (filter.poolId) query = query.where('desktop.pool_id', '=', filter.poolId)
  if (filter.hostId) query = query.where('desktop.host_id', '=', filter.hostId)
  if (filter.phase) query = query.where('desktop.phase', '=', filter.phase as Phase)
  if (filter.name) query = query.where('desktop.name', '=', filter.name)
  if (filter.after) query = query.where('desktop.name', '>', filter.after)
  if (filter.search) query = query.where(searched(filter.search))
  return query
    .orderBy('desktop.name')
    .limit(filter.limit ?? 1000)
    .execute()
}

/** `%` and `_` typed by a person are themselves. */
const searched =
  (text: string) =>
  (eb: ExpressionBuilder<Database & { user_account: Database['user_account'] }, 'desktop' | 'user_account'>) => {
    const pattern = `%${text.replace(/[\\%_]/g, '\\$&')}%`
    return eb.or([
      eb('desktop.name', 'ilike', pattern),
      eb('user_account.name', 'ilike', pattern),
      eb(sql<string>`host(desktop.address)`, 'like', pattern),
    ])
  }

/** Rows that changed since their phase was last worked out, locked for this transaction. */
export function desktopsDirty(tx: Tx, limit: number) {
  return tx
    .selectFrom('desktop')
    .innerJoin('pool', 'pool.id', 'desktop.pool_id')
    .innerJoin('host', 'host.id', 'desktop.host_id')
    .selectAll('desktop')
    .select(['pool.kind as pool_kind', 'host.state as host_state'])
    .where('desktop.dirty', '=', true)
    .limit(limit)
    .forUpdate('desktop')
    .skipLocked()
    .execute()
}

/** All desktops of a host are looked at again: the host itself changed. */
export async function desktopsTouch(db: Kysely<Database>, hostId: string) {
  await db.updateTable('desktop').set({ dirty: true }).where('host_id', '=', hostId).execute()
}

/** What the desktops reconciler writes; it alone. */
export async function desktopSettle(
  tx: Tx,
  id: string,
  set: {
    phase?: Phase
    phase_reason?: string
    phase_since?: Date
    step_since?: Date
    session_state?: DesktopTable['session_state']
    session_since?: Date | null
    user_id?: null
    user_slot?: null
    assigned_at?: null
    claim_task_id?: null
    wished_power?: Power
    wished_incarnation?: number
    wished_present?: boolean
    wished_graphics?: string | null
    version_id?: string
    hardware?: string
  },
) {
  await tx
    .updateTable('desktop')
    .set({ ...set, dirty: false })
    .where('id', '=', id)
    .execute()
}

export async function desktopDelete(tx: Tx, id: string) {
  await tx.deleteFrom('desktop').where('id', '=', id).execute()
}

/** One desktop's observed columns, as reported by its host. */
export interface DesktopObserved {
  id: string
  observed_generation: number | null
  observed_incarnation: number | null
  observed_power: Power | null
  observed_stopped: string | null
  observed_ready: boolean
  observed_step: string | null
  observed_queue_place: number | null
  observed_clients: number
  observed_graphics: unknown
  observed_trouble: unknown
  observed_gone: boolean
}

/** Writes a batch of reports in one statement; only this host's desktops, only what differs. */
export async function desktopsObserve(db: Db, hostId: string, reports: DesktopObserved[]) {
  if (reports.length === 0) return
  await sql`
    update desktop set
      observed_generation = r.observed_generation, observed_incarnation = r.observed_incarnation,
      observed_power = r.observed_power, observed_stopped = r.observed_stopped, observed_ready = r.observed_ready,
      step_since = case when desktop.observed_step is distinct from r.observed_step then now() else step_since end,
      observed_step = r.observed_step, observed_queue_place = r.observed_queue_place,
      observed_clients = r.observed_clients, observed_graphics = nullif(r.observed_graphics, 'null'),
      observed_trouble = nullif(r.observed_trouble, 'null'), observed_gone = r.observed_gone
    from jsonb_to_recordset(${JSON.stringify(reports)}::jsonb) as r(
      id uuid, observed_generation bigint, observed_incarnation int, observed_power text, observed_stopped text,
      observed_ready boolean, observed_step text, observed_queue_place int, observed_clients int,
      observed_graphics jsonb, observed_trouble jsonb, observed_gone boolean)
    where desktop.id = r.id and desktop.host_id = ${hostId}
      and (desktop.observed_generation, desktop.observed_incarnation, desktop.observed_power, desktop.observed_stopped,
        desktop.observed_ready, desktop.observed_step, desktop.observed_queue_place, desktop.observed_clients,
        desktop.observed_graphics, desktop.observed_trouble, desktop.observed_gone)
      is distinct from
        (r.observed_generation, r.observed_incarnation, r.observed_power, r.observed_stopped,
        r.observed_ready, r.observed_step, r.observed_queue_place, r.observed_clients,
        nullif(r.observed_graphics, 'null'), nullif(r.observed_trouble, 'null'), r.observed_gone)`.execute(db)
}

/** A full report names everything there is: what it does not name is not there. */
export async function desktopsObserveAbsent(db: Db, hostId: string, present: string[]) {
  await db
    .updateTable('desktop')
    .set({
      observed_incarnation: null,
      observed_power: null,
      observed_ready: false,
      observed_step: null,
      observed_clients: 0,
      observed_graphics: null,
      observed_gone: true,
    })
    .where('host_id', '=', hostId)
    .where('id', 'not in', present.length > 0 ? present : ['00000000-0000-0000-0000-000000000000'])
    .where(eb => eb.or([eb('observed_gone', '=', false), eb('observed_incarnation', 'is not', null)]))
    .execute()
}

/** Ids and generations of everything a host is wished to hold: compared with what its agent was last told. */
export function desktopGenerations(db: Db, hostId: string) {
  return db.selectFrom('desktop').select(['id', 'generation', 'wished_present']).where('host_id', '=', hostId).execute()
}

/** What a host's agent needs to know of its machines. */
export function desktopSpecs(db: Db, hostId: string, ids?: string[]) {
  let query = db
    .selectFrom('desktop')
    .innerJoin('template_version', 'template_version.id', 'desktop.version_id')
    .innerJoin('template', 'template.id', 'template_version.template_id')
    .selectAll('desktop')
    .select(['template.ready_when', sql<string>`host(desktop.address)`.as('address_text')])
    .where('desktop.host_id', '=', hostId)
    .where('desktop.wished_present', '=', true)
  if (ids) query = query.where('desktop.id', 'in', ids)
  return query.execute()
}

/** A new SPICE password with the next serial. */
export async function desktopAdmit(tx: Tx, id: string, wish: Omit<GraphicsWish, 'serial'>): Promise<void> {
  await sql`
    update desktop set wished_graphics = ${JSON.stringify(wish)}::jsonb
      || jsonb_build_object('serial', coalesce((wished_graphics ->> 'serial')::int, 0) + 1)
    where id = ${id}`.execute(tx)
}

export async function sessionInsert(
  tx: Tx,
  session: { id: string; desktop_id: string; user_id: string; created_at: Date },
) {
  await tx
    .updateTable('session')
    .set({ ended_at: session.created_at })
    .where('desktop_id', '=', session.desktop_id)
    .where('ended_at', 'is', null)
    .execute()
  await tx
    .insertInto('session')
    .values({ ...session, ended_at: null })
    .execute()
}

export async function sessionsEnd(tx: Tx, desktopId: string, now: Date) {
  await tx
    .updateTable('session')
    .set({ ended_at: now })
    .where('desktop_id', '=', desktopId)
    .where('ended_at', 'is', null)
    .execute()
}

/** Newest first. */
export function transitionsOf(db: Db, desktopId: string, limit: number, before?: number) {
  let query = db
    .selectFrom('transition')
    .leftJoin('user_account', 'user_account.id', 'transition.user_id')
    .select(['transition.id', 'at', 'was', 'became', 'reason', 'user_account.name as user_name'])
    .where('desktop_id', '=', desktopId)
  if (before) query = query.where('transition.id', '<', before)
  return query.orderBy('transition.id', 'desc').limit(limit).execute()
}

/** A desktop nobody has moves to another template version: a new disk, and the pool's hardware of today. */
export async function desktopUpgrade(tx: Tx, id: string, to: { versionId: string; hardware: HardwareValue }) {
  await tx
    .updateTable('desktop')
    .set(eb => ({
      version_id: to.versionId,
      hardware: JSON.stringify(to.hardware),
      wished_incarnation: eb('wished_incarnation', '+', 1),
    }))
    .where('id', '=', id)
    .where('user_id', 'is', null)
    .execute()
}

/** Where its screen is, as last reported. */
export async function desktopGraphics(db: Kysely<Database>, id: string) {
  const row = await db.selectFrom('desktop').select('observed_graphics').where('id', '=', id).executeTakeFirst()
  return row?.observed_graphics ?? null
}
