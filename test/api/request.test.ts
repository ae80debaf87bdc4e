import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { credentialOf, forgeryReason } from '../../api/guard.ts'
import { type Front, sourceOf } from '../../api/request.ts'

async function source(front: Partial<Front>, headers: Record<string, string>, remoteAddress = '203.0.113.9') {
  const app = new Hono()
  app.get('/', context => context.json(sourceOf(context, { publicUrl: null, trustProxy: false, ...front })))
  const response = await app.request('http://inner:8080/', { headers }, { incoming: { socket: { remoteAddress } } })
  return response.json()
}

const forwarded = {
  'x-forwarded-for': '6.6.6.6, 198.51.100.4',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'desk.example',
}

describe('where a request comes from', () => {
  it('is what the connection says, whatever its headers claim', async () => {
    expect(await source({}, { host: 'desk:8080', ...forwarded })).toEqual({
      origin: 'http://desk:8080',
      clientAddress: '203.0.113.9',
    })
    expect(await source({}, { host: 'desk' }, '::ffff:192.0.2.1')).toMatchObject({ clientAddress: '192.0.2.1' })
  })

  it('is what our own proxy says, and only its last word', async () => {
    expect(await source({ trustProxy: true }, { host: 'inner', ...forwarded })).toEqual({
      origin: 'https://desk.example',
      clientAddress: '198.51.100.4',
    })
  })

  it('is the public address where one is set', async () => {
    expect(await source({ publicUrl: 'https://desk.example' }, { host: 'inner' })).toMatchObject({
      origin: 'https://desk.example',
    })
  })
})

const header = (values: Record<string, string>) => (name: string) => values[name]

describe('a credential', () => {
  it.each([
    [{ authorization: 'Bearer abc' }, { token: 'abc', from: 'bearer' }],
    [
      { authorization: 'bearer  abc', cookie: 'hdcs_session=xyz' },
      { token: 'abc', from: 'bearer' },
    ],
    [{ cookie: 'a=b; hdcs_session=xyz; c=d' }, { token: 'xyz', from: 'cookie' }],
    [{ cookie: 'hdcs_session=' }, undefined],
    [{ cookie: 'xhdcs_session=xyz' }, undefined],
    [{ authorization: 'Basic abc' }, undefined],
    [{}, undefined],
  ])('in %o is %o', (values, expected) => {
    expect(credentialOf(header(values as Record<string, string>))).toEqual(expected)
  })
})

describe('a write of our own page', () => {
  it('passes also behind a proxy that ends TLS without telling us', () => {
    const values = { 'x-hdcs-csrf': '1', origin: 'https://desk.example', 'sec-fetch-site': 'same-origin' }
    expect(forgeryReason(header(values), 'http://desk.example')).toBeUndefined()
  })

  it('passes in browsers that send only one of the two proofs', () => {
    expect(forgeryReason(header({ 'x-hdcs-csrf': '1', origin: 'http://desk' }), 'http://desk')).toBeUndefined()
    expect(
      forgeryReason(header({ 'x-hdcs-csrf': '1', 'sec-fetch-site': 'same-origin' }), 'http://desk'),
    ).toBeUndefined()
  })

  it.each(['null', 'http://desk:81', 'nonsense', 'http://desk.evil.test'])('does not come from %s', from => {
    expect(forgeryReason(header({ 'x-hdcs-csrf': '1', origin: from }), 'http://desk')).toBeDefined()
  })
})
