/** The hardware of one desktop, changed by hand. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopHardwareSet } from '../../broker/desktop-hardware.ts'
import { desktopAct, desktopGet, desktopHistory } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { poolCreate } from '../../broker/pools.ts'
import { taskGet } from '../../broker/tasks.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const GiB = 2 ** 30
const forever = new AbortController().signal
let site: TestSite
let admin: Principal
let id: string

beforeAll(async () => {
  site = await startSite({ sim: [{ uefi: false }], own: { maxVirtualBytes: 2 ** 43 } })
  const warm = await siteWarm(site)
  admin = warm.admin
  const wish = { name: 'own', kind: 'persistent' as const, templateId: warm.templateId, warm: 0 }
  const pool = await poolCreate(site.broker, admin, wish)
  await entitlementSet(site.broker, admin, pool.id, { everyone: true })
  const { desktop, task } = await desktopClaimFor(site.broker, admin, pool.id)
  id = desktop.id
  await taskGet(site.broker, admin, task.id, 15_000, forever)
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

const set = (hardware: Parameters<typeof desktopHardwareSet>[3]) => desktopHardwareSet(site.broker, admin, id, hardware)

it('says what the guest has at once and what after its next start, and who changed it', async () => {
  const { applies, desktop } = await set({ vcpus: 2, diskBytes: GiB, sound: true })
  const why = { sound: 'a guest gets another one when it starts' }
  expect(applies).toEqual({ now: ['vcpus', 'diskBytes'], nextStart: ['sound'], why })
  expect(desktop.hardware).toMatchObject({ vcpus: 2, diskBytes: GiB, memoryBytes: 96 * 2 ** 20 })
  expect((await set({ vcpus: 2 })).applies).toEqual({ now: [], nextStart: [], why: {} })
  const { items } = await desktopHistory(site.broker, id, { limit: 10 })
  expect(items.map(({ reason }) => reason)).toContain(
    'hardware changed by root: vcpus 2, diskBytes 1073741824, sound true',
  )
})

it('has another firmware, bus and card when it starts, each only where its host has it', async () => {
  const { applies, desktop } = await set({ diskBus: 'sata', video: 'qxl', diskBytes: 1.25 * GiB })
  const otherwise = 'a guest gets another one when it starts'
  expect(applies).toEqual({
    now: ['diskBytes'],
    nextStart: ['diskBus', 'video'],
    why: { diskBus: otherwise, video: otherwise },
  })
  expect(desktop.hardware).toMatchObject({ firmware: 'bios', diskBus: 'sata', video: 'qxl' })
  expect((await set({ firmware: 'bios' })).applies).toEqual({ now: [], nextStart: [], why: {} })
  await expect(set({ firmware: 'uefi', vcpus: 8 })).rejects.toMatchObject({
    code: 'invalid',
    fields: [{ field: 'body.hardware.firmware', message: expect.stringContaining('install the Debian package ovmf') }],
  })
  const grown = await set({ diskBytes: 1.5 * GiB })
  expect(grown.applies).toMatchObject({ nextStart: ['diskBytes'], why: { diskBytes: expect.stringContaining('SATA') } })
  await set({ diskBus: 'virtio' })
})

it('never makes a disk smaller, nor larger than allowed; nothing else is changed then', async () => {
  for (const diskBytes of [1.5 * GiB - 512, null, 2 ** 60])
    await expect(set({ vcpus: 4, diskBytes })).rejects.toMatchObject({
      code: 'invalid',
      fields: [{ field: 'body.hardware.diskBytes' }],
    })
  expect((await desktopGet(site.broker, admin, id)).hardware).toMatchObject({ vcpus: 2, diskBytes: 1.5 * GiB })
})

it('is refused at its field where it is more than its host has in all, also by a dry run', async () => {
  // 8 threads and 64 GiB, of which a tenth is kept, and 1 TiB of storage.
  for (const [field, value, message] of [
    ['memoryBytes', 58 * GiB, 'The host sim-1 has 57.5 GiB of memory for a desktop in all.'],
    ['vcpus', 1000, expect.stringMatching(/^The host sim-1 has \d+ vCPU for a desktop in all\.$/)],
    ['diskBytes', 2 ** 41, 'The host sim-1 has 1 TiB of storage in all: a disk there is no larger.'],
  ] as const)
    for (const dryRun of [false, true])
      await expect(
        desktopHardwareSet(site.broker, admin, id, { [field]: value, sound: false }, {}, dryRun),
      ).rejects.toMatchObject({ code: 'invalid', fields: [{ field: `body.hardware.${field}`, message }] })
  expect((await desktopGet(site.broker, admin, id)).hardware).toMatchObject({ vcpus: 2, sound: true })
  expect((await set({ memoryBytes: 57 * GiB, diskBytes: 2 ** 40 - GiB })).desktop.hardware.memoryBytes).toBe(57 * GiB)
  await set({ memoryBytes: 96 * 2 ** 20 })
})

it('gives a desktop that stands still all of it when it starts', async () => {
  await desktopAct(site.broker, admin, id, 'poweroff')
  await site.until('it stands', async () => (await desktopGet(site.broker, admin, id)).phase === 'stopped')
  expect((await set({ vcpus: 1, diskBytes: 2 ** 40 })).applies).toMatchObject({
    now: [],
    nextStart: ['vcpus', 'diskBytes'],
  })
  await desktopAct(site.broker, admin, id, 'start')
  await site.until('it runs', async () => (await desktopGet(site.broker, admin, id)).phase === 'ready')
})
