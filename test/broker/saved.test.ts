/** Memory that is kept over a stop, and what may be done with a desktop meanwhile. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClone } from '../../broker/cloning.ts'
import { desktopHardwareSet } from '../../broker/desktop-hardware.ts'
import { desktopMakeFor } from '../../broker/desktop-making.ts'
import { desktopAct, desktopGet, desktopHistory } from '../../broker/desktops.ts'
import { dongleBind } from '../../broker/dongles.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { desktopMove } from '../../broker/migrations.ts'
import { poolCreate } from '../../broker/pools.ts'
import { snapshotTake } from '../../broker/snapshots.ts'
import { taskCancel, taskGet } from '../../broker/tasks.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const forever = new AbortController().signal
let site: TestSite
let admin: Principal
let poolId: string

beforeAll(async () => {
  site = await startSite()
  const warm = await siteWarm(site)
  admin = warm.admin
  const wish = { name: 'own', kind: 'persistent' as const, templateId: warm.templateId, warm: 0, maxPerUser: 9 }
  poolId = (await poolCreate(site.broker, admin, wish)).id
  await entitlementSet(site.broker, admin, poolId, { everyone: true })
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

const end = (id: string) => taskGet(site.broker, admin, id, 15_000, forever)
const shown = (id: string) => desktopGet(site.broker, admin, id)
async function made(name: string): Promise<string> {
  const { task, desktop } = await desktopMakeFor(site.broker, admin, poolId, { name, userId: admin.userId })
  expect(await end(task.id)).toMatchObject({ state: 'succeeded' })
  return desktop.id
}
async function act(id: string, name: Parameters<typeof desktopAct>[3]) {
  const { task } = await desktopAct(site.broker, admin, id, name)
  return end(task.id)
}

it('keeps a desktop’s memory over restarts of the agent, and lets it go on from there', async () => {
  const id = await made('kept')
  expect(await act(id, 'save')).toMatchObject({ state: 'succeeded', progress: 100 })
  const saved = await shown(id)
  expect(saved).toMatchObject({ phase: 'stopped', saved: { bytes: expect.any(Number) } })
  expect(saved.reason).toContain('its memory is saved')
  await site.agentStop(0)
  await site.agentStart(0)
  await site.until('it is told again', async () => (await shown(id)).saved !== null)
  expect(await act(id, 'start')).toMatchObject({ state: 'succeeded' })
  expect(await shown(id)).toMatchObject({ phase: 'ready', saved: null })
  await site.until('the file is gone', async () => {
    const disks = await site.hosts[0]?.overlays()
    return disks?.find(({ machineId }) => machineId === id)?.memory === undefined
  })
})

it('keeps a saved desktop on its host and says why; what is saved goes when it is forced off', async () => {
  const id = await made('pinned')
  await act(id, 'save')
  const refused = (await shown(id)).actions.find(({ name }) => name === 'migrate')
  expect(refused).toMatchObject({ allowed: false, reason: expect.stringContaining('its memory is saved') })
  await expect(desktopMove(site.broker, admin, id, { hostId: null, restart: false })).rejects.toMatchObject({
    code: 'conflict',
  })
  await act(id, 'poweroff')
  await site.until('nothing is saved', async () => {
    const disks = await site.hosts[0]?.overlays()
    return disks?.find(({ machineId }) => machineId === id)?.memory === undefined
  })
  expect(await shown(id)).toMatchObject({ phase: 'stopped', saved: null })
  expect((await shown(id)).actions.find(({ name }) => name === 'poweroff')?.allowed).toBe(false)
})

it('lets nothing change of what a saved desktop is made of, nor of one that is just being saved', async () => {
  const id = await made('slow-save-kept')
  const { task } = await desktopAct(site.broker, admin, id, 'save')
  const grow = () => desktopHardwareSet(site.broker, admin, id, { memoryBytes: 2 ** 30 })
  await expect(grow()).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('being saved') })
  await taskCancel(site.broker, admin, task.id)

  const kept = await made('unchanged')
  await act(kept, 'save')
  const { hardware, hostId, ...before } = await shown(kept)
  expect(before.actions.find(({ name }) => name === 'change')?.reason).toContain('its memory is saved')
  const refused = { code: 'conflict', message: expect.stringContaining('its memory is saved on its host: start it') }
  const { broker } = site
  const device = { vendor: '0529', product: '0001' }
  const asked = [
    () => desktopHardwareSet(broker, admin, kept, { memoryBytes: 2 ** 30 }),
    () => desktopHardwareSet(broker, admin, kept, { diskBytes: 2 ** 40 }),
    () => desktopHardwareSet(broker, admin, kept, {}, { cdrom: null }),
    () => desktopHardwareSet(broker, admin, kept, {}, { name: 'renamed' }),
    () => snapshotTake(broker, admin, kept, { name: 'then', note: '' }),
    () => desktopClone(broker, admin, kept, { userId: admin.userId, full: false }),
    () => dongleBind(broker, admin, { hostId, desktopId: kept, ...device }),
  ]
  for (const ask of asked) await expect(ask()).rejects.toMatchObject(refused)
  await act(kept, 'start')
  expect((await shown(kept)).hardware).toEqual(hardware)
})

it('runs on when its memory cannot be saved, and says why', async () => {
  const id = await made('fail-save')
  const task = await act(id, 'save')
  expect(task).toMatchObject({ state: 'failed', error: { code: 'storage_full' } })
  await site.until('it runs on', async () => (await shown(id)).phase === 'ready')
  const { items } = await desktopHistory(site.broker, id, { limit: 10 })
  expect(items.map(({ to }) => to)).toContain('save failed')
  // Once more, under a new wish: it is tried again.
  expect(await act(id, 'save')).toMatchObject({ state: 'failed' })
})

it('runs on when the saving is called off', async () => {
  const id = await made('slow-save')
  const { task } = await desktopAct(site.broker, admin, id, 'save')
  await site.until('it is being saved', async () => (await shown(id)).phase === 'stopping')
  expect(await taskCancel(site.broker, admin, task.id)).toMatchObject({ state: 'cancelled' })
  await site.until('it runs on', async () => (await shown(id)).phase === 'ready')
  expect((await site.hosts[0]?.overlays())?.find(({ machineId }) => machineId === id)?.memory).toBeUndefined()
})

it('says of a memory that no guest can go on from how to get rid of it', async () => {
  const id = await made('fail-restore')
  await act(id, 'save')
  const task = await act(id, 'start')
  expect(task).toMatchObject({ state: 'failed', error: { code: 'start_failed' } })
})
