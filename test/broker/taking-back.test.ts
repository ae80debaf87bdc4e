/** Receipts of what hosts have not done yet, called off: nothing of it comes about when they are back. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopsAct } from '../../broker/desktop-bulk.ts'
import { desktopAct } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { poolCreate } from '../../broker/pools.ts'
import { snapshotList, snapshotTake } from '../../broker/snapshots.ts'
import { storagePoolCreate, storagePoolList, storagePoolRead } from '../../broker/storage-pools.ts'
import { taskCancel, taskGet } from '../../broker/tasks.ts'
import { volumeAttach, volumeCreate, volumeDetach, volumeGet, volumeList } from '../../broker/volumes.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const forever = new AbortController().signal
let site: TestSite
let admin: Principal
let desktopId: string
let poolId: string

beforeAll(async () => {
  site = await startSite({ sim: [{}] })
  const warm = await siteWarm(site)
  admin = warm.admin
  const wish = { name: 'own', kind: 'persistent' as const, templateId: warm.templateId, warm: 0 }
  const pool = await poolCreate(site.broker, admin, wish)
  await entitlementSet(site.broker, admin, pool.id, { everyone: true })
  const { desktop, task } = await desktopClaimFor(site.broker, admin, pool.id)
  desktopId = desktop.id
  await done(task)
  poolId = (await poolMade('shelf')).storagePool.id
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

const ended = (task: { id: string }) => taskGet(site.broker, admin, task.id, 20_000, forever)
const done = async (task: { id: string }) => expect(await ended(task)).toMatchObject({ state: 'succeeded' })
const poolAsk = (name: string) =>
  storagePoolCreate(site.broker, admin, { name, source: { type: 'dir', target: `/srv/${name}` }, reserve: 0.05 })
async function poolMade(name: string) {
  const made = await poolAsk(name)
  await done(made.task)
  return made
}
const volumeAsk = (name: string) =>
  volumeCreate(site.broker, admin, { name, poolId, sizeBytes: 2 ** 30, format: 'qcow2' })

/** Asked while its host does not hear, called off, and the host hears again. */
async function calledOff(ask: () => Promise<{ task: { id: string } }>) {
  await site.agentStop(0)
  const { task } = await ask()
  await site.until('it waits', async () => {
    const { steps, cancellable } = await taskGet(site.broker, admin, task.id, 0, forever)
    return cancellable && steps.some(({ state }) => state === 'current')
  })
  expect(await taskCancel(site.broker, admin, task.id)).toMatchObject({ state: 'cancelled' })
  await site.agentStart(0)
}

describe('called off before its host did it, there comes about', () => {
  it('no storage pool', async () => {
    await calledOff(() => poolAsk('never'))
    const left = async () => (await storagePoolList(site.broker, admin, { limit: 10 })).items.map(({ name }) => name)
    await site.until('it is gone', async () => !(await left()).includes('never'))
    expect(await left()).toEqual(['shelf'])
  })

  it('no second look at one, and the pool stays', async () => {
    await calledOff(() => storagePoolRead(site.broker, admin, poolId))
    expect((await storagePoolList(site.broker, admin, { limit: 10 })).items).toMatchObject([{ id: poolId }])
  })

  it('no volume', async () => {
    await calledOff(() => volumeAsk('never'))
    await site.until('it is gone', async () => {
      const { items } = await volumeList(site.broker, admin, { limit: 10 })
      return items.length === 0
    })
  })

  it('no volume in a desktop', async () => {
    const { task, volume } = await volumeAsk('data')
    await done(task)
    await calledOff(() => volumeAttach(site.broker, admin, volume.id, desktopId))
    expect(await volumeGet(site.broker, admin, volume.id)).toMatchObject({ desktopId: null, usedById: null })
    // It can be had by anybody.
    await done((await volumeAttach(site.broker, admin, volume.id, desktopId)).task)
    await done((await volumeDetach(site.broker, admin, volume.id)).task)
  })

  it('no snapshot', async () => {
    await calledOff(() => snapshotTake(site.broker, admin, desktopId, { name: 'never', note: '' }))
    await site.until('it is gone', async () => (await snapshotList(site.broker, desktopId)).items.length === 0)
  })
})

describe('the receipt of many', () => {
  it('calls off each that can be, and ends with them', async () => {
    await site.agentStop(0)
    const { task } = await desktopsAct(site.broker, admin, 'save', [desktopId])
    expect(task.cancellable).toBe(true)
    await taskCancel(site.broker, admin, task.id)
    expect(await ended(task)).toMatchObject({ state: 'failed', error: { text: expect.stringContaining('1 failed') } })
    await site.agentStart(0)
  })

  it('is not offered to be called off where none of them can be', async () => {
    const { task } = await desktopsAct(site.broker, admin, 'suspend', [desktopId])
    expect(task.cancellable).toBe(false)
    await done(task)
    await done((await desktopAct(site.broker, admin, desktopId, 'resume')).task)
  })
})

it('says of whatever was asked what it went through, also when it is over', async () => {
  const { task } = await desktopAct(site.broker, admin, desktopId, 'shutdown')
  expect(await ended(task)).toMatchObject({ state: 'succeeded', steps: [{ name: 'shutdown', state: 'done' }] })
})
