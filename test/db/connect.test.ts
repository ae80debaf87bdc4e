import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectDatabase, type Db, pageOfRows } from '../../db/connect.ts'
import { siteInsert } from '../../db/sites.ts'
import { newId } from '../../lib/ids.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'

let database: TestDatabase
let db: Db
beforeAll(async () => {
  database = await freshDatabase()
  // One connection: what it keeps is seen by whoever asks next.
  db = connectDatabase(database.url, () => {}, 1)
  await siteInsert(db, { id: newId(), name: 'main' })
})
afterAll(async () => {
  await db?.destroy()
  await database?.[Symbol.asyncDispose]()
})

const page = (limit: number) => pageOfRows(db.selectFrom('site').selectAll().orderBy('name'), limit).execute()
const plans = async () => {
  const { rows } = await sql<{ n: number }>`select count(*) as n from pg_prepared_statements`.execute(db)
  return rows[0]?.n
}

it('plans a page once and again when its length is another, but never more than so many', async () => {
  for (const limit of [1, 2, 1, 2]) await page(limit)
  expect(await plans()).toBe(2)
  for (let limit = 1; limit <= 60; limit++) await page(limit)
  expect(await plans()).toBe(50)
  expect(await page(60)).toEqual(await page(1000))
})

it('reads on when somebody changed the table meanwhile', async () => {
  const before = await page(1)
  await sql`alter table site add column note text`.execute(database.db)
  expect(await page(1)).toEqual(before.map(row => ({ ...row, note: null })))
  expect(await page(1)).toHaveLength(1)
})
