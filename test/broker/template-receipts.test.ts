import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { firstStart, localHost } from '../../broker/first-start.ts'
import { taskCancel, taskList, taskLog } from '../../broker/tasks.ts'
import {
  templateCreate,
  templateGet,
  templateList,
  uploadPath,
  versionAdd,
  versionRetry,
  versionUploaded,
} from '../../broker/templates.ts'
import { type ImageObserved, imagesObserve, versionsWished } from '../../db/templates.ts'
import { startSite, type TestSite } from '../support/site.ts'

const folder = mkdtempSync(join(tmpdir(), 'hdcs-receipts-'))
const own = { description: '', notes: '', hardware: {} }

describe('the receipt of a template’s making', () => {
  let site: TestSite
  let admin: Principal
  let hostId: string
  let versionId: string
  let templateId: string
  beforeAll(async () => {
    site = await startSite({ sim: [], own: { uploadFolder: folder } })
    admin = await site.person('root', ['infrastructureAdministrator'])
    const { clusterId } = await firstStart(site.broker)
    ;({ hostId } = await localHost(site.broker, clusterId, 'builder', []))
    const [template] = (await templateList(site.broker, admin, { limit: 1 })).items
    templateId = template?.id ?? ''
    versionId = template?.versions[0]?.id ?? ''
  })
  afterAll(async () => {
    await site?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  const observe = (image: Partial<ImageObserved>) => {
    const nothing = { observed_virtual_bytes: null, observed_stored_bytes: null, observed_sha256: null }
    const at = { observed_attempt: 1, observed_state: 'making', observed_progress: 0, observed_text: '' }
    const row = { version_id: versionId, ...at, ...nothing, observed_trouble: null, ...image }
    return imagesObserve(site.broker.db, hostId, [row], false)
  }
  const receipts = async () =>
    (await taskList(site.broker, admin, { limit: 50 })).items.filter(({ kind }) => kind === 'template.make')
  const become = (state: string, progress?: number) =>
    site.until(`the receipt says ${state} ${progress ?? ''}`, async () => {
      const [last] = await receipts()
      return last?.state === state && (progress === undefined || last.progress === progress) && last
    })
  const trouble = { code: 'template_unavailable' as const, text: 'The mirrors are away.' }
  const log = async (id: string) => (await taskLog(site.broker, admin, id)).map(({ text }) => text)

  it('is there from the first start on, asked for by nobody, with the percent of the furthest host', async () => {
    expect(await receipts()).toMatchObject([{ subject: { id: versionId, name: 'tiny version 1' }, requestedBy: null }])
    await observe({ observed_progress: 1 })
    expect((await become('running', 1)).steps).toEqual([{ name: 'make', state: 'current' }])
    await observe({ observed_progress: 37, observed_text: 'unpacking' })
    expect(await become('running', 37)).toMatchObject({
      cancellable: true,
      steps: [{ name: 'make', state: 'current', text: 'unpacking' }],
    })
  })

  it('says that it failed, and goes on as the same when its host tries again by itself', async () => {
    await observe({ observed_state: 'failed', observed_trouble: trouble })
    expect((await become('failed')).error).toEqual(trouble)
    await observe({ observed_progress: 12, observed_text: 'fetching' })
    expect(await become('running', 12)).toMatchObject({ error: null, finishedAt: null })
    await observe({ observed_state: 'failed', observed_trouble: trouble })
    const { id } = await become('failed')
    expect(await receipts()).toHaveLength(1)
    expect((await log(id)).filter(text => text === 'tried again by its host')).toHaveLength(1)
  })

  it('is a new one when a person has it made anew, and the one before stays as it ended', async () => {
    await versionRetry(site.broker, admin, templateId, 1)
    await observe({ observed_attempt: 2, observed_progress: 60 })
    expect((await become('running', 60)).requestedBy).toBe('root')
    expect((await receipts()).map(({ state }) => state)).toEqual(['running', 'failed'])
    await observe({ observed_attempt: 2, observed_state: 'failed', observed_trouble: trouble })
    await become('failed')
    await observe({ observed_attempt: 2, observed_progress: 5 })
    await become('running', 5)
    expect((await receipts()).map(({ state }) => state)).toEqual(['running', 'failed'])
    await observe({ observed_attempt: 2, observed_state: 'ready', observed_progress: 100 })
    await become('succeeded')
    await expect(taskCancel(site.broker, admin, (await receipts())[0]?.id ?? '')).rejects.toMatchObject({
      code: 'conflict',
    })
  })

  it('that is called off stays so, whatever a host says that has not heard of it', async () => {
    const source = { kind: 'recipe' as const, recipe: 'tiny' as const }
    const add = () => versionAdd(site.broker, admin, templateId, { source, notes: '' })
    const versionOf = async (number: number) => {
      const [template] = (await templateList(site.broker, admin, { limit: 1 })).items
      return template?.versions.find(version => version.number === number)
    }
    const { task } = await add()
    await taskCancel(site.broker, admin, task.id)
    await observe({ version_id: (await versionOf(2))?.id ?? '', observed_progress: 80 })
    // What is seen of a later one was looked at with it, or after it.
    await add()
    await observe({ version_id: (await versionOf(3))?.id ?? '', observed_progress: 3 })
    await site.until('the later one is looked at', async () => (await versionOf(3))?.progress === 3)
    expect(await versionOf(2)).toMatchObject({ state: 'failed', trouble: { code: 'cancelled' } })
  })
  it('of a file that its host refused for what it holds is final: the file goes, and no host is asked again until somebody does', async () => {
    const source = { kind: 'upload' as const, format: 'qcow2' as const, sizeBytes: 512, sha256: 'a'.repeat(64) }
    const { template } = await templateCreate(site.broker, admin, { ...own, name: 'hostile', source })
    const id = template.versions[0]?.id ?? ''
    const file = uploadPath(site.broker, id)
    writeFileSync(file, 'what was sent')
    await versionUploaded(site.broker, admin, template.id, 1)
    const isWished = async () => (await versionsWished(site.broker.db, hostId)).some(version => version.id === id)
    expect(await isWished()).toBe(true)
    const refused = { code: 'invalid' as const, text: 'The image stands on another file.' }
    await observe({ version_id: id, observed_state: 'failed', observed_trouble: refused })
    await site.until('its file is gone', async () => !existsSync(file))
    expect(await isWished()).toBe(false)
    // Whoever asks again sends another file.
    const again = await versionRetry(site.broker, admin, template.id, 1)
    expect(again.template.versions[0]).toMatchObject({ state: 'uploading', text: 'waits for its file' })
    writeFileSync(file, 'another one')
    await versionUploaded(site.broker, admin, template.id, 1)
    expect(await isWished()).toBe(true)
    await observe({
      version_id: id,
      observed_attempt: 2,
      observed_state: 'failed',
      observed_trouble: { code: 'timeout' as const, text: 'It took too long.' },
    })
    await site.until('it failed', async () => (await templateGet(site.broker, admin, template.id)).versions[0]?.trouble)
    expect([await isWished(), existsSync(file)]).toEqual([true, true])
  })
})
