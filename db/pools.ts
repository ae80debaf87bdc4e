import { type Kysely, sql } from 'kysely'
import { hardwareFull } from '../lib/hardware.ts'
import { type Db, holding, pageOfRows, type Tx } from './connect.ts'
import { customising } from './customisation.ts'
import type { Database, HardwareValue, Phase, PoolStatus, Power } from './schema.ts'
import type { Affinity, PlacementPolicy } from './schema-hosts.ts'
import { poolTallies } from './tallies.ts'
import { versionCurrent } from './templates.ts'
import { desktopVerified } from './verifications.ts'

export type PoolRow = Awaited<ReturnType<typeof poolRows>>[number]

/** Whether a person may use a `pool`: everyone may, or this one, or one of the groups. */
const entitled = (userId: string) => sql<boolean>`exists (
  select from entitlement where pool_id = pool.id and (subject = 'everyone' or subject = 'user:' || ${userId}
    or subject in (select 'group:' || group_id from group_member where user_id = ${userId})))`

/** Pools that a person may use. */
export async function poolIdsUsable(db: Kysely<Database>, userId: string): Promise<string[]> {
  const rows = await db.selectFrom('pool').select('pool.id').where(entitled(userId)).execute()
  return rows.map(({ id }) => id)
}

/** Pools with their template and how many desktops are in which state, by name. @param filter.userId for whom `usable` and `own` are told. */
export function poolRows(
  db: Kysely<Database>,
  filter: {
    ids?: string[]
    name?: string | undefined
    /** A part of the name; `%`, `_` and `\` in it mean themselves. */
    search?: string | undefined
    after?: string | undefined
    limit?: number
    userId?: string
    /** Only what that person may use, and what is there to stay. */
    usable?: boolean
  },
) {
  const { userId } = filter
  let query = db
    .selectFrom('pool')
    .innerJoin('template', 'template.id', 'pool.template_id')
    .leftJoin(poolTallies(db).as('d'), 'd.pool_id', 'pool.id')
    .selectAll('pool')
    .select(['template.name as template_name', 'template.hardware as template_hardware'])
    .select(eb => [
      eb
        .selectFrom('template_version as v')
        .whereRef('v.template_id', '=', 'pool.template_id')
        .where('v.state', '=', 'sealed')
        .where(sql<boolean>`v.number = coalesce(pool.template_version, v.number)`)
        .select(sql<number>`max(v.number)`.as('n'))
        .as('current_version'),
    ])
    .select(({ fn, val }) =>
      (['total', 'ready', 'starting', 'stopped', 'assigned', 'connected', 'failed', 'recycling'] as const).map(name =>
        fn.coalesce(`d.${name}`, val(0)).as(name),
      ),
    )
    .select(eb => [
      (userId ? entitled(userId) : sql<boolean>`false`).as('usable'),
      eb
        .exists(
          eb
            .selectFrom('desktop')
            .select('desktop.id')
            .whereRef('desktop.pool_id', '=', 'pool.id')
            .where('desktop.user_id', '=', userId ?? null)
            .where('desktop.wished_present', '=', true)
            .where('desktop.binned_at', 'is', null),
        )
        .as('own'),
    ])
  if (filter.ids) query = query.where('pool.id', 'in', filter.ids)
  if (filter.name) query = query.where('pool.name', '=', filter.name)
  if (filter.search) query = query.where('pool.name', 'ilike', holding(filter.search))
  if (filter.after) query = query.where('pool.name', '>', filter.after)
  if (userId && filter.usable) query = query.where(entitled(userId)).where('pool.wished_present', '=', true)
  return pageOfRows(query.orderBy('pool.name'), filter.limit).execute()
}

export interface PoolNew {
  id: string
  name: string
  description: string
  kind: 'floating' | 'persistent'
  template_id: string
  template_version: number | null
  min_size: number
  max_size: number
  warm: number
  cold: number
  max_per_user: number
  hardware: string
  enabled: boolean
  cluster_ids?: string[]
  placement?: PlacementPolicy | null
  affinity?: Affinity
  needs?: string[]
  network?: string
  ha?: 'restart' | 'wait'
}

export async function poolInsert(db: Kysely<Database>, pool: PoolNew) {
  await db
    .insertInto('pool')
    .values({ placement: null, ...pool, restrained_until: null })
    .execute()
}

export async function poolSet(
  db: Kysely<Database>,
  id: string,
  set: Partial<Omit<PoolNew, 'id' | 'kind' | 'template_id'>> & {
    wished_present?: boolean
    remake_held?: boolean
    status?: PoolStatus
    status_text?: string
    restrained_until?: Date | null
    failures_since?: Date
  },
) {
  if (Object.keys(set).length > 0) await db.updateTable('pool').set(set).where('id', '=', id).execute()
}

/** A desktop that a person has, as a claim looks at it. */
export interface DesktopOwned {
  id: string
  name: string
  phase: Phase
  user_slot: number
  claim_task_id: string | null
  wished_power: Power
}

interface SeenByClaim {
  owned: DesktopOwned[]
  size: number
  any_free: boolean
  /** Nobody's, as its sums tell: some that run or are on their way to it; some that stand still, none just given back. */
  any_warm: boolean
  any_cold: boolean
}

const someFree = (how: ReturnType<typeof sql>) => sql<boolean>`coalesce(sum(n) filter (where free and ${how}), 0) > 0`

/** `offset 0`: worked out once, although it is read more than once. */
const seenByClaim = (userId: string) =>
  sql<SeenByClaim>`(
    select (
        select coalesce(jsonb_agg(o order by user_slot), '[]') from (
          select id, name, case when ${customising} and phase = 'ready' then 'starting' else phase end as phase,
            user_slot, claim_task_id, wished_power from desktop
          where pool_id = pool.id and user_id = ${userId} and wished_present and binned_at is null) o) as owned,
      coalesce(sum(n), 0) as size, ${someFree(sql`true`)} as any_free,
      ${someFree(sql`phase in ('ready', 'starting', 'stopped', 'making') and wished_power <> 'stopped'`)} as any_warm,
      ${someFree(sql`phase in ('stopped', 'making') and wished_power = 'stopped'`)} as any_cold
    from tally where pool_id = pool.id and wished_present
    offset 0)`.as<'seen'>('seen')

/**
 * The pool as one person claims from it, with what that person has of it, oldest slot first; undefined when that person
 * may not use it. One statement, because it stands on the path of every claim. Where a desktop has to be made or started
 * for this claim, it is also `poolGrowLock`: what the next statement reads is what there is to grow into.
 */
export function poolForClaim(tx: Kysely<Database>, id: string, userId: string) {
  return (
    tx
      .selectFrom('pool')
      .innerJoin('template', 'template.id', 'pool.template_id')
      .innerJoinLateral(
        () => seenByClaim(userId),
        join => join.onTrue(),
      )
      .selectAll('pool')
      .select('template.hardware as template_hardware')
      .select(eb => [
        eb
          .selectFrom('template_version as v')
          .select('v.id')
          .whereRef('v.template_id', '=', 'pool.template_id')
          .where('v.state', '=', 'sealed')
          .where(sql<boolean>`v.number = coalesce(pool.template_version, v.number)`)
          .orderBy('v.number', 'desc')
          .limit(1)
          .as('version_id'),
        'seen.owned',
        'seen.size',
        'seen.any_free',
        'seen.any_cold',
        sql<boolean>`case when seen.owned = '[]' and not seen.any_warm
            and (seen.any_cold or not seen.any_free and seen.size < pool.max_size)
          then pg_advisory_xact_lock(hashtextextended(pool.id::text, 1))::text
            || pg_advisory_xact_lock(4711)::text = '' else false end`.as('locked'),
      ])
      .where('pool.id', '=', id)
      .where('pool.wished_present', '=', true)
      .where(entitled(userId))
      // Against poolRemoveLock: a pool is not removed while somebody claims from it, nor claimed from while it is removed.
      .forKeyShare('pool')
      .executeTakeFirst()
  )
}

/** Waits for the claims that are under way and lets no new one begin before this transaction ends. */
export async function poolRemoveLock(tx: Tx, id: string) {
  await tx.selectFrom('pool').select('id').where('id', '=', id).forUpdate().executeTakeFirst()
}

/** What a desktop of this pool is made of today: the current version and the hardware; null while no version is sealed. */
export async function poolMakes(tx: Db | Tx, id: string) {
  const pool = await tx
    .selectFrom('pool')
    .innerJoin('template', 'template.id', 'pool.template_id')
    .select(['template_id', 'template_version', 'pool.hardware', 'template.hardware as template_hardware'])
    .where('pool.id', '=', id)
    .executeTakeFirst()
  const version = pool && (await versionCurrent(tx, pool))
  return pool && version ? { versionId: version.id, hardware: hardwareOf(pool.template_hardware, pool.hardware) } : null
}

export async function poolDeleteRow(tx: Tx, id: string) {
  await tx.deleteFrom('pool').where('id', '=', id).execute()
}

/** Only one process grows a pool at a time; held to the end of the transaction. */
export async function poolLock(tx: Tx, id: string) {
  await sql`select pg_advisory_xact_lock(hashtextextended(${id}, 1))`.execute(tx)
}

/** The same, and then `addressLock` (hosts.ts): what is read after it is what there is to grow into. */
export async function poolGrowLock(tx: Tx, id: string) {
  await sql`select pg_advisory_xact_lock(hashtextextended(${id}, 1)), pg_advisory_xact_lock(4711)`.execute(tx)
}

/** A pool's desktops as its plan needs them. */
export function poolDesktops(db: Kysely<Database>, poolId: string) {
  return db
    .selectFrom('desktop')
    .select(['id', 'name', 'phase', 'user_id', 'wished_power', 'wished_present', 'made_at', 'host_id', 'version_id'])
    .select(['phase_since', 'waits_for', 'binned_at', 'observed_trouble', 'memory_bytes'])
    .select(sql<string | null>`observed_trouble ->> 'code'`.as('trouble_code'))
    .select(desktopVerified.as('verified'))
    .where('pool_id', '=', poolId)
    .execute()
}

/** Failures while nobody had the desktop yet: what the restrain rule counts (pool-plans.ts). */
const poolFailed = (poolId: string) =>
  sql<boolean>`pool_id = ${poolId} and (became = 'claim undone' or became = 'failed' and user_id is null)`

/** Why the last of them failed. */
export async function poolFailureReason(db: Kysely<Database>, poolId: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('transition')
    .select('reason')
    .where(poolFailed(poolId))
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.reason
}

/** Median of the last starts of a pool's desktops, from asked to ready. */
export async function poolStartMs(db: Kysely<Database>, poolId: string): Promise<number | null> {
  const { rows } = await sql<{ ms: number | null }>`
    select percentile_cont(0.5) within group (order by ms) as ms from (
      select extract(epoch from r.at - s.at) * 1000 as ms
      from (select * from transition where pool_id = ${poolId} and became = 'ready' order by id desc limit 20) r
      cross join lateral (
        select at from transition s where s.desktop_id = r.desktop_id and s.id < r.id
          and s.became in ('making', 'starting') order by s.id desc limit 1) s
    ) starts`.execute(db)
  const ms = rows[0]?.ms
  return ms === null || ms === undefined ? null : Math.round(ms)
}

export function entitlementsOf(db: Kysely<Database>, poolId: string) {
  return db.selectFrom('entitlement').select('subject').where('pool_id', '=', poolId).execute()
}

export async function entitlementsReplace(tx: Tx, poolId: string, subjects: string[]) {
  await tx
    .deleteFrom('entitlement')
    .where('pool_id', '=', poolId)
    .where('subject', 'not in', subjects.length ? subjects : [''])
    .execute()
  if (subjects.length === 0) return
  await tx
    .insertInto('entitlement')
    .values(subjects.map(subject => ({ pool_id: poolId, subject })))
    .onConflict(conflict => conflict.doNothing())
    .execute()
}

/** The hardware a new desktop of this pool gets: the template's, with the pool's own wishes over it. */
export const hardwareOf = (template: HardwareValue, pool: Partial<HardwareValue>) =>
  hardwareFull({ ...template, ...pool })

export async function poolExists(db: Kysely<Database>, id: string): Promise<boolean> {
  return (await db.selectFrom('pool').select('id').where('id', '=', id).executeTakeFirst()) !== undefined
}

/** Pools in which a person has a desktop. */
/** Ids that are neither a person's nor a group's. */
export async function subjectsUnknown(db: Kysely<Database>, userIds: string[], groupIds: string[]): Promise<string[]> {
  const people =
    userIds.length > 0 ? await db.selectFrom('user_account').select('id').where('id', 'in', userIds).execute() : []
  const groups =
    groupIds.length > 0 ? await db.selectFrom('group_account').select('id').where('id', 'in', groupIds).execute() : []
  const known = new Set([...people, ...groups].map(row => row.id))
  return [...userIds, ...groupIds].filter(id => !known.has(id))
}

/**
 * How many of their ready desktops pools with free ones on a host can do without now, so that half of what they can have
 * stays ready. Those that cannot get others elsewhere by now (no room, paused, switched off) are not named.
 */
export async function warmSpared(tx: Tx, hostId: string): Promise<Map<string, number>> {
  const { rows } = await sql<{ id: string; spared: number }>`
    select p.id, greatest(0, t.ready - least(p.warm, p.max_size - t.taken) / 2)::int as spared
    from pool p
    cross join lateral (
      select coalesce(sum(n) filter (where free and phase = 'ready'), 0)::int as ready,
        coalesce(sum(n) filter (where not free), 0)::int as taken
      from tally where pool_id = p.id and wished_present) t
    where p.enabled and p.wished_present and p.status in ('ok', 'filling')
      and p.id in (select pool_id from desktop where host_id = ${hostId} and user_id is null)`.execute(tx)
  return new Map(rows.map(({ id, spared }) => [id, spared]))
}
