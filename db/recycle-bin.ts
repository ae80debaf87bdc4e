/** Desktops that were deleted and can still be restored: their rows stay, marked (migrations/0016). */
import { type Kysely, sql } from 'kysely'
import type { Tx } from './connect.ts'
import type { Database } from './schema.ts'

/** Slots from here on are of desktops in the bin: the person's others take no notice of them. */
const binSlots = 1_000_000

/** So long the desktops of a host's cluster stay in the bin. */
export async function binDays(tx: Tx, hostId: string): Promise<number> {
  const row = await tx
    .selectFrom('host')
    .innerJoin('cluster', 'cluster.id', 'host.cluster_id')
    .select('bin_days')
    .where('host.id', '=', hostId)
    .executeTakeFirst()
  return row?.bin_days ?? 0
}

/** Its owner stays its owner, and can have others meanwhile. */
export async function binPut(tx: Tx, id: string, stopGraceMs: number, now: Date) {
  await sql`
    update desktop d set binned_at = ${now}, wished_power = 'stopped', wished_stop_grace_ms = ${stopGraceMs},
      wished_graphics = null, origin_host_id = null, user_slot = (
        select 1 + coalesce(max(o.user_slot), 0) + ${binSlots} from desktop o
        where o.pool_id = d.pool_id and o.user_id = d.user_id)
    where d.id = ${id}`.execute(tx)
}

export async function binTake(tx: Tx, id: string) {
  await sql`
    update desktop d set binned_at = null, user_slot = (
        select 1 + coalesce(max(o.user_slot), 0) from desktop o
        where o.pool_id = d.pool_id and o.user_id = d.user_id and o.binned_at is null)
    where d.id = ${id}`.execute(tx)
}

/** Those whose time is over shall go. @returns them. */
export async function binEmpty(tx: Tx, now: Date) {
  const { rows } = await sql<{ id: string; pool_id: string; host_id: string; user_id: string | null; phase: string }>`
    with over as (
      select d.id from desktop d join host h on h.id = d.host_id join cluster c on c.id = h.cluster_id
      where d.binned_at is not null and d.wished_present
        and d.binned_at + make_interval(days => c.bin_days) <= ${now}::timestamptz
      order by d.id for update of d skip locked
    )
    update desktop d set wished_present = false from over where d.id = over.id
    returning d.id, d.pool_id, d.host_id, d.user_id, d.phase`.execute(tx)
  return rows
}

/** Desktops of a pool that are in the bin, and those that take a place of it. */
export async function binOfPool(db: Kysely<Database>, poolId: string): Promise<{ binned: number; size: number }> {
  const { rows } = await sql<{ binned: number; size: number }>`
    select (select count(*) from desktop where pool_id = ${poolId} and binned_at is not null and wished_present)::int as binned,
      (select coalesce(sum(n), 0) from tally where pool_id = ${poolId} and wished_present)::int as size`.execute(db)
  return rows[0] ?? { binned: 0, size: 0 }
}

/** Names of what is in the bin: few, and left out of searches that read names alone. */
export const binnedNames = sql<string>`all(array(select name from desktop where binned_at is not null))`
