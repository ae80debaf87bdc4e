import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { mountAgents } from '../../api/agents.ts'
import { receive, uploadsSweep } from '../../api/uploads.ts'
import { firstStart } from '../../broker/first-start.ts'
import { hostJoin } from '../../broker/hosts.ts'
import { startApi } from '../support/api.ts'
import { refusal } from '../support/refusal.ts'

const folder = mkdtempSync(join(tmpdir(), 'hdcs-upload-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Whole sectors, as disks have. */
const bytes = randomBytes(299_008)
const sha256 = createHash('sha256').update(bytes).digest('hex')
const declared = { sizeBytes: bytes.length, sha256 }
const never = new AbortController().signal

function streamOf(...parts: Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(part)
      controller.close()
    },
  })
}

describe('an uploaded file', () => {
  let path = ''
  let number = 0
  beforeEach(() => {
    path = join(folder, `new-${++number}`, 'image')
  })
  const left = () => (existsSync(join(path, '..')) ? readdirSync(join(path, '..')) : [])

  it('stands under its name when all of it came, byte for byte', async () => {
    const ones = Array.from(bytes.subarray(0, 1000), byte => Uint8Array.of(byte))
    await receive(streamOf(...ones, bytes.subarray(1000)), declared, { path, maxBytes: 1e6, signal: never })
    expect(readFileSync(path).equals(bytes)).toBe(true)
    expect(left()).toEqual(['image'])
  })

  it.each([
    ['is shorter', streamOf(bytes.subarray(1)), /299007 of 299008 bytes came/],
    ['is longer', streamOf(bytes, Uint8Array.of(1)), /more than the declared 299008 bytes/],
    ['is another one', streamOf(Buffer.alloc(bytes.length)), /its SHA-256 is another one/],
    ['is empty', streamOf(), /0 of 299008 bytes came/],
  ])('leaves nothing behind when it %s than was declared', async (_, stream, text) => {
    const failure = receive(stream, declared, { path, maxBytes: 1e6, signal: never })
    await expect(failure).rejects.toMatchObject({ code: 'invalid', message: expect.stringMatching(text) })
    expect(left()).toEqual([])
  })

  it('is refused before its first byte when it is declared above the limit', async () => {
    const failure = receive(streamOf(bytes), declared, { path, maxBytes: 1000, signal: never })
    await expect(failure).rejects.toMatchObject({ code: 'too_large' })
    expect(left()).toEqual([])
  })

  it('leaves nothing behind when its sender goes away', async () => {
    const gone = new AbortController()
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(bytes.subarray(0, 1000))
        gone.abort()
      },
    })
    const failure = receive(endless, declared, { path, maxBytes: 1e6, signal: gone.signal })
    await expect(failure).rejects.toMatchObject({ code: 'cancelled' })
    expect(left()).toEqual([])
  })

  it('is not torn by a second sender of the same version', async () => {
    await Promise.allSettled([
      receive(streamOf(bytes), declared, { path, maxBytes: 1e6, signal: never }),
      receive(streamOf(bytes.subarray(5)), declared, { path, maxBytes: 1e6, signal: never }),
    ])
    expect(readFileSync(path).equals(bytes)).toBe(true)
  })
})

describe('the folder of uploads', () => {
  it('loses at the start what a killed process left half, and nothing else', async () => {
    const swept = join(folder, 'swept')
    await uploadsSweep(swept)
    await receive(streamOf(bytes), declared, { path: join(swept, 'whole'), maxBytes: 1e6, signal: never })
    writeFileSync(join(swept, 'other.0190.part'), 'half')
    await uploadsSweep(swept)
    expect(readdirSync(swept)).toEqual(['whole'])
  })
})

describe('the upload of a template version', () => {
  it('takes exactly the declared file, once, and the version goes on from there', async () => {
    await using api = await startApi()
    const { client } = await api.person('builder', ['infrastructureAdministrator'])
    const source = { kind: 'upload', format: 'raw', ...declared } as const
    const { template } = await client.templateCreate({ body: { name: 'imported', source } })
    const version = template.versions[0]
    expect(version).toMatchObject({ state: 'uploading', number: 1 })
    const upload = (file: Blob) => client.upload({ templateId: template.id, number: 1, file })
    expect(await refusal(upload(new Blob([bytes.subarray(1)])))).toMatchObject({ status: 400, code: 'invalid' })
    const after = await upload(new Blob([bytes]))
    expect(after.versions[0]).toMatchObject({ state: 'making' })
    expect(readFileSync(join(api.broker.uploadFolder, version?.id ?? '')).equals(bytes)).toBe(true)
    expect(await refusal(upload(new Blob([bytes])))).toMatchObject({ status: 409, code: 'conflict' })
  })

  it('is given to hosts from any byte on', async () => {
    await using api = await startApi()
    await firstStart(api.broker)
    mountAgents(api.app, api.broker, 'installation', null)
    const { client } = await api.person('builder', ['infrastructureAdministrator'])
    const source = { kind: 'upload', format: 'raw', ...declared } as const
    const { template } = await client.templateCreate({ body: { name: 'given', source } })
    await client.upload({ templateId: template.id, number: 1, file: new Blob([bytes]) })
    const { token } = await client.joinTokenMake({ body: {} })
    const { key } = await hostJoin(api.broker, { token, hostName: 'box', networks: [] })
    const asked = async (range: string | null) => {
      const headers = { authorization: `Bearer ${key}`, ...(range && { range }) }
      const response = await api.request(`/api/v1/agents/images/${template.versions[0]?.id}`, { headers })
      return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) }
    }
    expect(await asked(null)).toEqual({ status: 200, bytes })
    expect(await asked('bytes=100-')).toEqual({ status: 206, bytes: bytes.subarray(100) })
    expect(await asked(`bytes=${bytes.length}-`)).toMatchObject({ status: 416 })
  })

  it('is refused at its first bytes when it is not of its format, and nothing of it is kept', async () => {
    await using api = await startApi()
    const { client } = await api.person('builder', ['infrastructureAdministrator'])
    const source = { kind: 'upload', format: 'qcow2', ...declared } as const
    const { template } = await client.templateCreate({ body: { name: 'no-qcow2', source } })
    const failure = client.upload({ templateId: template.id, number: 1, file: new Blob([bytes]) })
    expect(await refusal(failure)).toMatchObject({ status: 400, detail: expect.stringContaining('no qcow2 image') })
    expect(readdirSync(api.broker.uploadFolder)).toEqual([])
  })

  it('is refused before it is sent when a raw disk has no whole sectors', async () => {
    await using api = await startApi()
    const { client } = await api.person('builder', ['infrastructureAdministrator'])
    const source = { kind: 'upload', format: 'raw', sizeBytes: 15, sha256 } as const
    expect(await refusal(client.templateCreate({ body: { name: 'cut', source } }))).toMatchObject({
      status: 400,
      errors: [{ field: 'body.source.sizeBytes', message: expect.stringContaining('whole sectors') }],
    })
    expect((await client.templateList({ query: { name: 'cut' } })).items).toEqual([])
  })
})
