import { sql } from 'kysely'
import type { Db } from './connect.ts'

/** Resolves when the database answers a question; rejects otherwise. */
export async function databaseAnswers(db: Db): Promise<void> {
  await sql`select 1`.execute(db)
}

export async function desktopsByPhase(db: Db): Promise<Record<string, number>> {
  const rows = await db
    .selectFrom('desktop')
    .select(['phase', eb => eb.fn.countAll<number>().as('count')])
    .groupBy('phase')
    .execute()
  return Object.fromEntries(rows.map(row => [row.phase, row.count]))
}
