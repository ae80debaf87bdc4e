/**
 * A real PostgreSQL for tests: one server per test process tree, one database per test file.
 * `HDCS_TEST_DATABASE_URL` (set by the global setup) names the server; a file run alone starts its own.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { connectDatabase, type Db } from '../../db/connect.ts'
import { startEmbeddedPostgres } from '../../db/embedded.ts'
import { migrateDatabase } from '../../db/migrate.ts'

export interface TestDatabase extends AsyncDisposable {
  db: Db
  url: string
}

const serverVariable = 'HDCS_TEST_DATABASE_URL'

/** For vitest's globalSetup: the server that all files share, with the schema in a template database. */
export async function startTestServer(): Promise<AsyncDisposable> {
  const folder = mkdtempSync(join(tmpdir(), 'hdcs-pg-'))
  const server = await startEmbeddedPostgres(folder)
  await query(server.url, 'create database hdcs_template')
  const db = connectDatabase(named(server.url, 'hdcs_template'), () => {}, 2)
  await migrateDatabase(db)
  await db.destroy()
  process.env[serverVariable] = server.url
  return {
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A new database with the schema in it. */
export async function freshDatabase(): Promise<TestDatabase> {
  const own = process.env[serverVariable] ? undefined : await startTestServer()
  const server = process.env[serverVariable] as string
  const name = `test_${randomBytes(8).toString('hex')}`
  await query(server, `create database ${name} template hdcs_template`)
  const url = named(server, name)
  const db = connectDatabase(url, () => {})
  return {
    db,
    url,
    async [Symbol.asyncDispose]() {
      await db.destroy()
      await query(server, `drop database ${name} with (force)`)
      await own?.[Symbol.asyncDispose]()
      if (own) delete process.env[serverVariable]
    },
  }
}

const named = (url: string, database: string) => url.replace(/\/[^/]*$/, `/${database}`)

async function query(url: string, text: string) {
  const client = new pg.Client(url)
  await client.connect()
  // `create database … template` is refused while somebody looks at the template: two files starting at once.
  for (let attempt = 0; ; attempt++) {
    const failed = await client.query(text).then(
      () => undefined,
      error => error as Error & { code?: string },
    )
    if (!failed) break
    if (failed.code !== '55006' || attempt > 100) throw failed
  }
  await client.end()
}
