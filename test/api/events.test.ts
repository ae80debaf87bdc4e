import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeClient } from '../../api/client.ts'
import { eventText } from '../../api/events.ts'
import { makeEventParser } from '../../api/sse.ts'
import { eventNouns, eventsHeard, eventsSpan } from '../../broker/events.ts'
import { newId } from '../../lib/ids.ts'
import { startApi, type TestApi } from '../support/api.ts'
import { refusal } from '../support/refusal.ts'

let api: TestApi
const server = createServer()
let baseUrl = ''
beforeAll(async () => {
  api = await startApi()
  server.on('request', getRequestListener(api.app.fetch))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
  await api[Symbol.asyncDispose]()
})

/** Something happened, as the triggers of the machines' tables note it. */
async function happens(noun: string, what: string, userId: string | null = null) {
  const subject = newId()
  await api.broker.db
    .insertInto('event')
    .values({ noun, what, subject_id: subject, user_id: userId, pool_id: null })
    .execute()
  eventsHeard(api.broker)
  return subject
}

/** Listens as a page does. */
function listen(token: string, filter: { nouns?: string[]; lastEventId?: string } = {}) {
  const stop = new AbortController()
  let opened = () => {}
  const open = new Promise<void>(resolve => {
    opened = resolve
  })
  const events = makeClient({ baseUrl, token })
    .events({ ...filter, signal: stop.signal, onOpen: opened })
    [Symbol.asyncIterator]()
  return { next: async () => (await events.next()).value, done: async () => (await events.next()).done, open, stop }
}

describe('events', () => {
  it('arrive as they happen, at whoever may see their subject', async () => {
    const admin = await api.person('watcher', ['infrastructureAdministrator'])
    const person = await api.person('somebody')
    const all = listen(admin.token)
    const own = listen(person.token)
    const [seenByAll, seenByOwn] = [all.next(), own.next()]
    await Promise.all([all.open, own.open])
    const foreign = await happens('desktop', 'changed', admin.id)
    expect(await seenByAll).toMatchObject({ type: 'desktop.changed', subjectId: foreign })
    const mine = await happens('desktop', 'changed', person.id)
    expect(await seenByOwn).toMatchObject({ subjectId: mine, userId: person.id })
    expect(await all.next()).toMatchObject({ subjectId: mine })
    all.stop.abort()
    own.stop.abort()
  })

  it('can be narrowed to nouns', async () => {
    const { token } = await api.person('narrow', ['infrastructureAdministrator'])
    const tasks = listen(token, { nouns: ['task', 'host'] })
    const next = tasks.next()
    await tasks.open
    await happens('desktop', 'changed')
    const task = await happens('task', 'changed')
    expect(await next).toMatchObject({ type: 'task.changed', subjectId: task })
    tasks.stop.abort()
  })

  it('are of the nouns that the triggers of the tables note, no fewer and no more', async () => {
    const { rows } = await sql<{ source: string }>`
      select prosrc source from pg_proc where pronamespace = 'public'::regnamespace
      union all
      select pg_get_triggerdef(oid) from pg_trigger where not tgisinternal`.execute(api.broker.db)
    const noted = rows.flatMap(({ source }) =>
      [...source.matchAll(/(?:event_note|row_changed)\('([^']+)'/g)].map(([, noun]) => noun),
    )
    expect(new Set(noted)).toEqual(new Set(eventNouns))
  })

  it('cannot be narrowed to what there is nothing of: a stream of nothing would follow', async () => {
    const { client } = await api.person('mistyped')
    const asked = client.events({ nouns: ['task', 'bogus', 'Host'] })[Symbol.asyncIterator]()
    expect(await refusal(asked.next())).toMatchObject({
      status: 400,
      errors: [
        {
          field: 'query.noun',
          message: expect.stringMatching(/^nothing is told of “bogus”, “Host”: take some of desktop, /),
        },
      ],
    })
  })

  it('are told again after a break, each once and in order', async () => {
    const { token } = await api.person('breaker', ['infrastructureAdministrator'])
    const live = listen(token)
    const first = live.next()
    await live.open
    const subjects = [await happens('pool', 'changed')]
    expect(await first).toMatchObject({ subjectId: subjects[0] })
    server.closeAllConnections()
    for (let count = 0; count < 5; count++) subjects.push(await happens('pool', 'changed'))
    for (const subject of subjects.slice(1)) expect(await live.next()).toMatchObject({ subjectId: subject })
    live.stop.abort()
  })

  it('are told from the id one names, more than one batch of them', async () => {
    const { token } = await api.person('resumer', ['infrastructureAdministrator'])
    const one = await happens('host', 'changed')
    const { id } = await api.broker.db
      .selectFrom('event')
      .select('id')
      .where('subject_id', '=', one)
      .executeTakeFirstOrThrow()
    const rows = Array.from({ length: 450 }, () => ({
      noun: 'host',
      what: 'changed',
      subject_id: newId(),
      user_id: null,
      pool_id: null,
    }))
    await api.broker.db.insertInto('event').values(rows).execute()
    const resumed = listen(token, { lastEventId: String(id) })
    for (const row of rows) expect(await resumed.next()).toMatchObject({ subjectId: row.subject_id })
    resumed.stop.abort()
  })

  it('end, and tell nothing more, when the token behind them is revoked', async () => {
    const { id, token, client } = await api.person('revoked', ['infrastructureAdministrator'])
    const live = listen(token)
    const next = live.next()
    await live.open
    await client.logout()
    await happens('desktop', 'changed', id)
    expect(await refusal(next)).toMatchObject({ status: 401 })
  })

  it('leave nothing behind at the server when a page goes away', async () => {
    const { token } = await api.person('goer')
    const response = await fetch(`${baseUrl}/api/v1/events`, { headers: { authorization: `Bearer ${token}` } })
    const reader = response.body?.getReader()
    const first = new TextDecoder().decode((await reader?.read())?.value)
    expect(first).toContain('retry: 1000')
    await reader?.cancel()
    await expect.poll(() => new Promise(resolve => server.getConnections((_, count) => resolve(count)))).toBe(0)
  })

  it('begin anew, and say so, after an id that is yet to come', async () => {
    const { token } = await api.person('from-the-future', ['infrastructureAdministrator'])
    const live = listen(token, { lastEventId: '999999999' })
    const value = await live.next()
    expect(value).toMatchObject({ type: 'reset', subjectId: '' })
    expect(Number(value?.id)).toBeLessThan(999_999_999)
    const subject = await happens('pool', 'changed')
    expect(await live.next()).toMatchObject({ type: 'pool.changed', subjectId: subject })
    live.stop.abort()
  })

  it('begin anew, and say so, after an id whose successors are no longer kept', async () => {
    const { token } = await api.person('long-away', ['infrastructureAdministrator'])
    await happens('pool', 'changed')
    const { newest } = await eventsSpan(api.broker)
    for (let count = 0; count < 3; count++) await happens('pool', 'changed')
    await api.broker.db
      .deleteFrom('event')
      .where('id', '<=', newest + 2)
      .execute()
    const live = listen(token, { lastEventId: String(newest) })
    expect(await live.next()).toMatchObject({ type: 'reset', subjectId: '' })
    live.stop.abort()
  })

  it('refuse an id that is none', async () => {
    const { token } = await api.person('nonsense')
    const response = await fetch(`${baseUrl}/api/v1/events`, {
      headers: { authorization: `Bearer ${token}`, 'last-event-id': 'x' },
    })
    expect(response.status).toBe(400)
  })
})

describe('the reader of an event stream', () => {
  const row = {
    id: 7,
    at: new Date(0),
    noun: 'desktop',
    what: 'changed',
    subject_id: 'd',
    user_id: null,
    pool_id: null,
  }
  const text = `: hello\r\n\r\n${eventText(row)}id: 8\rdata: one\rdata: two\r\rdata: ä€😀\n\nevent: only-name\n\n`
  const expected = [
    { id: '7', event: 'desktop.changed', data: expect.stringContaining('"type":"desktop.changed"') },
    { id: '8', event: 'message', data: 'one\ntwo' },
    { id: '8', event: 'message', data: 'ä€😀' },
  ]

  it('reads whatever cuts the bytes come in', () => {
    const bytes = new TextEncoder().encode(text)
    expect(makeEventParser().feed(bytes)).toEqual(expected)
    for (const size of [1, 2, 3, 7]) {
      const parser = makeEventParser()
      const events = []
      for (let at = 0; at < bytes.length; at += size) events.push(...parser.feed(bytes.subarray(at, at + size)))
      expect(events).toEqual(expected)
    }
  })

  it('refuses a line without end before memory is full', () => {
    const parser = makeEventParser()
    const chunk = new Uint8Array(100_000).fill(120)
    expect(() => {
      for (let count = 0; count < 20; count++) parser.feed(chunk)
    }).toThrow(RangeError)
  })
})
