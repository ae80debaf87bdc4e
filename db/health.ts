import { sql } from 'kysely'
import type { Db } from './connect.ts'

/** Resolves when the database answers a question; rejects otherwise. */
export async function databaseAnswers(db: Db): Promise<void> {
  await sql`select 1`.execute(db)
}
