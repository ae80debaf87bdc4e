/** Desktops that were deleted and can still be restored. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { clusterList, clusterUpdate } from '../../broker/clusters.ts'
import { desktopHardwareSet } from '../../broker/desktop-hardware.ts'
import { desktopMakeFor } from '../../broker/desktop-making.ts'
import { desktopAct, desktopGet, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { desktopsGiveBack } from '../../broker/giving-back.ts'
import { poolCreate, poolDelete, poolGet } from '../../broker/pools.ts'
import { binReconciler } from '../../broker/reconcile/bin.ts'
import { snapshotList, snapshotTake } from '../../broker/snapshots.ts'
import { storagePoolCreate } from '../../broker/storage-pools.ts'
import { taskGet } from '../../broker/tasks.ts'
import { volumeAttach, volumeCreate, volumeDetach, volumeResize } from '../../broker/volumes.ts'
import { makeSimStorage } from '../../vmm/sim-host.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const forever = new AbortController().signal
const storage = makeSimStorage()
let site: TestSite
let admin: Principal
let ana: Principal
let poolId: string
let id: string

const ended = (task: { id: string }) => taskGet(site.broker, admin, task.id, 20_000, forever)
const act = async (name: 'start' | 'delete' | 'restore' | 'purge', which = id) =>
  expect(await ended((await desktopAct(site.broker, admin, which, name)).task)).toMatchObject({ state: 'succeeded' })
const claim = async () => {
  const { task, desktop } = await desktopClaimFor(site.broker, ana, poolId)
  await ended(task)
  return desktop.id
}
const binned = async () => (await desktopList(site.broker, admin, { limit: 10, binned: true })).items.map(row => row.id)
const seen = async (who: Principal) =>
  (await desktopList(site.broker, who, { limit: 10, poolId })).items.map(row => row.id)
const diskOf = (desktopId: string) => storage.overlays.get(`${desktopId}.1`)?.content

beforeAll(async () => {
  site = await startSite({ sim: [{ storage }] })
  const { templateId, ...warm } = await siteWarm(site)
  admin = warm.admin
  ana = await site.person('ana')
  const wish = { name: 'office', kind: 'persistent' as const, templateId, warm: 0, maxSize: 1 }
  poolId = (await poolCreate(site.broker, admin, wish)).id
  await entitlementSet(site.broker, admin, poolId, { userIds: [ana.userId] })
  id = await claim()
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

it('holds a person’s desktop that was deleted: stopped, with its disk, out of everybody’s sight and its pool’s places', async () => {
  const disk = diskOf(id)
  expect(await desktopGet(site.broker, admin, id)).toMatchObject({ binDays: 7, binned: null })
  await act('delete')
  expect(await binned()).toEqual([id])
  expect([await seen(admin), await seen(ana)]).toEqual([[], []])
  expect((await desktopList(site.broker, admin, { limit: 10, search: 'office' })).items).toEqual([])
  await expect(desktopGet(site.broker, ana, id)).rejects.toMatchObject({ code: 'not_found' })
  const shown = await desktopGet(site.broker, admin, id)
  expect(shown).toMatchObject({ userName: 'ana', power: 'stopped', binned: { until: expect.any(String) } })
  expect(shown.actions.filter(({ allowed }) => allowed).map(({ name }) => name)).toEqual(['restore', 'purge'])
  await expect(desktopAct(site.broker, admin, id, 'start')).rejects.toMatchObject({ code: 'conflict' })
  // Nobody sees who has the name.
  const named = { userId: ana.userId, name: shown.name }
  await expect(desktopMakeFor(site.broker, admin, poolId, named)).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining(`${shown.name} lies in the recycle bin: restore it`),
  })
  expect((await poolGet(site.broker, admin, poolId)).counts).toMatchObject({ total: 0, assigned: 0 })
  expect(diskOf(id)).toBe(disk)
})

it('leaves what is in it as it is: its hardware, disc, snapshots and volumes', async () => {
  const refused = { code: 'conflict', message: expect.stringContaining('in the recycle bin: restore') }
  const { broker } = site
  await expect(desktopHardwareSet(broker, admin, id, { vcpus: 3 })).rejects.toMatchObject(refused)
  await expect(desktopHardwareSet(broker, admin, id, {}, { cdrom: null })).rejects.toMatchObject(refused)
  await expect(snapshotTake(broker, admin, id, { name: 'late', note: '' })).rejects.toMatchObject(refused)
  expect((await snapshotList(broker, id)).actions).toMatchObject([{ name: 'take', allowed: false }])

  const source = { type: 'dir' as const, target: '/srv/late' }
  const made = await storagePoolCreate(broker, admin, { name: 'late', source, reserve: 0.05 })
  await ended(made.task)
  const wish = { name: 'late', poolId: made.storagePool.id, sizeBytes: 2 ** 20, format: 'qcow2' as const }
  const { task, volume } = await volumeCreate(broker, admin, wish)
  await ended(task)
  await expect(volumeAttach(broker, admin, volume.id, id)).rejects.toMatchObject(refused)
  const put = (desktop_id: string | null) =>
    broker.db
      .updateTable('volume')
      .set({ desktop_id, slot: desktop_id === null ? null : 1 })
      .where('id', '=', volume.id)
      .execute()
  await put(id)
  await expect(volumeResize(broker, admin, volume.id, 2 ** 30)).rejects.toMatchObject(refused)
  await expect(volumeDetach(broker, admin, volume.id)).rejects.toMatchObject(refused)
  await put(null)
})

it('is not the end when it is asked twice, or by many at once: only the other word is', async () => {
  const disk = diskOf(id)
  const again = desktopAct(site.broker, admin, id, 'delete')
  await expect(again).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('already: restore it'),
  })
  await act('restore')
  await expect(desktopAct(site.broker, admin, id, 'purge')).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('it is not in the recycle bin'),
  })
  const asked = [1, 2, 3, 4, 5].map(() => desktopAct(site.broker, admin, id, 'delete'))
  const came = await Promise.allSettled(asked)
  expect(came.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  await site.until('it stands', async () => (await desktopGet(site.broker, admin, id)).phase === 'stopped')
  expect(await binned()).toEqual([id])
  expect(diskOf(id)).toBe(disk)
})

it('gives it back to its person as it was, unless its place is taken by now', async () => {
  const disk = diskOf(id)
  const other = await claim()
  expect(other).not.toBe(id)
  await expect(desktopAct(site.broker, admin, id, 'restore')).rejects.toMatchObject({ code: 'pool_exhausted' })
  await act('delete', other)
  await act('restore')
  expect(await binned()).toEqual([other])
  expect(await claim()).toBe(id)
  expect(await desktopGet(site.broker, ana, id)).toMatchObject({ phase: 'ready' })
  expect(diskOf(id)).toBe(disk)
  await act('purge', other)
  expect(await binned()).toEqual([])
  expect(diskOf(other)).toBeUndefined()
})

it('empties itself when its time is over', async () => {
  await act('delete')
  const clock = { now: () => new Date(Date.now() + 7 * 24 * 3_600_000 - 60_000) }
  const later = { now: () => new Date(Date.now() + 7 * 24 * 3_600_000 + 60_000) }
  await binReconciler({ ...site.broker, clock }).step(forever)
  expect(await binned()).toEqual([id])
  await binReconciler({ ...site.broker, clock: later }).step(forever)
  await site.until('it is gone', async () => (await binned()).length === 0)
  expect(diskOf(id)).toBeUndefined()
})

it('keeps its pool from being removed without a word, and a person’s desktops do not outlive them in it', async () => {
  id = await claim()
  await act('delete')
  await expect(poolDelete(site.broker, admin, poolId, false)).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('recycle bin'),
  })
  await desktopsGiveBack(site.broker, admin, ana.userId)
  await site.until('its disk is gone', async () => diskOf(id) === undefined)
})

it('is not used where its cluster keeps nothing', async () => {
  const [cluster] = (await clusterList(site.broker, admin, { limit: 1 })).items
  await clusterUpdate(site.broker, admin, cluster?.id ?? '', { binDays: 0 })
  id = await claim()
  expect(await desktopGet(site.broker, admin, id)).toMatchObject({ binDays: 0 })
  await act('delete')
  expect(await binned()).toEqual([])
  expect(diskOf(id)).toBeUndefined()
})
