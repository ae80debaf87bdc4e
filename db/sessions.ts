import { type Kysely, sql } from 'kysely'
import type { Tx } from './connect.ts'
import type { Database, GraphicsWish } from './schema.ts'

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
  // One screen: whoever had it loses it, and hears why if another has it now.
  await tx
    .updateTable('session')
    .set(eb => ({
      ended_at: session.created_at,
      ended_reason: eb.case().when('user_id', '=', session.user_id).then('replaced').else('taken').end(),
    }))
    .where('desktop_id', '=', session.desktop_id)
    .where('ended_at', 'is', null)
    .execute()
  await tx
    .insertInto('session')
    .values({ ...session, ended_at: null, ended_reason: null })
    .execute()
}

export async function sessionsEnd(tx: Tx, desktopIds: string[], now: Date) {
  if (desktopIds.length === 0) return
  await tx
    .updateTable('session')
    .set({ ended_at: now })
    .where('desktop_id', 'in', desktopIds)
    .where('ended_at', 'is', null)
    .execute()
}

export interface SessionOver {
  id: string
  /** Somebody else opened the screen. */
  taken: boolean
}

/**
 * Of the sessions a gateway carries, those that are over, unknown ones included. One that its person replaced is not told:
 * SPICE itself ends the older screen.
 */
export async function sessionsOver(db: Kysely<Database>, ids: string[]): Promise<SessionOver[]> {
  if (ids.length === 0) return []
  const { rows } = await sql<SessionOver>`
    select s.id, coalesce(session.ended_reason = 'taken', false) as taken
    from unnest(${ids}::uuid[]) s(id) left join session on session.id = s.id
    where session.id is null or (session.ended_at is not null and session.ended_reason is distinct from 'replaced')`.execute(
    db,
  )
  return rows
}

/**
 * Who looks at the screen now. Nobody's name: somebody who came past us. Undefined while nobody is connected, as its host
 * last said.
 */
export async function screenHolder(db: Kysely<Database>, desktopId: string) {
  const row = await db
    .selectFrom('desktop')
    .leftJoin('session', join => join.onRef('session.desktop_id', '=', 'desktop.id').on('session.ended_at', 'is', null))
    .leftJoin('user_account', 'user_account.id', 'session.user_id')
    .select(['session.user_id', 'user_account.name', 'session.created_at as since'])
    .select(sql<boolean>`coalesce(wished_graphics -> 'watch' = 'true', false)`.as('watch'))
    .where('desktop.id', '=', desktopId)
    .where('observed_clients', '>', 0)
    .executeTakeFirst()
  return row
}

/** Of one session: whether it is over, by whose hand, and whether its desktop moves or has moved since it began. Undefined: not this person's. */
export async function sessionMove(
  db: Kysely<Database>,
  of: { sessionId: string; desktopId: string; userId: string },
): Promise<{ ended: boolean; taken: boolean; moving: boolean; moved: boolean } | undefined> {
  const { rows } = await sql<{ ended: boolean; taken: boolean; moving: boolean; moved: boolean }>`
    select s.ended_at is not null as ended, coalesce(s.ended_reason = 'taken', false) as taken,
      exists (select from migration m where m.desktop_id = s.desktop_id and m.state = 'moving') as moving,
      exists (select from migration m where m.desktop_id = s.desktop_id and m.state = 'done'
        and m.ended_at > s.created_at) as moved
    from session s where s.id = ${of.sessionId} and s.desktop_id = ${of.desktopId} and s.user_id = ${of.userId}`.execute(
    db,
  )
  return rows[0]
}

/** Where its screen is, as last reported. */
export async function desktopGraphics(db: Kysely<Database>, id: string) {
  const row = await db.selectFrom('desktop').select('observed_graphics').where('id', '=', id).executeTakeFirst()
  return row?.observed_graphics ?? null
}
