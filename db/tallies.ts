/** Sums of desktops (migrations/0005): what adds up to the same is folded into one row, which changes no sum. */
import { type Kysely, sql } from 'kysely'
import type { Db, Tx } from './connect.ts'
import type { Database } from './schema.ts'

/** Rows from which folding is worth while. More: every list adds up more; fewer: the table is written for nothing. */
const foldFrom = 500

/** @returns whether anything was folded. */
export async function talliesFold(db: Db | Tx): Promise<boolean> {
  const { rows } = await sql<{ worth: boolean }>`
    select count(*) > greatest(${foldFrom}, 2 * count(distinct (pool_id, host_id, version_id, subnet, phase, free, connected,
      wished_power, wished_present))) as worth from tally`.execute(db)
  if (!rows[0]?.worth) return false
  await sql`
    with taken as (delete from tally returning *)
    insert into tally
      select pool_id, host_id, version_id, subnet, phase, free, connected, wished_power, wished_present, sum(n),
        sum(vcpus), sum(memory_bytes)
      from taken group by 1, 2, 3, 4, 5, 6, 7, 8, 9
      having sum(n) <> 0 or sum(vcpus) <> 0 or sum(memory_bytes) <> 0`.execute(db)
  return true
}

/** Desktops of each pool by what its list shows. */
export const poolTallies = (db: Kysely<Database>) =>
  db
    .selectFrom('tally as t')
    .select('t.pool_id')
    // The recycle bin's are no more of it than what is gone.
    .where(eb => eb.or([eb('t.wished_present', '=', true), eb('t.phase', '=', 'removing')]))
    .select([
      sum(sql`true`).as('total'),
      sum(sql`phase = 'ready' and free`).as('ready'),
      sum(sql`phase in ('starting', 'making') and free`).as('starting'),
      sum(sql`phase = 'stopped' and free`).as('stopped'),
      sum(sql`not free`).as('assigned'),
      sum(sql`connected`).as('connected'),
      sum(sql`phase = 'failed'`).as('failed'),
      sum(sql`phase in ('recycling', 'removing')`).as('recycling'),
    ])
    .groupBy('t.pool_id')

/** What is on each host, and what of that is wished to run, reported or not. */
export const hostTallies = (db: Kysely<Database>) =>
  db
    .selectFrom('tally as t')
    .select('t.host_id')
    .where('t.wished_present', '=', true)
    .select([
      sum(sql`true`).as('desktops'),
      sum(sql`wished_power <> 'stopped'`).as('running'),
      sql<number>`coalesce(sum(vcpus) filter (where wished_power <> 'stopped'), 0)::bigint`.as('vcpus'),
      sql<number>`coalesce(sum(memory_bytes) filter (where wished_power <> 'stopped'), 0)::bigint`.as('memory_bytes'),
    ])
    .groupBy('t.host_id')

const sum = (condition: ReturnType<typeof sql>) => sql<number>`coalesce(sum(n) filter (where ${condition}), 0)`
