import { z } from '@hono/zod-openapi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loginRoutes } from '../../api/login.ts'
import { route } from '../../api/route.ts'
import { HdcsError } from '../../lib/errors.ts'
import { startApi, type TestApi } from '../support/api.ts'

/** Counts what was really done, and ends when the test says so. */
let done = 0
let hold: Promise<void> = Promise.resolve()
const counting = [
  route({
    method: 'post',
    path: '/api/v1/things',
    operationId: 'thingMake',
    summary: 'Makes a thing',
    permission: 'self',
    body: z.object({ name: z.string() }),
    answers: { 201: z.object({ number: z.number() }) },
    handle: async ({ body }) => {
      await hold
      if (body.name === 'broken') throw new HdcsError('no_host', 'No host has room.')
      done++
      return { status: 201, body: { number: done }, headers: { location: `/api/v1/things/${done}` } }
    },
  }),
  route({
    method: 'post',
    path: '/api/v1/keys',
    operationId: 'keyMake',
    summary: 'Makes a secret',
    permission: 'self',
    answers: { 201: z.object({ token: z.string() }) },
    secret: true,
    handle: async () => ({ status: 201, body: { token: 'very-secret' } }),
  }),
]

let api: TestApi
let token: string
beforeAll(async () => {
  api = await startApi({ routes: [...loginRoutes, ...counting] })
  token = (await api.person('sender')).token
})
afterAll(() => api[Symbol.asyncDispose]())

const make = (key: string, name = 'thing', path = 'things', by = token) =>
  api.request(`/api/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${by}`, 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify({ name }),
  })

describe('a request with an Idempotency-Key', () => {
  it('is done once, and answered again with the same words', async () => {
    const first = await make('once')
    const again = await make('once')
    expect([again.status, await again.text(), again.headers.get('location')]).toEqual([
      201,
      await first.text(),
      first.headers.get('location'),
    ])
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect(done).toBe(1)
  })

  it('is refused when the key was used for something else', async () => {
    expect((await make('once', 'another thing')).status).toBe(409)
  })

  it('is told to wait while the first is being worked on, and done once however many come', async () => {
    let release = () => {}
    hold = new Promise(resolve => {
      release = resolve
    })
    const before = done
    const many = Array.from({ length: 10 }, () => make('rush'))
    const firstNine: Response[] = []
    await new Promise<void>(resolve => {
      for (const one of many)
        void one.then(response => {
          firstNine.push(response)
          if (firstNine.length === 9) resolve()
        })
    })
    for (const response of firstNine) expect([response.status, response.headers.get('retry-after')]).toEqual([409, '1'])
    release()
    const statuses = (await Promise.all(many)).map(response => response.status)
    expect(statuses.filter(status => status === 201)).toHaveLength(1)
    expect(done).toBe(before + 1)
    hold = Promise.resolve()
  })

  it('may be tried again after a failure', async () => {
    expect((await make('retry', 'broken')).status).toBe(503)
    expect((await make('retry', 'broken')).status).toBe(503)
    expect((await make('retry', 'whole')).status).toBe(201)
  })

  it('belongs to its person: another one may use the same key', async () => {
    const other = await api.person('other-sender')
    expect((await make('once', 'their own thing', 'things', other.token)).status).toBe(201)
  })

  it('is done anew a day later', async () => {
    const before = done
    api.clock.forward(24 * 3_600_000 + 1)
    token = (await api.person('next-day')).token
    await make('daily')
    api.clock.forward(24 * 3_600_000 + 1)
    token = (await api.auth.principals.find(token)) ? token : (await api.person('day-after')).token
    await make('daily')
    expect(done).toBe(before + 2)
  })

  it('never has a secret kept for it', async () => {
    expect((await make('secret', 'x', 'keys')).status).toBe(201)
    const again = await make('secret', 'x', 'keys')
    expect(again.status).toBe(409)
    const rows = await api.broker.db.selectFrom('idempotency').selectAll().execute()
    expect(JSON.stringify(rows)).not.toContain('very-secret')
  })

  it('is refused when the key is no key', async () => {
    expect((await make('x'.repeat(201))).status).toBe(400)
  })
})
