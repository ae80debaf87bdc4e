/** Whatever a request holds is answered or refused at the field, for every route there is and will be. */
import { z } from '@hono/zod-openapi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { problemSchema } from '../../api/errors.ts'
import type { AnyRoute } from '../../api/route.ts'
import { routes } from '../../api/routes.ts'
import { roles } from '../../auth/policy.ts'
import { nameCursor } from '../../lib/cursors.ts'
import { newId } from '../../lib/ids.ts'
import { startApi, type TestApi } from '../support/api.ts'
import { textsOf } from '../support/schemas.ts'

const all: [string, AnyRoute][] = routes.map(route => [`${route.operationId}: ${route.method} ${route.path}`, route])
const withBody = all.filter(([, { body }]) => body)
const withQuery = all.filter(([, { query, method }]) => query && method === 'get')

let api: TestApi
let token = ''
beforeAll(async () => {
  api = await startApi()
  token = (await api.person('everything', [...roles])).token
})
afterAll(() => api[Symbol.asyncDispose]())

const address = (route: AnyRoute) =>
  route.path.replace(
    /\{(\w+)\}/g,
    (_, name: string) =>
      ({ id: newId(), number: '1', clusterId: newId(), foreignId: newId(), format: 'ova' })[name] ?? 'start',
  )

async function ask(method: string, path: string, body?: unknown) {
  const response = await api.request(path, {
    method: method.toUpperCase(),
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const refused = response.headers.get('content-type') === 'application/problem+json'
  const fields = refused ? problemSchema.parse(await response.json()).errors?.map(error => error.field) : undefined
  if (!refused) await response.body?.cancel()
  return { status: response.status, fields }
}

async function refusedWith(path: string) {
  const response = await api.request(path, { headers: { authorization: `Bearer ${token}` } })
  const { errors } = problemSchema.parse(await response.json())
  return [response.status, errors]
}

describe('every route', () => {
  it.each(all.filter(([, { path }]) => path.includes('{number}')))(
    'refuses a number of a version that is none: %s',
    async (_, route) => {
      const path = address(route).replace('/versions/1', '/versions/9999999999')
      expect(await ask(route.method, path, route.body && {})).toMatchObject({
        status: 400,
        fields: expect.arrayContaining(['params.number']),
      })
    },
  )

  it.each(all.filter(([, { path }]) => path.includes('{')))(
    'says in words what is wrong with each part of its address: %s',
    async (_, route) => {
      for (const [hole, name] of route.path.matchAll(/\{(\w+)\}/g)) {
        const path = address({ ...route, path: route.path.replace(hole, '!nonsense') as AnyRoute['path'] })
        const response = await api.request(path, {
          method: route.method.toUpperCase(),
          headers: { authorization: `Bearer ${token}` },
        })
        const problem = problemSchema.parse(await response.json())
        expect(problem).toMatchObject({ status: 400, errors: [{ field: `params.${name}` }] })
        expect(problem.detail).not.toMatch(/\/\^|must match|is not of the form/)
      }
    },
  )

  it.each(withBody)('names the field of a body that it does not know: %s', async (_, route) => {
    expect(await ask(route.method, address(route), { bogus: 1 })).toMatchObject({
      status: 400,
      fields: expect.arrayContaining(['body.bogus']),
    })
  })

  it.each(all)('names what it does not know in its query: %s', async (_, route) => {
    expect(await ask(route.method, `${address(route)}?bogus=1`)).toMatchObject({
      status: 400,
      fields: expect.arrayContaining(['query.bogus']),
    })
  })

  it.each(all)('says which methods its address takes: %s', async (_, { path, ...route }) => {
    const response = await api.request(address({ path, ...route }), { method: 'PROPFIND' })
    expect([response.status, response.headers.get('allow')?.split(', ')]).toEqual([
      405,
      expect.arrayContaining([route.method.toUpperCase()]),
    ])
  })

  it.each(withQuery)('breaks by no text in its query: %s', async (_, route) => {
    for (const name of Object.keys((route.query as z.ZodObject).shape))
      for (const value of ['%00', 'zzz', '99999999999999999999', '-1', '%F0%9F%98%80', newId()]) {
        const { status, fields } = await ask('get', `${address(route)}?${name}=${value}`)
        expect([name, value, status]).toEqual([name, value, status < 500 ? status : 'less'])
        if (value === '%00') expect([name, status, fields]).toEqual([name, 400, [`query.${name}`]])
      }
  })
})

describe('what no database can keep', () => {
  it.each([
    ['post', '/api/v1/users', { name: 'nul', displayName: '\0' }, 'body.displayName'],
    ['post', '/api/v1/login', { name: 'a\0', password: 'x' }, 'body.name'],
    ['post', '/api/v1/groups', { name: 'half', description: 'a\ud800' }, 'body.description'],
    ['patch', `/api/v1/pools/${newId()}`, { description: 'a\0b' }, 'body.description'],
    ['patch', '/api/v1/me', { password: { old: '\0', new: 'long enough' } }, 'body.password.old'],
  ])('is refused at its field: %s %s', async (method, path, body, field) => {
    expect(await ask(method, path, body)).toEqual({ status: 400, fields: [field] })
  })

  it('is looked for without falling into a deep body', async () => {
    const deep = `${'['.repeat(400_000)}${']'.repeat(400_000)}`
    const response = await api.request('/api/v1/login', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"name":${deep}}`,
    })
    expect(response.status).toBe(400)
  })
})

/** What is compared or run byte for byte, not read by people; rules of networks are read further on, and refused there. */
const bytes =
  /password|\.(otp|old|new|unattend|value|serial|cidr|ports)$|^login |before\.text$|after\.text$|^desktopScriptTry /

describe('a text', () => {
  const texts = (routes as readonly AnyRoute[])
    .flatMap(textsOf)
    .filter(({ at, part }) => part === 'body' && !bytes.test(at))
  const errorOf = (schema: z.ZodType, value: string) => schema.safeParse(value).error?.issues[0]?.message

  it.each(texts.map(({ at, schema }) => [at, schema] as const))('holds no control characters: %s', (_, schema) => {
    for (const sign of ['\u0007', '\u001b', '\b', '\u007f', '\u0085', '\r'])
      expect([sign, schema.safeParse(`a${sign}b`).success]).toEqual([sign, false])
  })

  it('has several lines where it describes, and one where it names', () => {
    const lines = texts.filter(({ schema }) => schema.safeParse('a\n\tb').success).map(({ at }) => at)
    expect(lines.length).toBeGreaterThan(10)
    for (const at of lines) expect(at).toMatch(/\.(description|notes?)$/)
    const schema = texts.find(({ at }) => at === 'userCreate body.displayName')?.schema ?? z.never()
    expect(errorOf(schema, 'a\nb')).toBe(
      'must be one line without control characters: remove line breaks, tabs and what cannot be seen',
    )
  })

  it('is refused at its field, and takes line breaks of Windows for ours', async () => {
    expect(await ask('post', '/api/v1/groups', { name: 'bell', description: 'a\u0007' })).toEqual({
      status: 400,
      fields: ['body.description'],
    })
    const { id } = await api.client(token).groupCreate({ body: { name: 'crlf', description: 'a\r\n\tb' } })
    expect(await api.client(token).groupGet({ params: { id } })).toMatchObject({ description: 'a\n\tb' })
  })
})

describe('a body', () => {
  it.each([
    ['patch', `/api/v1/pools/${newId()}`, { kind: 'persistent' }, 'body.kind'],
    ['patch', `/api/v1/pools/${newId()}`, { hardware: { vcpu: 2 } }, 'body.hardware.vcpu'],
    ['patch', '/api/v1/me', { roles: ['auditor'] }, 'body.roles'],
    ['post', '/api/v1/templates', { name: 'x', source: { kind: 'recipe', recipe: 'tiny', a: 1 } }, 'body.source.a'],
  ])(
    'is not half done: a field that cannot be set is refused, however deep: %s %s',
    async (method, path, body, field) => {
      expect(await ask(method, path, body)).toEqual({ status: 400, fields: [field] })
    },
  )

  it('with a hundred thousand wrong fields gets a short answer', async () => {
    const body = Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`a${index}`, 1]))
    expect((await ask('post', '/api/v1/groups', body)).fields?.length).toBe(100)
  })
})

const paged = withQuery.filter(([, { query }]) => 'cursor' in (query as z.ZodObject).shape)

describe('a list', () => {
  it.each(paged)('says of a cursor that is none of its own where to begin: %s', async (_, route) => {
    const message = 'unknown cursor: start from the first page (no cursor)'
    for (const cursor of ['garbage', 'WyJjdXQ', `${nameCursor('name')}A`, nameCursor('').replace('-', ''), '', '~'])
      expect([cursor, ...(await refusedWith(`${address(route)}?cursor=${cursor}`))]).toEqual([
        cursor,
        400,
        [{ field: 'query.cursor', message }],
      ])
  })

  it('of names takes up after the name its cursor holds', async () => {
    for (const name of ['pages-1', 'pages-2', 'pages-3'])
      expect((await ask('post', '/api/v1/groups', { name })).status).toBe(201)
    const seen: string[] = []
    let cursor = nameCursor('pages-0')
    for (;;) {
      const page = await api.client(token).groupList({ query: { limit: 1, cursor } })
      seen.push(...page.items.map(({ name }) => name))
      if (page.nextCursor === null) break
      cursor = page.nextCursor
    }
    expect(seen).toEqual(['pages-1', 'pages-2', 'pages-3'])
  })

  it.each([
    ['/api/v1/tasks?cursor=zzz', 'query.cursor'],
    [`/api/v1/desktops/${newId()}/history?cursor=99999999999999999999`, 'query.cursor'],
    ['/api/v1/audit?cursor=7', 'query.cursor'],
    ['/api/v1/desktops?phase=nope', 'query.phase'],
  ])('refuses what is none of its own: %s', async (path, field) => {
    expect(await ask('get', path)).toEqual({ status: 400, fields: [field] })
  })
})
