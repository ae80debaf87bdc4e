import { describe, expect, expectTypeOf, it } from 'vitest'
import { type Answer, ApiError, type Ask, addressOf, makeClient } from '../../api/client.ts'
import { refusal } from '../support/refusal.ts'

/** A client whose server answers with what the test says, and the requests it got. */
function against(answer: () => Response | Promise<Response>, token?: string) {
  const requests: { url: string; init: RequestInit }[] = []
  const client = makeClient({
    baseUrl: 'http://desk/',
    ...(token && { token }),
    fetch: async (input, init) => {
      requests.push({ url: String(input), init: init ?? {} })
      return answer()
    },
  })
  return { client, requests }
}

const id = '01890000-0000-7000-8000-000000000001'
const json = (value: unknown) =>
  new Response(JSON.stringify(value), { headers: { 'content-type': 'application/json' } })

describe('the client', () => {
  it('asks as the routes say, and leaves out what is not given', async () => {
    const { client, requests } = against(() => json({ items: [], nextCursor: null }), 'secret')
    await client.desktopList({
      query: { mine: true, limit: 5, search: 'a&b', poolId: undefined },
    })
    expect(requests[0]?.url).toBe('http://desk/api/v1/desktops?mine=true&limit=5&search=a%26b')
    expect(requests[0]?.init).toMatchObject({ method: 'GET', headers: { authorization: 'Bearer secret' } })
  })

  it('shows that a write with the cookie comes from our own page', async () => {
    const { client, requests } = against(() => json({}))
    await client.poolClaim({ params: { id }, idempotencyKey: 'k' })
    await client.meGet()
    expect(requests[0]?.init.headers).toEqual({ 'x-hdcs-csrf': '1', 'idempotency-key': 'k' })
    expect(requests[1]?.init.headers).toEqual({})
  })

  it('escapes what stands in a path', () => {
    expect(addressOf('', '/a/{id}/b', { params: { id: '../x?' } })).toBe('/a/..%2Fx%3F/b')
  })

  it('tells a refusal with all that the server said', async () => {
    const problem = { code: 'rate_limited', detail: 'Wait.', requestId: 'r', errors: [{ field: 'f', message: 'm' }] }
    const { client } = against(
      () => new Response(JSON.stringify(problem), { status: 429, headers: { 'retry-after': '7' } }),
    )
    expect(await refusal(client.meGet())).toMatchObject({
      status: 429,
      ...problem,
      retryAfterSeconds: 7,
      message: 'Wait.',
    })
  })

  it('tells what a proxy answered in our place, and that nobody answered', async () => {
    const proxy = against(() => new Response('<h1>Bad gateway</h1>', { status: 502 }))
    expect(await refusal(proxy.client.meGet())).toMatchObject({ status: 502, code: 'unreachable' })
    const nobody = against(() => Promise.reject(new TypeError('fetch failed')))
    const error = await refusal(nobody.client.meGet())
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status: 0, code: 'unreachable' })
  })

  it('gives texts as texts and nothing as nothing', async () => {
    const viewer = against(
      () => new Response('[virt-viewer]', { headers: { 'content-type': 'application/x-virt-viewer' } }),
    )
    expect(await viewer.client.desktopViewerFile({ params: { id } })).toBe('[virt-viewer]')
    const nothing = against(() => new Response(null, { status: 204 }))
    expect(await nothing.client.logout()).toBeUndefined()
  })

  it('knows the types of every operation from its route', () => {
    expectTypeOf<Answer<'poolClaim'>['desktop']['phase']>().toEqualTypeOf<Answer<'desktopGet'>['phase']>()
    expectTypeOf<Answer<'desktopGet'>['power']>().toEqualTypeOf<'running' | 'paused' | 'stopped' | null>()
    expectTypeOf<Answer<'logout'>>().toEqualTypeOf<undefined>()
    expectTypeOf<Ask<'userCreate'>['body']['name']>().toEqualTypeOf<string>()
    expectTypeOf<Ask<'poolGet'>['params']['id']>().toEqualTypeOf<string | number | boolean>()
    const { client } = against(() => json({}))
    // Nothing of this runs: the type check is the test.
    const never = () => {
      // @ts-expect-error an id is missing
      client.poolGet()
      // @ts-expect-error there is no such action
      client.desktopAct({ params: { id, name: 'explode' } })
      // @ts-expect-error a name is missing
      client.userCreate({ body: {} })
      // @ts-expect-error there is no such field
      client.groupCreate({ body: { name: 'x', colour: 'red' } })
      client.poolList()
      client.userUpdate({ params: { id }, body: {} })
    }
    expect(never).toBeTypeOf('function')
  })
})
