import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect, it } from 'vitest'
import { startEmbeddedPostgres } from '../../db/embedded.ts'

const ask = async (url: string) => {
  const client = new pg.Client(url)
  await client.connect()
  return client
}

it('a server found running is left to whoever uses it, and ended when nobody does', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hdcs-pg-'))
  const first = await startEmbeddedPostgres(folder)
  const user = await ask(first.url)
  const second = await startEmbeddedPostgres(folder)
  expect([first.adopted, second.adopted]).toEqual([false, true])
  await second[Symbol.asyncDispose]()
  expect((await user.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  await user.end()
  // As after a crash: the one that started it never said goodbye, the one that adopted it does.
  const third = await startEmbeddedPostgres(folder)
  await third[Symbol.asyncDispose]()
  await expect(ask(first.url)).rejects.toThrow()
  rmSync(folder, { recursive: true })
})
