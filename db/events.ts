import { type Kysely, sql } from 'kysely'
import type { Database } from './schema.ts'

/** What events are about: the first words of their types, as the triggers of the tables note them. */
export const eventNouns = [
  'desktop',
  'pool',
  'template',
  'task',
  'host',
  'cluster',
  'site',
  'storagePool',
  'volume',
  'dongle',
  'user',
  'group',
] as const

export interface EventAudience {
  /** Null sees everything. */
  userId: string | null
  /** The pools this person may use. */
  poolIds: string[]
}

/** Events after an id, oldest first. */
export function eventRows(db: Kysely<Database>, after: number, audience: EventAudience, limit: number) {
  let query = db.selectFrom('event').selectAll().where('id', '>', after)
  if (audience.userId !== null) {
    const { userId, poolIds } = audience
    query = query.where(eb =>
      eb.or([
        eb('user_id', '=', userId),
        eb.and([
          eb('noun', '=', 'pool'),
          eb('pool_id', 'in', poolIds.length ? poolIds : ['00000000-0000-0000-0000-000000000000']),
        ]),
        // Somebody else's desktop changes what a pool has to offer.
        eb.and([
          eb('noun', '=', 'desktop'),
          eb('user_id', 'is', null),
          eb('pool_id', 'in', poolIds.length ? poolIds : ['00000000-0000-0000-0000-000000000000']),
        ]),
      ]),
    )
  }
  return query.orderBy('id').limit(limit).execute()
}

/** First and last event that can be told; 0 and 0 when there is none. */
export async function eventSpan(db: Kysely<Database>): Promise<{ oldest: number; newest: number }> {
  const row = await db
    .selectFrom('event')
    .select(eb => [eb.fn.min('id').as('oldest'), eb.fn.max('id').as('newest')])
    .executeTakeFirst()
  return { oldest: row?.oldest ?? 0, newest: row?.newest ?? 0 }
}

/** Pages that were away longer reread everything. */
export async function eventsPrune(db: Kysely<Database>) {
  await sql`delete from event where at < now() - interval '1 hour'`.execute(db)
}

/** Wakes a reconciler in whichever process leads. */
export async function nudge(db: Kysely<Database>, reconciler: string) {
  await sql`select pg_notify('hdcs_nudge', ${reconciler})`.execute(db)
}
