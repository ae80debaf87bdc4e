import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { symlink, truncate, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { type RequestOptions, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Authority, openAuthority } from '../../auth/authority.ts'
import { pause } from '../../lib/clock.ts'
import { newId } from '../../lib/ids.ts'
import { tlsIdentity } from '../../vmm/certificates.ts'
import { imagePath } from '../../vmm/disks.ts'
import { copyFetcher } from '../../vmm/image-fetch.ts'
import { testFolder } from '../support/folder.ts'
import { identityMake, imageBytes, imagePut, type ServingHost, servingHost } from './image-hosts.ts'

const root = mkdtempSync(join(tmpdir(), 'hdcs-serving-'))
const signal = new AbortController().signal
const bytes = imageBytes(300_000)
const id = newId()
let authority: Authority
let others: Authority
let host: ServingHost
let sha256: string

beforeAll(async () => {
  authority = await openAuthority(join(root, 'authority'), 'ours')
  others = await openAuthority(join(root, 'others'), 'another installation')
  host = await servingHost(join(root, 'host'), authority)
  ;({ sha256 } = await imagePut(host.folders, id, bytes))
})
afterAll(async () => {
  await host.server[Symbol.asyncDispose]()
  rmSync(root, { recursive: true })
})

async function ask(path: string, options: RequestOptions = {}): Promise<IncomingMessage> {
  const identity = tlsIdentity(host.stateFolder) ?? {}
  const asking = request(`${host.server.url()}${path}`, { ...identity, agent: false, ...options })
  asking.end()
  const [response] = await once(asking, 'response')
  return response
}
const status = async (path: string, options?: RequestOptions) => {
  const response = await ask(path, options)
  response.resume()
  return response.statusCode
}
async function taken(served: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of served) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}
const range = (text: string) => ({ headers: { range: text } })

describe('a host that serves its images', () => {
  it('gives them whole, and from a byte on, under their checksum', async () => {
    const whole = await ask(`/images/${id}`)
    expect([whole.statusCode, whole.headers.etag]).toEqual([200, `"${sha256}"`])
    expect((await buffer(whole)).equals(bytes)).toBe(true)
    const rest = await ask(`/images/${id}`, range('bytes=299990-'))
    expect([rest.statusCode, rest.headers['content-range']]).toEqual([206, 'bytes 299990-299999/300000'])
    expect((await buffer(rest)).equals(bytes.subarray(299_990))).toBe(true)
  })

  it('gives all of it, in order, to one that takes it slowly', async () => {
    const [large, content] = [newId(), imageBytes(12 * 2 ** 20)]
    await imagePut(host.folders, large, content)
    using served = await copyFetcher(host.stateFolder)(host.url(large), 1, signal)
    const pieces: Buffer[] = []
    for await (const piece of served.bytes) {
      await pause(10)
      pieces.push(Buffer.from(piece))
    }
    expect(Buffer.concat(pieces).equals(content.subarray(1))).toBe(true)
  })

  it.each(['bytes=300000-', 'bytes=0-5', 'bytes=-5', 'bytes=1-,3-', 'lines=1-'])('refuses the range %s', async text => {
    const refused = await ask(`/images/${id}`, range(text))
    expect([refused.statusCode, refused.headers['content-range']]).toEqual([416, 'bytes */300000'])
    refused.resume()
  })

  it('gives nothing else: no other name, no link, nothing that is not sealed', async () => {
    const [unsealed, link] = [newId(), newId()]
    await writeFile(imagePath(host.folders, unsealed), 'still being made')
    await imagePut(host.folders, link, bytes)
    rmSync(imagePath(host.folders, link))
    await symlink('/etc/passwd', imagePath(host.folders, link))
    const names = [newId(), unsealed, link, `${id}.json`, `${id}.qcow2`, `..%2fimages%2f${id}`, `../installation`, '']
    for (const name of names) expect([name, await status(`/images/${name}`)]).toEqual([name, 404])
    expect(await status(`/images/${id}`, { method: 'PUT' })).toBe(405)
  })

  it('gives them only to hosts of its installation', async () => {
    const strange = testFolder()
    await identityMake(others, strange)
    const ours = tlsIdentity(host.stateFolder)
    const theirs = tlsIdentity(strange)
    const refused = { key: undefined, cert: undefined, rejectUnauthorized: false }
    await expect(ask(`/images/${id}`, refused)).rejects.toThrow()
    await expect(ask(`/images/${id}`, { ...refused, key: theirs?.key, cert: theirs?.cert })).rejects.toThrow()
    await expect(ask(`/images/${id}`, { ...ours, maxVersion: 'TLSv1.2' })).rejects.toThrow()
    expect(await status(`/images/${id}`)).toBe(200)
  })

  it('is not believed when it shows another authority’s certificate', async () => {
    await using stranger = (await servingHost(testFolder(), others)).server
    const fetching = copyFetcher(host.stateFolder)(`${stranger.url()}/images/${id}`, 0, signal)
    await expect(fetching).rejects.toMatchObject({ code: 'unreachable' })
  })

  it('tells those that are too many to come again, and serves them then', async () => {
    const large = newId()
    await imagePut(host.folders, large, bytes)
    // More than lies in the buffers of four lines.
    await truncate(imagePath(host.folders, large), 2 ** 28)
    const served = await Promise.all([1, 2, 3, 4].map(() => ask(`/images/${large}`)))
    expect(served.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200])
    const refused = await ask(`/images/${id}`)
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([503, '5'])
    await expect(copyFetcher(host.stateFolder)(host.url(id), 0, signal)).rejects.toMatchObject({ code: 'unreachable' })
    for (const response of served) response.destroy()
    await expect.poll(() => status(`/images/${id}`)).toBe(200)
  })

  it('uses a certificate that was renewed at the next connection, and none before it has one', async () => {
    const other = await servingHost(testFolder(), null)
    await using _server = other.server
    await imagePut(other.folders, id, bytes)
    expect(other.server.url()).toBeNull()
    for (const signer of [authority, others]) {
      rmSync(other.stateFolder, { recursive: true })
      await identityMake(signer, other.stateFolder)
      const { sizeBytes, bytes: served } = await copyFetcher(other.stateFolder)(other.url(id), 0, signal)
      expect([sizeBytes, (await taken(served)).equals(bytes)]).toEqual([bytes.length, true])
    }
    await expect(copyFetcher(host.stateFolder)(other.url(id), 0, signal)).rejects.toMatchObject({ code: 'unreachable' })
  })

  it('does without when its port is taken, and says so once', async () => {
    const port = Number(new URL(host.server.url() ?? '').port)
    const other = await servingHost(testFolder(), authority, port)
    await using server = other.server
    expect([server.url(), other.logged.length]).toEqual([null, 1])
  })

  it('ends in the middle of what it serves', async () => {
    const other = await servingHost(testFolder(), authority)
    await imagePut(other.folders, id, bytes)
    await truncate(imagePath(other.folders, id), 2 ** 28)
    const { bytes: served } = await copyFetcher(other.stateFolder)(other.url(id), 0, signal)
    await other.server[Symbol.asyncDispose]()
    await expect(taken(served)).rejects.toThrow()
  })
})
