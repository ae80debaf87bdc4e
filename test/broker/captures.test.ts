/** Template versions made of desktops, from the question to the pool that follows. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopAct, desktopGet, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { poolCreate, poolList, poolUpdate } from '../../broker/pools.ts'
import { taskCancel, taskGet } from '../../broker/tasks.ts'
import { templateCreate, templateGet, versionAdd, versionRetry } from '../../broker/templates.ts'
import { startSite, type TestSite } from '../support/site.ts'

const forever = new AbortController().signal
let site: TestSite
let admin: Principal
let ana: Principal
let templateId: string
let desktopId: string
let poolId: string

beforeAll(async () => {
  site = await startSite({ sim: [{ delays: { imageMs: 300 } }] })
  admin = await site.person('root', ['infrastructureAdministrator', 'userAdministrator'])
  ana = await site.person('ana')
  const demo = await site.until('the demo pool is warm', async () => {
    const [pool] = (await poolList(site.broker, admin, { limit: 1 })).items
    return pool?.counts.ready === 2 && pool
  })
  templateId = demo.templateId
  await poolUpdate(site.broker, admin, demo.id, { warm: 0, minSize: 0 })
  const pool = await poolCreate(site.broker, admin, { name: 'golden', kind: 'persistent', templateId, warm: 0 })
  poolId = pool.id
  await entitlementSet(site.broker, admin, pool.id, { everyone: true })
  const { desktop, task } = await desktopClaimFor(site.broker, ana, pool.id)
  desktopId = desktop.id
  await taskGet(site.broker, ana, task.id, 15_000, forever)
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

const source = (seal = true) => ({ kind: 'desktop' as const, desktopId, seal })
const capture = (notes = '') => versionAdd(site.broker, admin, templateId, { source: source(), notes })
const become = (phase: string) =>
  site.until(`it is ${phase}`, async () => (await desktopGet(site.broker, admin, desktopId)).phase === phase)
const captureAllowed = async () =>
  (await desktopGet(site.broker, admin, desktopId)).actions.find(({ name }) => name === 'capture')

describe('a version made of a desktop', () => {
  it('is refused while it runs, with what to do', async () => {
    expect(await captureAllowed()).toMatchObject({ allowed: false, reason: 'it must be shut down for it' })
    await expect(capture()).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('shut down') })
    expect((await templateGet(site.broker, admin, templateId)).versions).toHaveLength(1)
  })

  it('keeps the desktop as it is until it is made, then is what new desktops are made from', async () => {
    await desktopAct(site.broker, admin, desktopId, 'poweroff')
    await become('stopped')
    const { task, template } = await capture('with the compiler')
    expect(template.versions[0]).toMatchObject({ number: 2, state: 'making', notes: 'with the compiler' })
    expect(template.versions[0]?.source).toEqual({ ...source(), desktopName: expect.stringMatching(/^golden-/) })
    await expect(desktopAct(site.broker, ana, desktopId, 'start')).rejects.toMatchObject({ code: 'conflict' })
    await expect(desktopClaimFor(site.broker, ana, poolId)).rejects.toMatchObject({ code: 'conflict' })
    await expect(desktopAct(site.broker, admin, desktopId, 'delete')).rejects.toMatchObject({ code: 'conflict' })
    await expect(capture()).rejects.toMatchObject({ code: 'conflict' })
    const by = { templateId, templateName: template.name, number: 2 }
    expect((await desktopGet(site.broker, admin, desktopId)).capturedBy).toEqual(by)
    expect((await desktopGet(site.broker, ana, desktopId)).capturedBy).toBeNull()
    expect(await taskGet(site.broker, admin, task.id, 15_000, forever)).toMatchObject({ state: 'succeeded' })
    expect((await desktopGet(site.broker, admin, desktopId)).capturedBy).toBeNull()
    expect(await captureAllowed()).toEqual({ name: 'capture', allowed: true })
    const bert = await site.person('bert')
    const { desktop } = await desktopClaimFor(site.broker, bert, poolId)
    expect(desktop.templateVersion).toBe(2)
    expect((await desktopGet(site.broker, admin, desktopId)).templateVersion).toBe(1)
  })

  it('that is cancelled frees the desktop, and is made anew of it as it is by then', async () => {
    const { task } = await capture()
    await taskCancel(site.broker, admin, task.id)
    await site.until('it is free', async () => (await captureAllowed())?.allowed)
    await desktopAct(site.broker, ana, desktopId, 'start')
    await become('ready')
    await expect(versionRetry(site.broker, admin, templateId, 3)).rejects.toThrow('shut down')
    await desktopAct(site.broker, ana, desktopId, 'poweroff')
    await become('stopped')
    const again = await versionRetry(site.broker, admin, templateId, 3)
    expect(await taskGet(site.broker, admin, again.task.id, 15_000, forever)).toMatchObject({ state: 'succeeded' })
  })

  it('can be the first of a template of its own, which is as its desktop was', async () => {
    const body = { name: 'compilers', description: '', hardware: { vcpus: 3 }, source: source(), notes: '' }
    const { task, template } = await templateCreate(site.broker, admin, body)
    expect(template).toMatchObject({ readyWhen: 'agent', hardware: { vcpus: 3, memoryBytes: 96 * 2 ** 20 } })
    expect(await taskGet(site.broker, admin, task.id, 15_000, forever)).toMatchObject({ state: 'succeeded' })
    expect((await desktopList(site.broker, admin, { limit: 10, poolId })).items).toHaveLength(2)
  })
})
