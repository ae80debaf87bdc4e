/** Template versions as files to take away, on a site of simulated hosts. */
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exportTake } from '../../api/agent-exports.ts'
import { byteRange } from '../../api/byte-range.ts'
import { exportsFolder, exportsSettle } from '../../broker/exports.ts'
import { exportRows } from '../../db/exports.ts'
import { newId } from '../../lib/ids.ts'
import { fileHead } from '../../lib/template-file.ts'
import type { OutFile } from '../../vmm/host.ts'
import { startApi, type TestApi } from '../support/api.ts'
import { refusal } from '../support/refusal.ts'
import { siteWarm, startSite, type TestSite, until } from '../support/site.ts'

const folder = mkdtempSync(join(tmpdir(), 'hdcs-exports-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a part of a file', () => {
  const file = { sizeBytes: 1000, etag: '"a"' }
  it.each([
    [undefined, undefined, 'all'],
    ['bytes=0-', undefined, { from: 0, to: 999 }],
    ['bytes=200-299', undefined, { from: 200, to: 299 }],
    ['bytes=990-2000', undefined, { from: 990, to: 999 }],
    ['bytes=-10', undefined, { from: 990, to: 999 }],
    ['bytes=-5000', undefined, { from: 0, to: 999 }],
    ['bytes=500-', '"a"', { from: 500, to: 999 }],
    ['bytes=500-', '"another"', 'all'],
    ['bytes=1000-', undefined, 'none'],
    ['bytes=-0', undefined, 'none'],
    ['bytes=9-3', undefined, 'all'],
    ['bytes=-', undefined, 'all'],
    ['bytes=0-1,5-6', undefined, 'all'],
    ['lines=1-2', undefined, 'all'],
    ['bytes=99999999999999999999-', undefined, 'all'],
  ] as const)('is what %s asks for (%s)', (range, ifRange, part) => {
    expect(byteRange({ range, ifRange }, file)).toEqual(part)
  })
})

describe('the file of a template version', () => {
  let site: TestSite
  let api: TestApi
  let root: Awaited<ReturnType<TestApi['person']>>
  let templateId: string
  /** What becomes of what the hosts send. */
  let lines: (id: string, file: OutFile, signal: AbortSignal) => Promise<void>

  const take = async (id: string, { sizeBytes, sha256, open }: OutFile, signal: AbortSignal) => {
    const [row] = await exportRows(site.broker.db, { id })
    await exportTake(site.broker, row?.host_id ?? newId(), { id, sizeBytes, sha256, body: open(), signal })
  }
  beforeAll(async () => {
    lines = take
    const sim = { sendExport: (...sent: Parameters<typeof lines>) => lines(...sent) }
    site = await startSite({ sim: [sim, sim], own: { uploadFolder: join(folder, 'uploads') } })
    ;({ templateId } = await siteWarm(site))
    api = await startApi({ broker: site.broker })
    root = await api.person('boss', ['infrastructureAdministrator'])
  }, 60_000)
  afterAll(async () => {
    await api?.[Symbol.asyncDispose]()
    await site?.[Symbol.asyncDispose]()
  })

  const kept = () => readdirSync(exportsFolder(site.broker.uploadFolder))
  const version = async () => (await root.client.templateGet({ params: { id: templateId } })).versions.at(-1)
  const params = () => ({ id: templateId, number: 1 })
  const fetchFile = (format: string, headers: Record<string, string> = {}) =>
    api.request(`/api/v1/templates/${templateId}/versions/1/exports/${format}`, {
      headers: { authorization: `Bearer ${root.token}`, ...headers },
    })
  const made = async (format: 'hdcs' | 'ova' | 'raw') => {
    const { task } = await root.client.exportMake({ params: params(), body: { format } })
    return root.client.taskGet({ params: { id: task.id }, query: { wait: '15s' } })
  }

  it('is made by a host, says what it is, and is given from any byte on', async () => {
    expect(await made('hdcs')).toMatchObject({ kind: 'template.export', state: 'succeeded', progress: 100 })
    const response = await fetchFile('hdcs')
    expect(response.headers.get('content-disposition')).toBe('attachment; filename="tiny-1.hdcs.tar"')
    const bytes = Buffer.from(await response.arrayBuffer())
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    expect(response.headers.get('etag')).toBe(`"${sha256}"`)
    expect((await version())?.exports).toMatchObject([
      { format: 'hdcs', state: 'ready', sizeBytes: bytes.length, sha256 },
    ])
    expect(fileHead(bytes)).toMatchObject({
      kind: 'hdcs',
      manifest: { template: { name: 'tiny' }, version: { number: 1 } },
    })
    const rest = await fetchFile('hdcs', { range: 'bytes=700-', 'if-range': `"${sha256}"` })
    expect(rest.status).toBe(206)
    expect(rest.headers.get('content-range')).toBe(`bytes 700-${bytes.length - 1}/${bytes.length}`)
    expect(Buffer.from(await rest.arrayBuffer()).equals(bytes.subarray(700))).toBe(true)
    const behind = await fetchFile('hdcs', { range: `bytes=${bytes.length}-` })
    expect([behind.status, behind.headers.get('content-range')]).toEqual([416, `bytes */${bytes.length}`])
  })

  it('is the same one when it is asked for again, goes when it is removed, and after a day', async () => {
    const { task } = await root.client.exportMake({ params: params() })
    expect(task.state).toBe('succeeded')
    expect(await made('ova')).toMatchObject({ state: 'succeeded' })
    expect(kept()).toHaveLength(2)
    await root.client.exportRemove({ params: { ...params(), format: 'ova' } })
    expect((await version())?.exports.map(({ format }) => format)).toEqual(['hdcs'])
    expect(kept()).toHaveLength(1)
    expect(await refusal(root.client.exportRemove({ params: { ...params(), format: 'ova' } }))).toMatchObject({
      status: 404,
    })
    const stray = newId()
    writeFileSync(join(exportsFolder(site.broker.uploadFolder), stray), 'of a version that is gone')
    const later = new Date(Date.now() + 25 * 3_600_000)
    await exportsSettle({ ...site.broker, clock: { now: () => later } })
    expect(kept()).toEqual([])
    expect((await version())?.exports).toEqual([])
    expect((await fetchFile('hdcs')).status).toBe(404)
  })

  it('is not kept when other bytes came than were said, and is made anew when it is asked for again', async () => {
    const wrong: OutFile = { sizeBytes: 4, sha256: 'a'.repeat(64), open: () => new Blob(['four']).stream() }
    lines = async (id, _file, signal) => take(id, wrong, signal)
    const failed = await made('raw')
    expect(failed).toMatchObject({ state: 'failed', error: { code: 'invalid' } })
    expect(kept()).toEqual([])
    lines = take
    expect(await made('raw')).toMatchObject({ state: 'succeeded' })
    await root.client.exportRemove({ params: { ...params(), format: 'raw' } })
  })

  it('is not made any more once it is called off by somebody who may, and the late file is refused', async () => {
    const begun = Promise.withResolvers<AbortSignal>()
    lines = (_id, _file, signal) => {
      begun.resolve(signal)
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    const { task } = await root.client.exportMake({ params: params(), body: { format: 'raw' } })
    const signal = await begun.promise
    const [row] = await exportRows(site.broker.db)
    const looker = (await api.person('looker', ['auditor'])).client
    expect(await looker.taskGet({ params: { id: task.id }, query: {} })).toMatchObject({ cancellable: false })
    expect(await refusal(looker.taskCancel({ params: { id: task.id } }))).toMatchObject({ code: 'conflict' })
    await root.client.taskCancel({ params: { id: task.id } })
    await until('its host stops', async () => signal.aborted)
    lines = take
    const late: OutFile = { sizeBytes: 4, sha256: 'a'.repeat(64), open: () => new Blob(['four']).stream() }
    await expect(take(row?.id ?? '', late, new AbortController().signal)).rejects.toMatchObject({ code: 'not_found' })
    expect((await version())?.exports).toEqual([])
    expect(kept()).toEqual([])
  })

  it('is made by another host when its own is away, and by nobody that has not the image', async () => {
    const hung = Promise.withResolvers<string>()
    lines = async (id, file, signal) => {
      const [row] = await exportRows(site.broker.db, { id })
      if (row?.host_id !== (await hung.promise)) return take(id, file, signal)
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    const { task } = await root.client.exportMake({ params: params(), body: { format: 'vmdk' } })
    const [row] = await exportRows(site.broker.db)
    const hostId = row?.host_id ?? ''
    hung.resolve(hostId)
    await site.broker.db.updateTable('host').set({ state: 'lost' }).where('id', '=', hostId).execute()
    await exportsSettle(site.broker)
    const ended = await root.client.taskGet({ params: { id: task.id }, query: { wait: '15s' } })
    expect(ended.state).toBe('succeeded')
    lines = take
    await site.broker.db.updateTable('host_image').set({ observed_state: 'failed' }).execute()
    expect(await refusal(made('ova'))).toMatchObject({
      code: 'unreachable',
      detail: expect.stringContaining('No host'),
    })
    expect(existsSync(exportsFolder(site.broker.uploadFolder))).toBe(true)
  })
})
