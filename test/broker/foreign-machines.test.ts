/** Machines of a host that are not ours, from being told to being a person's desktop. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopAct, desktopGet, desktopHistory } from '../../broker/desktops.ts'
import { foreignMachineAdopt, foreignMachineList } from '../../broker/foreign-machines.ts'
import { hostList } from '../../broker/hosts.ts'
import { poolCreate, poolGet } from '../../broker/pools.ts'
import { taskCancel, taskGet } from '../../broker/tasks.ts'
import { foreignContent, simForeign } from '../../vmm/sim-foreign.ts'
import { makeSimStorage } from '../../vmm/sim-storage.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const forever = new AbortController().signal
const names = ['Accounts 2019', 'fail-adopt', 'third', 'never']
const foreign = [
  ...names.map(name => simForeign('sim-1', name)),
  simForeign('sim-1', 'second', { firmware: 'uefi', diskBus: 'sata' }),
  simForeign('sim-1', 'router', { obstacles: ['it has 2 disks'] }),
]
const idOf = (name: string) => foreign.find(machine => machine.name === name)?.id ?? ''
const storage = makeSimStorage()
let site: TestSite
let admin: Principal
let ana: Principal
let hostId: string
let templateId: string

beforeAll(async () => {
  site = await startSite({ sim: [{ foreign, storage }] })
  ;({ admin, templateId } = await siteWarm(site))
  ana = await site.person('ana')
  hostId = (await hostList(site.broker, admin, { limit: 1 })).items[0]?.id ?? ''
  await site.until('the host told of them', async () => (await listed()).length === foreign.length)
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

const listed = async () => (await foreignMachineList(site.broker, admin, hostId)).items
const adopt = (name: string, ask: Partial<Parameters<typeof foreignMachineAdopt>[3]> = {}) =>
  foreignMachineAdopt(site.broker, admin, { hostId, foreignId: idOf(name) }, { userId: ana.userId, ...ask })
const ended = (taskId: string) => taskGet(site.broker, admin, taskId, 15_000, forever)
const disks = () => [...storage.overlays.values()].map(({ content }) => content)

it('is told with what it has, and why it cannot be adopted where it cannot; nothing of it is ours', async () => {
  const machines = await listed()
  expect(machines[0]).toMatchObject({
    name: 'Accounts 2019',
    vcpus: 2,
    disks: [{ format: 'qcow2', sizeBytes: 8 * 2 ** 30 }],
    desktop: null,
    actions: [{ name: 'adopt', allowed: true }],
  })
  const router = machines.find(({ name }) => name === 'router')
  expect(router?.actions).toEqual([{ name: 'adopt', allowed: false, reason: 'it has 2 disks' }])
  await expect(adopt('router')).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('2 disks') })
  expect(disks().some(content => content.startsWith('of '))).toBe(false)
})

it('becomes a desktop of its person with its own id, hardware and disk, and starts as any other', async () => {
  const { task, desktop } = await adopt('Accounts 2019')
  expect(desktop).toMatchObject({
    id: idOf('Accounts 2019'),
    name: 'accounts-2019',
    poolName: 'adopted',
    userName: 'ana',
    hardware: { vcpus: 2, video: 'qxl', diskBytes: 8 * 2 ** 30, firmware: 'bios', diskBus: 'virtio' },
  })
  expect(await ended(task.id)).toMatchObject({ kind: 'desktop.adopt', state: 'succeeded' })
  expect(disks()).toContain(foreignContent(idOf('Accounts 2019')))
  expect((await listed()).map(({ name }) => name)).not.toContain('Accounts 2019')
  const { items } = await desktopHistory(site.broker, desktop.id, { limit: 10 })
  expect(items.at(-1)?.reason).toBe('Accounts 2019 of sim-1 adopted by root')

  const started = await desktopAct(site.broker, ana, desktop.id, 'start')
  expect(await ended(started.task.id)).toMatchObject({ state: 'succeeded' })
  expect(await desktopGet(site.broker, ana, desktop.id)).toMatchObject({ phase: 'ready' })
})

it('goes to a pool that was made for it, if its template is an empty disk', async () => {
  const wrong = await poolCreate(site.broker, admin, { name: 'office', kind: 'persistent', templateId, warm: 0 })
  await expect(adopt('second', { poolId: wrong.id })).rejects.toMatchObject({ fields: [{ field: 'body.poolId' }] })
  const [{ pool_id: adopted } = { pool_id: '' }] = await site.broker.db
    .selectFrom('desktop')
    .select('pool_id')
    .where('name', '=', 'accounts-2019')
    .execute()
  const { templateId: blank } = await poolGet(site.broker, admin, adopted)
  const wish = { name: 'brought', kind: 'persistent' as const, templateId: blank, warm: 0 }
  const right = await poolCreate(site.broker, admin, wish)
  const { task, desktop } = await adopt('second', { poolId: right.id, name: 'ana-2' })
  expect(desktop).toMatchObject({
    name: 'ana-2',
    poolName: 'brought',
    hardware: { firmware: 'uefi', diskBus: 'sata' },
  })
  expect(await ended(task.id)).toMatchObject({ state: 'succeeded' })
})

it('is adopted once, however often it is asked, and under a name that is free', async () => {
  await expect(adopt('third', { name: 'ana-2' })).rejects.toMatchObject({ fields: [{ field: 'body.name' }] })
  const asked = await Promise.allSettled([adopt('third'), adopt('third', { name: 'other' })])
  expect(asked.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  const [done] = asked.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
  expect(await ended(done?.task.id ?? '')).toMatchObject({ state: 'succeeded' })
  expect(disks().filter(content => content === foreignContent(idOf('third')))).toHaveLength(1)
})

it('stays what it was where that fails: the receipt says why, and cancelling or deleting leaves nothing of ours', async () => {
  const { task, desktop } = await adopt('fail-adopt')
  expect(await ended(task.id)).toMatchObject({ state: 'failed', error: { code: 'storage_full' } })
  expect((await listed()).find(({ name }) => name === 'fail-adopt')).toMatchObject({
    desktop: { id: desktop.id },
    actions: [{ allowed: false, reason: 'it is being adopted as fail-adopt' }],
  })
  const removed = await desktopAct(site.broker, admin, desktop.id, 'delete')
  expect(await ended(removed.task.id)).toMatchObject({ state: 'succeeded' })
  expect((await listed()).find(({ name }) => name === 'fail-adopt')).toMatchObject({
    desktop: null,
    actions: [{ allowed: true }],
  })
})

it('is left alone when its adoption is cancelled before its host began', async () => {
  await site.agentStop(0)
  const { task, desktop } = await adopt('never')
  expect(await taskCancel(site.broker, admin, task.id)).toMatchObject({ state: 'cancelled' })
  await site.agentStart(0)
  await site.until('it is gone', async () =>
    desktopGet(site.broker, admin, desktop.id).then(
      () => false,
      () => true, // not found: gone
    ),
  )
  expect(disks()).not.toContain(foreignContent(idOf('never')))
  expect((await listed()).map(({ name }) => name)).toContain('never')
})
