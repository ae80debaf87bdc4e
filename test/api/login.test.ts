import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../lib/ids.ts'
import { origin, startApi, type TestApi, testPassword } from '../support/api.ts'
import { refusal } from '../support/refusal.ts'

let api: TestApi
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api[Symbol.asyncDispose]())

const signInByBrowser = async (name: string) => {
  const response = await api.request('/api/v1/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin', origin },
    body: JSON.stringify({ name, password: testPassword }),
  })
  const cookie = response.headers.get('set-cookie') ?? ''
  return { response, cookie, pair: cookie.split(';')[0] ?? '' }
}

describe('signing in', () => {
  it('gives a token that says who one is and what one may', async () => {
    await api.person('ann')
    const { token, user } = await api.client().login({ body: { name: ' Ann ', password: testPassword } })
    expect(user).toMatchObject({ name: 'ann', permissions: ['self', 'desktop.use'] })
    expect(await api.client(token).meGet()).toEqual({ ...user, lastSeenAt: api.clock.now().toISOString() })
  })

  it('says the same of a wrong password, an unknown name and a closed account', async () => {
    const { id } = await api.person('closed')
    const admin = await api.person('opener', ['userAdministrator'])
    await admin.client.userUpdate({ params: { id }, body: { disabled: true } })
    const wrong = await refusal(api.client().login({ body: { name: 'ann', password: 'not this one' } }))
    const unknown = await refusal(api.client().login({ body: { name: 'nobody', password: testPassword } }))
    const closed = await refusal(api.client().login({ body: { name: 'closed', password: testPassword } }))
    for (const error of [wrong, unknown, closed]) {
      expect(error).toMatchObject({ status: 401, code: 'unauthenticated', detail: 'Name or password is wrong.' })
    }
  })

  it('sets a cookie that no script reads and no foreign page sends with a form', async () => {
    const { cookie } = await signInByBrowser('ann')
    expect(cookie).toMatch(/^hdcs_session=hdcs_[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/)
  })

  it('makes a guesser wait longer and longer, even with the right password, and forgets after a success', async () => {
    await api.person('guessed')
    const guess = (password: string) => refusal(api.client().login({ body: { name: 'guessed', password } }))
    for (let failure = 0; failure < 5; failure++) expect((await guess('wrong guess')).code).toBe('unauthenticated')
    const blocked = await guess(testPassword)
    expect(blocked).toMatchObject({ status: 429, code: 'rate_limited', retryAfterSeconds: 1 })
    api.clock.forward(1_001)
    expect((await guess('wrong guess')).code).toBe('unauthenticated')
    expect((await guess('wrong guess')).retryAfterSeconds).toBe(2)
    api.clock.forward(2_001)
    await api.client().login({ body: { name: 'guessed', password: testPassword } })
    expect((await guess('wrong guess')).code).toBe('unauthenticated')
  })

  it('lets no more guesses through when they come all at once', async () => {
    await api.person('rushed')
    const tries = await Promise.all(
      Array.from({ length: 30 }, () =>
        refusal(api.client().login({ body: { name: 'rushed', password: 'wrong guess' } })),
      ),
    )
    const checked = tries.filter(error => error.code === 'unauthenticated').length
    expect(checked).toBeLessThanOrEqual(6) // five free ones, and one more that was hashed beside the fifth
    api.clock.forward(3_600_001)
  })
})

describe('a session', () => {
  it('ends at sign-out, at once', async () => {
    const { client } = await api.person('leaver')
    await client.meGet()
    await client.logout()
    expect(await refusal(client.meGet())).toMatchObject({ status: 401 })
  })

  it('lasts twelve hours from its last use and seven days at most', async () => {
    const { client } = await api.person('worker')
    const hour = 3_600_000
    for (let hours = 0; hours < 7 * 24 - 11; hours += 11) {
      await client.meGet()
      api.clock.forward(11 * hour)
    }
    expect((await client.meGet()).name).toBe('worker')
    api.clock.forward(11 * hour)
    expect(await refusal(client.meGet())).toMatchObject({ status: 401 })
    const idle = await api.person('idler')
    api.clock.forward(12 * hour + 1)
    expect(await refusal(idle.client.meGet())).toMatchObject({ status: 401 })
  })

  it('ends everywhere within two seconds when its person is closed out by another process', async () => {
    const person = await api.person('elsewhere')
    await person.client.meGet()
    await api.broker.db.updateTable('user_account').set({ disabled: true }).where('id', '=', person.id).execute()
    api.clock.forward(2_001)
    expect(await refusal(person.client.meGet())).toMatchObject({ status: 401 })
  })
})

describe('writes with the cookie', () => {
  const logout = (pair: string, headers: Record<string, string>) =>
    api.request('/api/v1/logout', { method: 'POST', headers: { cookie: pair, ...headers } })

  it.each([
    ['without the header', { origin, 'sec-fetch-site': 'same-origin' }],
    ['from another site', { 'x-hdcs-csrf': '1', origin: 'https://evil.test' }],
    ['from another origin of the same site', { 'x-hdcs-csrf': '1', 'sec-fetch-site': 'same-site', origin }],
    ['from nowhere the browser would name', { 'x-hdcs-csrf': '1' }],
  ])('are refused %s', async (_, headers) => {
    const { pair } = await signInByBrowser('ann')
    const response = await logout(pair, headers as Record<string, string>)
    expect(response.status).toBe(403)
    expect((await api.request('/api/v1/me', { headers: { cookie: pair } })).status).toBe(200)
  })

  it('are done for our own page', async () => {
    const { pair } = await signInByBrowser('ann')
    const response = await logout(pair, { 'x-hdcs-csrf': '1', 'sec-fetch-site': 'same-origin', origin })
    expect(response.status).toBe(204)
    expect(response.headers.get('set-cookie')).toContain('Max-Age=0')
  })
})

describe('changing one’s own password', () => {
  it('needs the old one, and ends all other sessions', async () => {
    const here = await api.person('changer')
    const { token } = await api.client().login({ body: { name: 'changer', password: testPassword } })
    const change = (old: string) => here.client.meUpdate({ body: { password: { old, new: 'another horse battery' } } })
    expect(await refusal(change('not the old one'))).toMatchObject({
      code: 'invalid',
      errors: [{ field: 'body.password.old', message: 'is wrong' }],
    })
    await change(testPassword)
    expect((await here.client.meGet()).name).toBe('changer')
    expect(await refusal(api.client(token).meGet())).toMatchObject({ status: 401 })
    await api.client().login({ body: { name: 'changer', password: 'another horse battery' } })
  })
})

describe('a link that changes something', () => {
  const path = `/api/v1/desktops/${newId()}/viewer-file`
  const follow = async (headers: Record<string, string>) => (await api.request(path, { headers })).status

  it('is not followed for another site with somebody’s cookie', async () => {
    const { token } = await api.person('followed')
    const cookie = `hdcs_session=${token}`
    for (const site of ['cross-site', 'same-site']) expect(await follow({ cookie, 'sec-fetch-site': site })).toBe(403)
    for (const site of ['same-origin', 'none']) expect(await follow({ cookie, 'sec-fetch-site': site })).toBe(404)
    expect(await follow({ cookie })).toBe(404)
    expect(await follow({ authorization: `Bearer ${token}`, 'sec-fetch-site': 'cross-site' })).toBe(404)
  })
})
