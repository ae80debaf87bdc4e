import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ensureFirstAdministrator } from '../../auth/first-admin.ts'
import { passwordVerify } from '../../auth/password.ts'
import { makePrincipals } from '../../auth/principals.ts'
import { apiTokenMake, sessionOpen, tokenHash } from '../../auth/tokens.ts'
import { connectDatabase, type Db } from '../../db/connect.ts'
import { userByName, userCreate } from '../../db/users.ts'
import { newId } from '../../lib/ids.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'

let database: TestDatabase
let db: Db
let nowMs = Date.now()
const clock = { now: () => new Date(nowMs) }
beforeAll(async () => {
  database = await freshDatabase()
  db = database.db
})
afterAll(() => database[Symbol.asyncDispose]())

async function person(roles = ['person']) {
  const id = newId()
  const user = {
    id,
    name: `p-${id}`,
    display_name: 'P',
    email: null,
    password_hash: null,
    password_temporary: false,
    roles,
    disabled: false,
  }
  await userCreate(db, user)
  return id
}

describe('finding the person behind a token', () => {
  /** The statements sent to the database meanwhile. */
  let asked = 0
  let counted: Db
  beforeEach(() => {
    asked = 0
    const inner = connectDatabase(database.url, () => {})
    counted = inner.withPlugin({
      transformQuery: ({ node }) => {
        asked++
        return node
      },
      transformResult: async ({ result }) => result,
    })
  })

  it('asks the database once in two seconds, however many requests come', async () => {
    const { token } = await sessionOpen(db, await person(), 'x', clock.now())
    const principals = makePrincipals(counted, clock)
    const found = await Promise.all(Array.from({ length: 50 }, () => principals.find(token)))
    expect(new Set(found.map(principal => principal?.name)).size).toBe(1)
    expect(asked).toBe(1)
    nowMs += 2_000
    await principals.find(token)
    expect(asked).toBe(2)
    await counted.destroy()
  })

  it('asks nothing for what cannot be a token', async () => {
    const principals = makePrincipals(counted, clock)
    for (const text of ['', 'hdcs_', 'x'.repeat(48), `hdcs_${'!'.repeat(43)}`])
      expect(await principals.find(text)).toBeUndefined()
    expect(asked).toBe(0)
    await counted.destroy()
  })

  it('uses the index of the hash', async () => {
    await sql`set enable_seqscan = off`.execute(db)
    const { rows } = await sql<{
      'QUERY PLAN': string
    }>`explain select 1 from token where hash = ${tokenHash(`hdcs_${'a'.repeat(43)}`)}`.execute(db)
    expect(rows.map(row => row['QUERY PLAN']).join()).toContain('token_hash_key')
    await counted.destroy()
  })

  it('gives only rights that the policy knows', async () => {
    const { token } = await sessionOpen(db, await person(['person', 'formerRole']), 'x', clock.now())
    const principal = await makePrincipals(db, clock).find(token)
    expect(principal?.roles).toEqual(['person'])
    await counted.destroy()
  })

  it('forgets at once what it is told to forget, even a question still on its way', async () => {
    const userId = await person()
    const { token, id } = await sessionOpen(db, userId, 'x', clock.now())
    const principals = makePrincipals(db, clock)
    const onItsWay = principals.find(token)
    await sql`delete from token where id = ${id}`.execute(db)
    principals.forget({ tokenId: id })
    await onItsWay
    expect(await principals.find(token)).toBeUndefined()
    await counted.destroy()
  })

  it('fails when the database fails, and asks again next time', async () => {
    const { token } = await sessionOpen(db, await person(), 'x', clock.now())
    let broken = true
    const breaking = counted.withPlugin({
      transformQuery: ({ node }) => {
        if (broken) throw new Error('away')
        return node
      },
      transformResult: async ({ result }) => result,
    })
    const principals = makePrincipals(breaking, clock)
    await expect(principals.find(token)).rejects.toThrow('away')
    broken = false
    expect(await principals.find(token)).toBeDefined()
    await counted.destroy()
  })
})

describe('tokens', () => {
  it('are kept as hashes only', async () => {
    const { token } = await apiTokenMake(db, await person(), { name: 'x', days: 1 }, clock.now())
    const { rows } = await sql<{ text: string }>`select token::text as text from token`.execute(db)
    expect(rows.some(row => row.text.includes(token))).toBe(false)
  })
})

describe('the first administrator', () => {
  it('is made once, with a password only its file and its maker know', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hdcs-admin-'))
    const file = join(folder, 'password')
    writeFileSync(file, 'left by an earlier try', { mode: 0o644 })
    const other = connectDatabase(database.url, () => {})
    const made = await Promise.all([ensureFirstAdministrator(db, { file }), ensureFirstAdministrator(other, { file })])
    await other.destroy()
    const passwords = made.flatMap(({ password }) => password ?? [])
    expect(passwords).toHaveLength(1)
    expect(readFileSync(file, 'utf8')).toBe(`${passwords[0]}\n`)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const admin = await userByName(db, 'admin')
    expect(admin?.roles).toEqual(['userAdministrator', 'infrastructureAdministrator', 'person'])
    expect(await passwordVerify(passwords[0] ?? '', admin?.password_hash ?? null)).toBe(true)
    expect(await ensureFirstAdministrator(db, { file, password: 'another one' })).toEqual({
      name: 'admin',
      password: null,
    })
    rmSync(folder, { recursive: true })
  })

  it('has the password that was given, which is written nowhere', async () => {
    await using fresh = await freshDatabase()
    const file = join(tmpdir(), `hdcs-never-${newId()}`)
    expect(await ensureFirstAdministrator(fresh.db, { file, password: 'chosen by me' })).toEqual({
      name: 'admin',
      password: null,
    })
    expect(() => statSync(file)).toThrow('ENOENT')
    const admin = await userByName(fresh.db, 'admin')
    expect(await passwordVerify('chosen by me', admin?.password_hash ?? null)).toBe(true)
  })
})
