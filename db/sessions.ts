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
  await tx
    .updateTable('session')
    .set({ ended_at: session.created_at, ended_reason: 'replaced' })
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

/**
 * Of the sessions a gateway carries, those that are over, unknown ones included. One that its person replaced is not told:
 * SPICE itself ends the older screen.
 */
export async function sessionsOver(db: Kysely<Database>, ids: string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const { rows } = await sql<{ id: string }>`
    select s.id from unnest(${ids}::uuid[]) s(id) left join session on session.id = s.id
    where session.id is null or (session.ended_at is not null and session.ended_reason is distinct from 'replaced')`.execute(
    db,
  )
  return rows.map(row => row.id)
}

/** Of one session: whether it is over, and whether its desktop moves or has moved since it began. Undefined: not this person's. */
export async function sessionMove(
  db: Kysely<Database>,
  of: { sessionId: string; desktopId: string; userId: string },
): Promise<{ ended: boolean; moving: boolean; moved: boolean } | undefined> {
  const { rows } = await sql<{ ended: boolean; moving: boolean; moved: boolean }>`
    select s.ended_at is not null as ended,
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
