import type { Kysely } from 'kysely'
import type { Database } from './schema.ts'

/** Desktops of a host that boot or wait for their turn, as its agent last told: those that boot first, then by place. */
export function bootQueueRows(db: Kysely<Database>, hostId: string) {
  return db
    .selectFrom('desktop')
    .innerJoin('pool', 'pool.id', 'desktop.pool_id')
    .leftJoin('user_account', 'user_account.id', 'desktop.user_id')
    .select(['desktop.id', 'desktop.name', 'pool.id as pool_id', 'pool.name as pool_name'])
    .select(['user_account.name as user_name', 'observed_step', 'observed_queue_place', 'step_since'])
    .where('host_id', '=', hostId)
    .where('observed_step', 'in', ['starting', 'booting', 'queued'])
    .orderBy('observed_queue_place', order => order.asc().nullsFirst())
    .orderBy('step_since')
    .limit(1000)
    .execute()
}
