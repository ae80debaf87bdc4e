/** Desktops whose disk is a copy of another one's. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClone } from '../../broker/cloning.ts'
import { desktopMakeFor } from '../../broker/desktop-making.ts'
import { desktopAct, desktopGet, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { poolCreate, poolUpdate } from '../../broker/pools.ts'
import { storagePoolCreate } from '../../broker/storage-pools.ts'
import { taskCancel, taskGet, taskLog } from '../../broker/tasks.ts'
import { volumeAttach, volumeCreate } from '../../broker/volumes.ts'
import { makeSimStorage } from '../../vmm/sim-host.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const forever = new AbortController().signal
const storage = makeSimStorage()
let site: TestSite
let admin: Principal
let ana: Principal
let poolId: string
let sourceId: string

const ended = (task: { id: string }) => taskGet(site.broker, admin, task.id, 20_000, forever)
const sofar = (task: { id: string }) => taskGet(site.broker, admin, task.id, 0, forever)
const act = async (id: string, name: 'start' | 'poweroff' | 'delete') =>
  expect(await ended((await desktopAct(site.broker, admin, id, name)).task)).toMatchObject({ state: 'succeeded' })
const clone = (ask: Partial<Parameters<typeof desktopClone>[3]> = {}) =>
  desktopClone(site.broker, admin, sourceId, { userId: ana.userId, full: false, ...ask })
const contentOf = (id: string) => storage.overlays.get(`${id}.1`)?.content

beforeAll(async () => {
  site = await startSite({ sim: [{ storage }] })
  const { templateId, ...warm } = await siteWarm(site)
  admin = warm.admin
  ana = await site.person('ana')
  const wish = { name: 'office', kind: 'persistent' as const, templateId, warm: 0, maxSize: 4 }
  poolId = (await poolCreate(site.broker, admin, wish)).id
  await entitlementSet(site.broker, admin, poolId, { userIds: [ana.userId] })
  const { task, desktop } = await desktopMakeFor(site.broker, admin, poolId, { userId: ana.userId, name: 'source' })
  await ended(task)
  sourceId = desktop.id
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

it('is refused while its source runs, and for who may not use the pool', async () => {
  await expect(clone()).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('shut down') })
  await act(sourceId, 'poweroff')
  const stranger = { userId: '01a00000-0000-7000-8000-000000000000' }
  await expect(clone(stranger)).rejects.toMatchObject({ fields: [{ field: 'body.userId' }] })
  await expect(clone({ name: 'source' })).rejects.toMatchObject({ code: 'conflict' })
})

it('has what its source has on its disk, and a name, an address and an owner of its own', async () => {
  const { task, desktop } = await clone({ name: 'copy' })
  expect(await ended(task)).toMatchObject({ state: 'succeeded' })
  const [source, copy] = [
    await desktopGet(site.broker, admin, sourceId),
    await desktopGet(site.broker, ana, desktop.id),
  ]
  expect(copy).toMatchObject({ name: 'copy', phase: 'stopped', userName: 'ana', hostId: source.hostId })
  expect(copy.address).not.toBe(source.address)
  expect(contentOf(desktop.id)).toBe(contentOf(sourceId))
  await act(desktop.id, 'start')
  await act(sourceId, 'start')
  await act(sourceId, 'poweroff')
})

it('can be called off while it is made: nothing of it stays, and its source starts again, which it did not before', async () => {
  const { task, desktop } = await clone({ name: 'slow-copy', full: true })
  await expect(desktopAct(site.broker, admin, sourceId, 'start')).rejects.toMatchObject({ code: 'conflict' })
  await site.until('it is told how far it is', async () => (await sofar(task)).progress > 0)
  expect(await taskCancel(site.broker, admin, task.id)).toMatchObject({ state: 'cancelled' })
  await site.until('it is gone', async () => {
    const { items } = await desktopList(site.broker, admin, { limit: 10, poolId })
    return items.every(({ id }) => id !== desktop.id)
  })
  expect(contentOf(desktop.id)).toBeUndefined()
  await act(sourceId, 'start')
  await act(sourceId, 'poweroff')
})
it('goes on after its host’s agent was killed in the middle of it', async () => {
  const { task, desktop } = await clone({ name: 'steady' })
  await site.agentStop(0)
  await site.agentStart(0)
  expect(await ended(task)).toMatchObject({ state: 'succeeded' })
  expect(contentOf(desktop.id)).toBe(contentOf(sourceId))
})

it('takes a place of its pool: none is made where none is left', async () => {
  const { task } = await clone()
  await ended(task)
  await expect(clone()).rejects.toMatchObject({ code: 'pool_exhausted' })
})

it('says that its source’s volumes stay where they are', async () => {
  const poolGiven = { name: 'data', source: { type: 'dir' as const, target: '/srv/data' }, reserve: 0 }
  const { storagePool, task } = await storagePoolCreate(site.broker, admin, poolGiven)
  await ended(task)
  const asked = { name: 'ledgers', poolId: storagePool.id, sizeBytes: 2 ** 20, format: 'raw' as const }
  const made = await volumeCreate(site.broker, admin, asked)
  await ended(made.task)
  await volumeAttach(site.broker, admin, made.volume.id, sourceId)
  await poolUpdate(site.broker, admin, poolId, { maxSize: 9 })
  const { task: copying } = await clone({ name: 'second-copy' })
  const line = 'volumes are not copied: ledgers stays with source'
  expect(await taskLog(site.broker, admin, copying.id)).toContainEqual(expect.objectContaining({ text: line }))
})
