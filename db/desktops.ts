import { type ExpressionBuilder, type Kysely, type RawBuilder, sql } from 'kysely'
import type { LiveHardware } from '../vmm/spec.ts'
import { type Db, holding, pageOfRows, type Tx } from './connect.ts'
import { desktopPinned } from './dongles.ts'
import { desktopBackAt } from './pushes.ts'
import { binnedNames } from './recycle-bin.ts'
import type { Database, DesktopTable, HardwareValue, Phase, Power } from './schema.ts'
import { type ReceiptOpen, receiptsSettled, type TaskSettled } from './tasks.ts'
import { desktopCapturedBy, desktopIsCaptured } from './templates.ts'
import { volumeNames } from './volumes.ts'

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

/** Sets wished columns of a desktop that nobody has and that shall stay. @returns whether it still was so. */
export async function desktopWishFree(
  db: Kysely<Database>,
  id: string,
  wish: { wished_power?: Power; wished_stop_grace_ms?: number; wished_present?: boolean },
): Promise<boolean> {
  const row = await db
    .updateTable('desktop')
    .set(wish)
    .where('id', '=', id)
    .where('user_id', 'is', null)
    .where('wished_present', '=', true)
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

/** Sets wished columns; the trigger does the rest (generation, the host's agent, the reconciler). */
export async function desktopWish(
  db: Kysely<Database>,
  id: string,
  wish: {
    wished_power?: Power
    wished_stop_grace_ms?: number
    wished_saved?: boolean
    wished_present?: boolean
    wished_graphics?: string | null
    wished_incarnation?: number
    version_id?: string
    hardware?: string
    name?: string
    wished_cdrom?: string | null
    boot_disc?: boolean
    wished_grow?: LiveHardware[]
    claim_task_id?: string | null
  },
) {
  await db.updateTable('desktop').set(wish).where('id', '=', id).execute()
}

/** Locks the row for the rest of the transaction. */
export function desktopLock(tx: Tx, id: string) {
  return tx.selectFrom('desktop').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

/** Locks rows in the order of their ids, so that two who lock many do not stand in each other's way. */
export async function desktopsLock(tx: Tx, ids: string[]) {
  if (ids.length === 0) return
  await tx.selectFrom('desktop').select('id').where('id', 'in', ids).orderBy('id').forUpdate().execute()
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
  /** Those that something keeps from being used: a trouble, or a host that is lost. */
  troubled?: boolean | undefined
  /** Those that have no network until they start anew. */
  noNetwork?: boolean | undefined
  /** Those in the recycle bin, which no list has otherwise. */
  binned?: boolean | undefined
  /** Names after this one. */
  after?: string | undefined
  limit?: number
}

/** It came running from another cluster and still has the card and the address of that one's network (readdressing.ts). */
const foreignNetwork = sql<boolean>`(desktop.observed_power in ('running', 'paused')
  and pool.network ->> 'mode' <> 'bridge' and not desktop.address <<= cluster.supernet)`

/** Hosts with desktops that have an address of another cluster: tallies tell that, so no other desktops are looked at. */
const foreignHosts = sql<string>`any(array(
  select t.host_id from tally t join host h on h.id = t.host_id join cluster c on c.id = h.cluster_id
  where not t.subnet <<= c.supernet group by t.host_id having sum(t.n) > 0))`

/**
 * Of a `desktop` whose disk is open elsewhere: something of `old`, the last host it was on that is lost, where its old copy
 * may run. Null: its disk is free, or it was on no such host.
 */
export const ofOldHost = <T>(
  what: RawBuilder<T>,
) => sql<T | null>`case when desktop.observed_trouble ->> 'code' = 'disk_in_use' then (
  select ${what} from transition
  join host old on old.id = transition.host_id and old.state = 'lost' and old.id <> desktop.host_id
  where transition.desktop_id = desktop.id order by transition.id desc limit 1) end`

const oldHost = ofOldHost(
  sql<{
    id: string
    name: string
    /** Nobody made sure yet that it is off. */
    fence: boolean
  }>`jsonb_build_object('id', old.id, 'name', old.name, 'fence', coalesce(old.fenced_at < old.state_since, true))`,
)

/** What a host's agent knows to do of what older ones do not. */
const hostCanDo = sql<string[] | null>`host.observed_facts -> 'can'`

const troubled = (eb: ExpressionBuilder<Database, 'desktop'>) =>
  eb.or([
    eb('desktop.observed_trouble', 'is not', null),
    eb.and([eb('desktop.phase', '=', 'unknown'), eb('desktop.user_id', 'is not', null)]),
  ])

/** Desktops with the names of what they belong to, by name: what pages and programs are shown. */
export function desktopRows(db: Pick<Db, 'selectFrom'>, filter: DesktopFilter) {
  let query = db
    .selectFrom('desktop')
    .innerJoin('pool', 'pool.id', 'desktop.pool_id')
    .innerJoin('host', 'host.id', 'desktop.host_id')
    .innerJoin('cluster', 'cluster.id', 'host.cluster_id')
    .innerJoin('template_version', 'template_version.id', 'desktop.version_id')
    .leftJoin('user_account', 'user_account.id', 'desktop.user_id')
    .leftJoin('migration as move', join =>
      join.onRef('move.desktop_id', '=', 'desktop.id').on('move.ended_at', 'is', null),
    )
    .leftJoin('host as move_host', 'move_host.id', 'move.to_host_id')
    .selectAll('desktop')
    .select(['move.id as move_id', 'move.state as move_state', 'move.kind as move_kind', 'move.text as move_text'])
    .select(['move.progress as move_progress', 'move_host.id as move_host_id', 'move_host.name as move_host_name'])
    .select([
      'pool.name as pool_name',
      'pool.kind as pool_kind',
      'pool.warm as pool_warm',
      'pool.enabled as pool_enabled',
      'pool.ha',
      'host.name as host_name',
      'host.state as host_state',
      hostCanDo.as('host_can'),
      'cluster.name as cluster_name',
      'cluster.bin_days',
      'template_version.number as version_number',
      'user_account.name as user_name',
      'pool.network as pool_network',
      'cluster.networks',
      foreignNetwork.as('foreign_network'),
      oldHost.as('old_host'),
      desktopIsCaptured.as('captured'),
      desktopCapturedBy.as('captured_by'),
      desktopBackAt.as('back_at'),
      desktopPinned.as('pinned'),
      volumeNames.as('volume_names'),
    ])
  query = query.where(narrowed(filter))
  if (filter.binned) query = query.where('desktop.binned_at', 'is not', null)
  else if (!filter.ids) query = query.where('desktop.binned_at', 'is', null)
  if (filter.noNetwork) query = query.where(foreignNetwork).where('desktop.host_id', '=', foreignHosts)
  if (filter.search) query = query.where('desktop.name', '=', found(db, filter, filter.search))
  return pageOfRows(query.orderBy('desktop.name'), filter.limit).execute()
}

/** What a desktop's own columns tell. */
const narrowed = (filter: DesktopFilter) => (eb: ExpressionBuilder<Database, 'desktop'>) =>
  eb.and([
    ...(filter.ids ? [eb('desktop.id', 'in', filter.ids)] : []),
    ...(filter.userId ? [eb('desktop.user_id', '=', filter.userId)] : []),
    ...(filter.poolId ? [eb('desktop.pool_id', '=', filter.poolId)] : []),
    ...(filter.hostId ? [eb('desktop.host_id', '=', filter.hostId)] : []),
    // In the text: the plan for a phase that few have is another one than for `ready`.
    ...(filter.phase ? [eb('desktop.phase', '=', sql.lit(filter.phase as Phase))] : []),
    ...(filter.name ? [eb('desktop.name', '=', filter.name)] : []),
    // Few are not ready: those have an index of their own.
    ...(filter.troubled ? [eb('desktop.phase', '<>', sql.lit<Phase>('ready')), troubled(eb)] : []),
    ...(filter.after ? [eb('desktop.name', '>', filter.after)] : []),
  ])

/**
 * Names of the first desktops with this in their name, their person's or their address; `%` and `_` typed by a person
 * are themselves. People are looked for in an index of their own; names and addresses are in one, read in the order of
 * the page until it is full: reading all desktops costs many times as much. Desktops' names are lower case and
 * have no dots; addresses are only looked at for what may be a part of one.
 */
function found(db: Pick<Db, 'selectFrom'>, filter: DesktopFilter, text: string) {
  const pattern = holding(text)
  const first = () =>
    db
      .selectFrom('desktop')
      .select('desktop.name')
      .where(narrowed(filter))
      .$if(!filter.binned, query => query.where('desktop.name', '<>', binnedNames))
      .$if(filter.binned === true, query => query.where('desktop.binned_at', 'is not', null))
      .orderBy('desktop.name')
      // Of these the page takes some only: whether a desktop has no network is not told by its own columns.
      .$if(!filter.noNetwork, query => query.limit(sql.lit(filter.limit ?? 1000)))
  const people = db.selectFrom('user_account').select('id').where('name', 'ilike', pattern)
  const named = sql<boolean>`desktop.name like ${pattern.toLowerCase()}`
  const addressed = sql<boolean>`desktop.address_text like ${pattern}`
  return sql<string>`any(array(${sql.join(
    [
      first().where(eb =>
        !/^[\d.]+$/.test(text) ? named : text.includes('.') ? addressed : eb.or([named, addressed]),
      ),
      first().where('desktop.user_id', 'in', people),
    ],
    sql` union all `,
  )}))`
}

/** Whether any changed since its phase was last worked out, also one that somebody holds locked. */
export async function desktopsDirtyAny(db: Kysely<Database>): Promise<boolean> {
  const { rows } = await sql`select from desktop where dirty limit 1`.execute(db)
  return rows.length > 0
}

/**
 * Rows that changed since their phase was last worked out, with their open receipts, locked for this transaction; and how
 * many there are in all, those among them that somebody else holds locked.
 */
export function desktopsDirty(tx: Tx, limit: number) {
  return (
    tx
      .selectFrom('desktop')
      .innerJoin('pool', 'pool.id', 'desktop.pool_id')
      .innerJoin('host', 'host.id', 'desktop.host_id')
      .selectAll('desktop')
      .select(['pool.kind as pool_kind', 'host.state as host_state'])
      // A scalar: nothing can be locked on the empty side of a join.
      .select(eb =>
        eb
          .selectFrom('migration as move')
          .select('move.kind')
          .whereRef('move.desktop_id', '=', 'desktop.id')
          .where('move.ended_at', 'is', null)
          .where('move.state', '=', 'moving')
          .as('moving'),
      )
      .select(eb =>
        eb
          .selectFrom('migration as open')
          .select('open.id')
          .whereRef('open.desktop_id', '=', 'desktop.id')
          .where('open.ended_at', 'is', null)
          .as('move_id'),
      )
      .select(
        sql<ReceiptOpen[]>`(
          select coalesce(jsonb_agg(t), '[]') from (
            select id, kind, state, progress, steps, goal from task
            where subject_id = desktop.id and state in ('queued', 'running')) t)`.as('receipts'),
      )
      .select(sql<number>`(select count(*)::int from desktop where dirty)`.as('dirty_in_all'))
      .where('desktop.dirty', '=', true)
      .limit(limit)
      .forUpdate('desktop')
      .skipLocked()
      .execute()
  )
}

/** All desktops of a host are looked at again: the host itself changed. */
export async function desktopsTouch(tx: Tx, hostId: string) {
  // Locked in their order, as everybody locks them.
  await sql`
    with locked as (select id from desktop where host_id = ${hostId} order by id for update)
    update desktop d set dirty = true from locked where d.id = locked.id`.execute(tx)
}

/** What the desktops reconciler makes of a row; it alone writes these columns. */
export interface DesktopSettled {
  id: string
  phase: Phase
  phase_reason: string
  session_state: DesktopTable['session_state']
  disk_incarnation: number | null
  setup_done: string | null
  claim_task_id: string | null
}

/** Writes what became of rows that `desktopsDirty` locked and of their receipts, and notes each new phase, in one statement. */
export async function desktopsSettle(tx: Tx, settled: DesktopSettled[], receipts: TaskSettled[], now: Date) {
  if (settled.length === 0) return
  await sql`
    with ${receiptsSettled(receipts, now)}, settled as (
      select * from jsonb_to_recordset(${JSON.stringify(settled)}::jsonb) as s(id uuid, phase text, phase_reason text,
        session_state text, disk_incarnation int, setup_done text, claim_task_id uuid)
    ), noted as (
      insert into transition (desktop_id, pool_id, host_id, user_id, at, was, became, reason)
      select d.id, d.pool_id, d.host_id, d.user_id, ${now}::timestamptz, d.phase, s.phase, s.phase_reason
      from settled s join desktop d on d.id = s.id where d.phase <> s.phase order by d.id
    )
    update desktop d set dirty = false, phase = s.phase, phase_reason = s.phase_reason,
      phase_since = case when d.phase = s.phase then d.phase_since else ${now}::timestamptz end,
      session_state = s.session_state,
      session_since = case when d.session_state is not distinct from s.session_state then d.session_since
        when s.session_state is null then null else ${now}::timestamptz end,
      disk_incarnation = s.disk_incarnation, setup_done = s.setup_done, claim_task_id = s.claim_task_id
    from settled s where d.id = s.id`.execute(tx)
}

/** It shall stand still although it was wished to run: its host cannot, or its guest ended itself. */
export async function desktopRest(tx: Tx, id: string) {
  await tx.updateTable('desktop').set({ wished_power: 'stopped', dirty: false }).where('id', '=', id).execute()
}

export async function desktopsDelete(tx: Tx, ids: string[]) {
  if (ids.length > 0) await tx.deleteFrom('desktop').where('id', 'in', ids).execute()
}

/** Newest first. */
export function transitionsOf(db: Db, desktopId: string, limit: number, before?: number) {
  let query = db
    .selectFrom('transition')
    .leftJoin('user_account', 'user_account.id', 'transition.user_id')
    .select(['transition.id', 'at', 'was', 'became', 'reason', 'user_account.name as user_name', 'life'])
    .where('desktop_id', '=', desktopId)
  if (before) query = query.where('transition.id', '<', before)
  return query.orderBy('transition.id', 'desc').limit(limit).execute()
}

/** A desktop nobody has moves to another template version: a new disk, and the pool's hardware of today. */
export async function desktopUpgrade(
  tx: Tx,
  id: string,
  to: { versionId: string; hardware: HardwareValue },
): Promise<boolean> {
  const row = await tx
    .updateTable('desktop')
    .set(eb => ({
      version_id: to.versionId,
      hardware: JSON.stringify(to.hardware),
      wished_incarnation: eb('wished_incarnation', '+', 1),
    }))
    .where('id', '=', id)
    .where('user_id', 'is', null)
    .where('wished_present', '=', true)
    // Who planned it may have read the pool before it was given another version.
    .where(
      sql<boolean>`exists (select from pool p join template_version v on v.id = ${to.versionId}
        where p.id = desktop.pool_id and coalesce(p.template_version, v.number) = v.number)`,
    )
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}
