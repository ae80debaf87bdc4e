import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AnyRoute } from '../../api/route.ts'
import { routes } from '../../api/routes.ts'
import { auditEntryOf } from '../../api/trail.ts'
import { startApi, type TestApi, testPassword } from '../support/api.ts'
import { refusal } from '../support/refusal.ts'

let api: TestApi
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api[Symbol.asyncDispose]())

const trail = async (query: Record<string, string> = {}) => {
  const auditor = await api.person(`auditor-${Math.random().toString(36).slice(2)}`, ['auditor'])
  return (await auditor.client.auditList({ query })).items
}

describe('the trail', () => {
  it('holds every write: who, from where, what, on what, and how it ended', async () => {
    const admin = await api.person('writer', ['userAdministrator'])
    const group = await admin.client.groupCreate({ body: { name: 'written' } })
    expect(await trail({ action: 'groupCreate' })).toMatchObject([
      {
        userId: admin.id,
        userName: 'writer',
        address: 'local',
        subjectType: 'group',
        subjectId: group.id,
        outcome: 'ok',
        detail: { status: 201, body: { name: 'written' } },
      },
    ])
  })

  it('holds every refused attempt, reads too', async () => {
    const person = await api.person('curious')
    const { requestId } = await refusal(person.client.userList())
    expect(await trail({ outcome: 'forbidden' })).toMatchObject([
      { userName: 'curious', action: 'userList', requestId },
    ])
  })

  it('holds failed sign-ins under the name that was tried, and successful ones under the person', async () => {
    const { id } = await api.person('careful')
    await refusal(api.client().login({ body: { name: 'careful', password: 'secret guess' } }))
    await api.client().login({ body: { name: 'careful', password: testPassword } })
    const [after, before] = await trail({ action: 'login' })
    expect(before).toMatchObject({ userId: null, userName: 'careful', outcome: 'unauthenticated' })
    expect(after).toMatchObject({ outcome: 'ok', subjectId: id })
  })

  it('never holds a secret', async () => {
    const admin = await api.person('secretive', ['userAdministrator'])
    await admin.client.userCreate({ body: { name: 'holder', password: 'very secret words' } })
    await admin.client.meUpdate({ body: { password: { old: testPassword, new: 'even more secret words' } } })
    const all = JSON.stringify(await trail())
    for (const secret of ['very secret words', testPassword, 'even more secret words', 'secret guess'])
      expect(all).not.toContain(secret)
    expect(all).toContain('[cut]')
  })

  it('is not filled by somebody who is not signed in: the same refusal counts once a minute', async () => {
    for (let knock = 0; knock < 20; knock++) await refusal(api.client().poolList())
    expect(await trail({ action: 'poolList' })).toHaveLength(1)
    api.clock.forward(60_001)
    await refusal(api.client().poolList())
    expect(await trail({ action: 'poolList' })).toHaveLength(2)
  })

  it('is not filled by pages that ask whether one is signed in', async () => {
    await refusal(api.client().meGet())
    expect(await trail({ action: 'meGet' })).toEqual([])
  })

  it('is read newest first, page by page', async () => {
    const { client } = await api.person('reader', ['auditor'])
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: Awaited<ReturnType<typeof client.auditList>> = await client.auditList({
        query: { limit: 3, ...(cursor && { cursor }) },
      })
      seen.push(...page.items.map(entry => entry.id))
      cursor = page.nextCursor
    }
    expect(seen.length).toBeGreaterThan(6)
    expect(seen).toEqual([...new Set(seen)].sort().reverse())
  })

  it('loses nothing of a rush', async () => {
    const admin = await api.person('rusher', ['userAdministrator'])
    await Promise.all(Array.from({ length: 40 }, (_, n) => admin.client.groupCreate({ body: { name: `rush-${n}` } })))
    const entries = (await trail({ userId: admin.id })).filter(entry => entry.action === 'groupCreate')
    expect(new Set(entries.map(entry => entry.subjectId)).size).toBe(40)
  })

  it('does not undo what was done when it cannot be written', async () => {
    const admin = await api.person('unlucky', ['userAdministrator'])
    await api.broker.db.schema.alterTable('audit').renameTo('audit_away').execute()
    const group = await admin.client.groupCreate({ body: { name: 'still-made' } })
    await api.broker.db.schema.alterTable('audit_away').renameTo('audit').execute()
    expect((await admin.client.groupGet({ params: { id: group.id } })).name).toBe('still-made')
  })
})

describe('an entry', () => {
  const groupCreate = routes.find(route => route.operationId === 'groupCreate') as AnyRoute
  const entry = (body: unknown) =>
    auditEntryOf({
      route: groupCreate,
      principal: undefined,
      params: {},
      query: {},
      body,
      answer: undefined,
      outcome: 'invalid',
      status: 400,
      clientAddress: '192.0.2.1',
      requestId: 'r',
    })

  it('stays small whatever was sent, and stores what PostgreSQL cannot without it', () => {
    const deep = JSON.parse(`${'{"a":'.repeat(50)}1${'}'.repeat(50)}`)
    const sent = { text: 'x'.repeat(100_000), list: Array(10_000).fill('y'), deep, zero: 'a\0b', 'k\0ey': 1 }
    const text = JSON.stringify(entry(sent))
    expect(text.length).toBeLessThan(2_000)
    expect(text).not.toContain('\\u0000')
  })
})
