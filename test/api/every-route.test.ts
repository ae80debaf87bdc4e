/** What holds for every route there is, and for every one that will be. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { problemSchema } from '../../api/errors.ts'
import { operations } from '../../api/operations.gen.ts'
import type { AnyRoute } from '../../api/route.ts'
import { routes } from '../../api/routes.ts'
import { policy, type Role, roles } from '../../auth/policy.ts'
import { newId } from '../../lib/ids.ts'
import { generatedFiles } from '../../scripts/openapi.ts'
import { startApi, type TestApi } from '../support/api.ts'

const all: [string, AnyRoute][] = routes.map(route => [`${route.operationId}: ${route.method} ${route.path}`, route])
const guarded = all.filter(([, route]) => route.permission !== 'public')

let api: TestApi
/** One signed-in person for each role. */
const tokens = new Map<Role, string>()
beforeAll(async () => {
  api = await startApi()
  for (const role of roles) tokens.set(role, (await api.person(`a-${role.toLowerCase()}`, [role])).token)
})
afterAll(() => api[Symbol.asyncDispose]())

/** Fills the holes of a path: ids that nothing has, numbers and names that may be right. */
function filled(route: AnyRoute): string {
  const fill: Record<string, string> = {
    id: newId(),
    number: '1',
    name: 'start',
    clusterId: newId(),
    foreignId: newId(),
  }
  return route.path.replace(/\{(\w+)\}/g, (_, name: string) => fill[name] ?? 'x')
}

function ask(route: AnyRoute, token: string | undefined, path = filled(route), body?: string) {
  return api.request(path, {
    method: route.method.toUpperCase(),
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body }),
  })
}

async function problemIn(response: Response) {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const problem = problemSchema.parse(await response.json())
  expect(problem.status).toBe(response.status)
  expect(problem.requestId).toBe(response.headers.get('x-request-id'))
  return problem
}

const roleWithout = (route: AnyRoute) =>
  roles.find(role => route.permission !== 'public' && !(policy[role] as string[]).includes(route.permission))
const roleWith = (route: AnyRoute) =>
  roles.find(role => route.permission === 'public' || (policy[role] as string[]).includes(route.permission))

describe('every route', () => {
  it.each(guarded)('tells nobody anything: %s', async (_, route) => {
    const problem = await problemIn(await ask(route, undefined))
    expect(problem).toMatchObject({ status: 401, code: 'unauthenticated' })
  })

  it.each(guarded.filter(([, route]) => roleWithout(route)))('refuses who has not its right: %s', async (_, route) => {
    const token = tokens.get(roleWithout(route) ?? 'person')
    expect(await problemIn(await ask(route, token))).toMatchObject({ status: 403, code: 'forbidden' })
  })

  it.each(all)('can be used by some role: %s', (_, route) => {
    expect(roleWith(route)).toBeDefined()
  })

  it.each(all.filter(([, { path }]) => path.includes('{id}')))(
    'says which part of an address is wrong: %s',
    async (_, route) => {
      const path = filled(route).replace(/[0-9a-f-]{36}/, 'nonsense')
      const problem = await problemIn(
        await ask(route, tokens.get(roleWith(route) ?? 'person'), path, route.body ? '{}' : undefined),
      )
      expect(problem).toMatchObject({ status: 400, code: 'invalid' })
      expect(problem.errors?.map(error => error.field)).toContain('params.id')
    },
  )

  // The history of a desktop outlives it: an id that nothing has might have been one.
  const mortal = ({ operationId, path }: AnyRoute) => path.includes('{id}') && operationId !== 'desktopHistory'
  it.each(all.filter(([, route]) => mortal(route)))(
    'finds nothing under an id that nothing has: %s',
    async (_, route) => {
      const token = tokens.get(roleWith(route) ?? 'person')
      const response = await ask(route, token, filled(route), route.body ? '{}' : undefined)
      // With an empty body some say first that it is wrong; nothing may succeed or break.
      const problem = await problemIn(response)
      expect([400, 404]).toContain(problem.status)
    },
  )

  it.each(all.filter(([, { body }]) => body))('takes no nonsense for a body: %s', async (_, route) => {
    const token = tokens.get(roleWith(route) ?? 'person')
    for (const body of ['{', '[]', '"text"', 'null', '7']) {
      const problem = await problemIn(await ask(route, token, filled(route), body))
      expect(problem).toMatchObject({ status: 400, code: 'invalid' })
      expect(problem.errors?.length).toBeGreaterThan(0)
    }
  })

  it.each(all.filter(([, { body }]) => body))('takes no body above a megabyte: %s', async (_, route) => {
    const token = tokens.get(roleWith(route) ?? 'person')
    const body = JSON.stringify({ name: 'x'.repeat(1_000_001) })
    expect(await problemIn(await ask(route, token, filled(route), body))).toMatchObject({
      status: 413,
      code: 'too_large',
    })
  })

  it.each(all.filter(([, { query }]) => query))('says which part of a query is wrong: %s', async (_, route) => {
    if (!(await route.query?.safeParseAsync({ limit: '0', force: 'maybe', wait: 'long', noun: '?' }))?.success) {
      const path = `${filled(route)}?limit=0&force=maybe&wait=long&noun=%3F`
      const problem = await problemIn(await ask(route, tokens.get(roleWith(route) ?? 'person'), path))
      expect(problem).toMatchObject({ status: 400, code: 'invalid' })
    }
  })
})

describe('the list of routes', () => {
  it('names every operation once, noun first or as a plain word', () => {
    const ids = routes.map(route => route.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    for (const id of ids) expect(id).toMatch(/^[a-z]+([A-Z][a-z]+)*$/)
  })

  it('has no two routes at one address', () => {
    const places = routes.map(route => `${route.method} ${route.path.replace(/\{\w+\}/g, '{}')}`)
    expect(new Set(places).size).toBe(places.length)
  })

  it('has a function of the client for every operation, and no others', () => {
    expect(Object.keys(operations).sort()).toEqual(routes.map(route => route.operationId).sort())
    for (const [id, [method, path]] of Object.entries(operations)) {
      expect(routes.find(route => route.operationId === id)).toMatchObject({ method, path })
      expect(api.client()).toHaveProperty(id)
    }
  })

  it('is what the committed OpenAPI document says: run scripts/openapi.ts when this fails', () => {
    for (const { path, text } of generatedFiles(routes)) {
      const committed = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
      if (path.endsWith('.json')) expect(JSON.parse(committed)).toEqual(JSON.parse(text))
      else expect(committed).toBe(text)
    }
  })

  it('keeps secrets out of what is stored for repeated requests', () => {
    const showing = /"(token|password|ticket)":/
    const document = JSON.parse(generatedFiles(routes)[0]?.text ?? '{}')
    for (const route of routes) {
      const answers = JSON.stringify(document.paths[route.path][route.method].responses)
      if (route.method === 'post' && showing.test(answers))
        expect([route.operationId, 'secret' in route]).toEqual([route.operationId, true])
    }
  })
})

describe('the document', () => {
  it('is served to everybody, as OpenAPI 3.1', async () => {
    const response = await api.request('/api/v1/openapi.json')
    expect(await response.json()).toMatchObject({ openapi: '3.1.0', info: { title: 'HDCS' } })
  })

  it('knows nothing at other addresses, in the same form', async () => {
    expect(await problemIn(await api.request('/api/v1/nothing'))).toMatchObject({ status: 404, code: 'not_found' })
    expect(await problemIn(await api.request('/api/v1/pools', { method: 'PUT' }))).toMatchObject({ status: 405 })
  })
})
