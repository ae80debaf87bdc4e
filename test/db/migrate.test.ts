import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { migrateDatabase } from '../../db/migrate.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await freshDatabase()
})
afterAll(() => database?.[Symbol.asyncDispose]())

describe('a database', () => {
  it('that stands as this version wants it is left alone', async () => {
    await migrateDatabase(database.db)
  })

  it('that cannot be brought to this version says why and what to do, and stays as it was', async () => {
    const { db } = database
    // From one on that makes a table.
    const since = await sql<{ name: string; timestamp: string }>`
      delete from kysely_migration where name >= '0010' returning name, timestamp`.execute(db)
    const refused = {
      code: 'internal',
      message: expect.stringMatching(/already exists.*Go on with the version before/),
    }
    await expect(migrateDatabase(db)).rejects.toMatchObject(refused)
    for (const { name, timestamp } of since.rows)
      await sql`insert into kysely_migration (name, timestamp) values (${name}, ${timestamp})`.execute(db)
    await migrateDatabase(db)
  })

  it('of another version is not opened: it says which, and what to do', async () => {
    const { db } = database
    await sql`insert into kysely_migration (name, timestamp) values ('9999-tomorrow', now()::text)`.execute(db)
    const message = expect.stringMatching(/newer.*9999-tomorrow.*Install that version, or restore a backup/)
    await expect(migrateDatabase(db)).rejects.toMatchObject({ code: 'conflict', message })
  })
})
