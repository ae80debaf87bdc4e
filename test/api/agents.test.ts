import { execFileSync } from 'node:child_process'
import { randomBytes, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mountAgents } from '../../api/agents.ts'
import { problemSchema } from '../../api/errors.ts'
import { type Authority, openAuthority } from '../../auth/authority.ts'
import { hostRemoved } from '../../broker/agents.ts'
import { authorityCheck, certificateSubject } from '../../broker/certificates.ts'
import { firstStart } from '../../broker/first-start.ts'
import { bridgeOf } from '../../lib/routes.ts'
import { startApi, type TestApi } from '../support/api.ts'

const folder = mkdtempSync(join(tmpdir(), 'hdcs-agents-'))
let api: TestApi
let authority: Authority
beforeAll(async () => {
  api = await startApi()
  await firstStart(api.broker)
  authority = await openAuthority(join(folder, 'authority'), 'installation')
  mountAgents(api.app, api.broker, 'installation', authority)
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

const post = (path: string, body: unknown, key?: string) =>
  api.request(`/api/v1/agents/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
const problemOf = async (response: Response) => problemSchema.parse(await response.json())

async function join1(hostName: string): Promise<{ hostId: string; key: string; installationId: string }> {
  const { client } = await api.person(`for-${hostName}`, ['infrastructureAdministrator'])
  const { token } = await client.joinTokenMake({ body: {} })
  const response = await post('join', { token, hostName, networks: [] })
  expect(response.status).toBe(201)
  expect(await problemOf(await post('join', { token, hostName }))).toMatchObject({ code: 'forbidden' })
  return await response.json()
}

describe('joining', () => {
  it('takes a token once', async () => {
    const joined = await join1('h1')
    expect(joined).toMatchObject({ installationId: 'installation', key: expect.any(String) })
    const me = await api.request('/api/v1/agents/me', { headers: { authorization: `Bearer ${joined.key}` } })
    expect(await me.json()).toEqual({
      hostId: joined.hostId,
      installationId: 'installation',
      name: 'h1',
      heardAt: null,
    })
    expect(await problemOf(await api.request('/api/v1/agents/me'))).toMatchObject({ code: 'unauthenticated' })
  })

  it('answers whoever comes again with the same key that it is the same host, and nobody else', async () => {
    const { client } = await api.person('for-again', ['infrastructureAdministrator'])
    const { token } = await client.joinTokenMake({ body: {} })
    const ask = { token, hostName: 'again', networks: [], key: randomBytes(32).toString('base64url') }
    const first = await (await post('join', ask)).json()
    expect(first).toMatchObject({ key: ask.key })
    expect(await (await post('join', ask)).json()).toEqual(first)
    const another = { ...ask, key: randomBytes(32).toString('base64url') }
    expect(await problemOf(await post('join', another))).toMatchObject({ code: 'forbidden' })
    expect((await client.hostList({ query: {} })).items.filter(({ name }) => name.startsWith('again'))).toHaveLength(1)
    // Removed before it heard the answer, it asks with the key it made: that is good anew, and may go anew.
    for (let time = 0; time < 2; time++) {
      const fresh = { ...ask, token: (await client.joinTokenMake({ body: {} })).token }
      const { hostId } = time === 0 ? first : await (await post('join', fresh)).json()
      expect(await hostRemoved(api.broker, ask.key)).toBe(false)
      await client.hostRemove({ params: { id: hostId } })
      expect(await hostRemoved(api.broker, ask.key)).toBe(true)
    }
  })

  it('takes a host that comes back with the bridge it had here, and leaves its cluster the network it had', async () => {
    const { client } = await api.person('for-back', ['infrastructureAdministrator'])
    const siteId = (await client.siteList({})).items[0]?.id ?? ''
    const { id: clusterId, supernet } = await client.clusterCreate({ body: { name: 'alone', siteId } })
    const join = async (hostName: string, installationId: string) => {
      const { token } = await client.joinTokenMake({ body: { clusterId } })
      const bridges = [{ name: bridgeOf(installationId), network: supernet }]
      return post('join', { token, hostName, networks: ['192.0.2.0/24'], bridges })
    }
    for (const hostName of ['alone', 'second']) expect((await join(hostName, 'installation')).status).toBe(201)
    expect((await client.clusterGet({ params: { id: clusterId } })).supernet).toBe(supernet)
    expect(await problemOf(await join('third', 'another one'))).toMatchObject({ code: 'conflict' })
  })

  it.each([
    ['a body above a megabyte', JSON.stringify({ token: 'x'.repeat(1_000_001) }), 'too_large'],
    ['no JSON', '{', 'invalid'],
    ['a name that is none', { token: 'x', hostName: '../etc' }, 'invalid'],
    ['a token nobody made', { token: 'x', hostName: 'h1' }, 'forbidden'],
  ])('refuses %s', async (_, body, code) => {
    expect(await problemOf(await post('join', body))).toMatchObject({ code })
  })
})

describe('a host’s certificate', () => {
  const request = execFileSync(
    'openssl',
    ['req', '-new', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-subj', '/CN=x', '-keyout', '-'],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  ).replace(/-----BEGIN PRIVATE KEY-----[\s\S]*-----END PRIVATE KEY-----\n/, '')

  it('is given for the host’s key, with its name here and its address', async () => {
    const { key } = await join1('h2')
    const response = await post('certificate', { request, hostName: 'machine', addresses: ['192.0.2.2'] }, key)
    expect(response.status).toBe(201)
    const made = new X509Certificate((await response.json()).certificate)
    expect(made.checkIssued(new X509Certificate(authority.certificate))).toBe(true)
    expect([made.checkHost('h2'), made.checkHost('machine'), made.checkIP('192.0.2.2')]).not.toContain(undefined)
  })

  it('is given to nobody else, and for no nonsense', async () => {
    const { key } = await join1('h3')
    const ask = { request, hostName: 'h3', addresses: [] }
    expect(await problemOf(await post('certificate', ask))).toMatchObject({ code: 'unauthenticated' })
    expect(await problemOf(await post('certificate', ask, 'guessed'))).toMatchObject({ code: 'unauthenticated' })
    const nonsense = { ...ask, request: 'please' }
    expect(await problemOf(await post('certificate', nonsense, key))).toMatchObject({ code: 'invalid' })
    const name = { ...ask, addresses: ['h3.example'] }
    expect(await problemOf(await post('certificate', name, key))).toMatchObject({ code: 'invalid' })
  })

  it('never holds another host’s name or address', () => {
    const hosts = [
      { id: 'a', name: 'h1', machineName: 'box', address: '192.0.2.1' },
      { id: 'b', name: 'h2', machineName: null, address: '127.0.0.1' },
    ]
    const subject = (hostName: string, ...addresses: string[]) =>
      certificateSubject(hosts, 'b', { hostName, addresses })
    expect(subject('box', '192.0.2.2')).toEqual({ names: ['h2'], addresses: ['192.0.2.2'] })
    expect(subject('h1', '127.0.0.1')).toEqual({ names: ['h2'], addresses: ['127.0.0.1'] })
    expect(subject('own')).toEqual({ names: ['h2', 'own'], addresses: [] })
    expect(() => subject('own', '192.0.2.1')).toThrow(/is the host h1’s/)
    expect(() => certificateSubject(hosts, 'c', { hostName: 'own', addresses: [] })).toThrow(/no such host/)
  })

  it('comes from one authority, whichever control plane is asked', async () => {
    const { db } = api.broker
    await authorityCheck(db, authority)
    await authorityCheck(db, authority)
    const another = await openAuthority(join(folder, 'another'), 'installation')
    await expect(authorityCheck(db, another)).rejects.toMatchObject({ code: 'conflict' })
  })
})
