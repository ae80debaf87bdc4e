/** Desktops that an administrator makes for somebody, one by one. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopMakeFor } from '../../broker/desktop-making.ts'
import { desktopGet, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { makingPlan } from '../../broker/making-checks.ts'
import { hostsToPlaceOn } from '../../broker/placing.ts'
import { poolCreate, poolUpdate } from '../../broker/pools.ts'
import { taskGet } from '../../broker/tasks.ts'
import { templateCreate, templateGet, templateUpdate, versionUploaded } from '../../broker/templates.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const forever = new AbortController().signal
let site: TestSite
let admin: Principal
let ana: Principal
let templateId: string
let poolId: string

beforeAll(async () => {
  site = await startSite()
  ;({ admin, templateId } = await siteWarm(site))
  ana = await site.person('ana')
  const wish = { name: 'office', kind: 'persistent' as const, templateId, warm: 0, maxSize: 3 }
  poolId = (await poolCreate(site.broker, admin, wish)).id
  await entitlementSet(site.broker, admin, poolId, { userIds: [ana.userId] })
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

const make = (wish: Partial<Parameters<typeof desktopMakeFor>[3]> = {}) =>
  desktopMakeFor(site.broker, admin, poolId, { userId: ana.userId, ...wish })

it('is its person’s from the first moment, with a name and hardware of its own; the pool’s others are as ever', async () => {
  const { task, desktop } = await make({ name: 'ana-cad', hardware: { vcpus: 4, diskBytes: 2 ** 31 } })
  expect(desktop).toMatchObject({ name: 'ana-cad', userName: 'ana', hardware: { vcpus: 4, diskBytes: 2 ** 31 } })
  expect(await taskGet(site.broker, admin, task.id, 15_000, forever)).toMatchObject({ state: 'succeeded' })
  expect(await desktopGet(site.broker, ana, desktop.id)).toMatchObject({ phase: 'ready' })
  const second = await make()
  expect(second.desktop).toMatchObject({ name: expect.stringMatching(/^office-\d{3}$/), hardware: { vcpus: 1 } })
  await taskGet(site.broker, admin, second.task.id, 15_000, forever)
})

it.each([
  ['a name that is taken', { name: 'ana-cad' }, { code: 'conflict', fields: [{ field: 'body.name' }] }],
  [
    'a person who may not use the pool',
    { userId: '01a00000-0000-7000-8000-000000000000' },
    { fields: [{ field: 'body.userId' }] },
  ],
  ['a disk below its template’s', { hardware: { diskBytes: 1 } }, { fields: [{ field: 'body.hardware.diskBytes' }] }],
])('is refused for %s, and nothing is made', async (_title, wish, error) => {
  await expect(make(wish)).rejects.toMatchObject(error)
  expect((await desktopList(site.broker, admin, { limit: 10, poolId })).items).toHaveLength(2)
})

it('is refused for a pool that is not there', async () => {
  const nowhere = '01a00000-0000-7000-8000-000000000000'
  const asked = desktopMakeFor(site.broker, admin, nowhere, { userId: ana.userId })
  await expect(asked).rejects.toMatchObject({ code: 'not_found' })
})

it('of which several are asked for at once for one person, each is made', async () => {
  const wish = { name: 'rush', kind: 'persistent' as const, templateId, warm: 0, maxSize: 10, maxPerUser: 10 }
  const { id } = await poolCreate(site.broker, admin, wish)
  await entitlementSet(site.broker, admin, id, { userIds: [ana.userId] })
  const asked = Array.from({ length: 8 }, (_, n) =>
    n % 4 === 3
      ? desktopClaimFor(site.broker, ana, id, true)
      : desktopMakeFor(site.broker, admin, id, { userId: ana.userId, name: `rush-${n}` }),
  )
  const made = await Promise.all(asked)
  expect(new Set(made.map(({ desktop }) => desktop.id)).size).toBe(8)
  await Promise.all(made.map(({ task }) => taskGet(site.broker, admin, task.id, 15_000, forever)))
})

it('has no address of ours on a network of the site, which gives its guest another', async () => {
  const address = async () => (await desktopList(site.broker, admin, { limit: 1, poolId })).items[0]?.address
  expect(await address()).toMatch(/^10\./)
  await poolUpdate(site.broker, admin, poolId, { network: { mode: 'bridge', interface: 'br5' } })
  expect(await address()).toBeNull()
  await poolUpdate(site.broker, admin, poolId, { network: { mode: 'nat' } })
  expect(await address()).toMatch(/^10\./)
})

it('says beforehand of each thing that it needs whether it is there, and makes nothing', async () => {
  const count = async () => (await desktopList(site.broker, admin, { limit: 10, poolId })).items.length
  const before = await count()
  const plan = await makingPlan(site.broker, admin, poolId, { userId: ana.userId, name: 'ana-more' })
  expect(plan).toMatchObject({ ok: true, host: { name: 'sim-1' } })
  expect(plan.checks.filter(({ ok }) => !ok)).toEqual([])
  expect(await count()).toBe(before)
})

it.each([
  ['name', { name: 'ana-cad' }],
  ['person', { userId: '01a00000-0000-7000-8000-000000000000' }],
  ['disk', { hardware: { diskBytes: 1 } }],
  ['capacity', { hardware: { vcpus: 128 } }],
])('says beforehand that its %s is what keeps it from being made', async (name, wish) => {
  const plan = await makingPlan(site.broker, admin, poolId, { userId: ana.userId, ...wish })
  expect(plan.ok).toBe(false)
  expect(plan.checks.filter(({ ok }) => !ok).map(check => check.name)).toContain(name)
  expect(plan.checks.find(check => check.name === name)?.text).toMatch(/\S/)
})

it('says beforehand of its person whether they are unknown or not entitled, and of more vCPUs than its host has CPUs', async () => {
  const of = async (name: string, wish: Partial<Parameters<typeof makingPlan>[3]>) => {
    const plan = await makingPlan(site.broker, admin, poolId, { userId: ana.userId, ...wish })
    return plan.checks.find(check => check.name === name)
  }
  const ben = await site.person('ben')
  expect(await of('person', { userId: ben.userId })).toMatchObject({
    ok: false,
    text: expect.stringMatching(/entitle/),
  })
  const nobody = { userId: '01a00000-0000-7000-8000-000000000000' }
  expect(await of('person', nobody)).toMatchObject({ ok: false, text: expect.stringMatching(/no such person/) })
  const cpus = (await hostsToPlaceOn(site.broker.db, { poolIds: [] }))[0]?.cpus ?? 0
  expect(await of('capacity', { hardware: { vcpus: cpus } })).toMatchObject({ text: expect.not.stringMatching(/CPU:/) })
  expect(await of('capacity', { hardware: { vcpus: cpus + 1 } })).toMatchObject({
    ok: true,
    text: expect.stringContaining(`has only ${cpus} CPU`),
  })
})

describe('a desktop that is installed from a disc', () => {
  const blank = { kind: 'blank' as const }
  const own = { description: '', notes: '', hardware: {} }
  const sealed = (id: string) =>
    site.until('it is sealed', async () => (await templateGet(site.broker, admin, id)).versions[0]?.state === 'sealed')

  it('needs one that is made of an ISO file and ready, which is said beforehand', async () => {
    const plan = (cdrom: string | null) => makingPlan(site.broker, admin, poolId, { userId: ana.userId, cdrom })
    const medium = async (cdrom: string | null) => (await plan(cdrom)).checks.find(({ name }) => name === 'medium')
    expect(await medium(null)).toMatchObject({ ok: true })
    const { versions } = await templateGet(site.broker, admin, templateId)
    for (const cdrom of [versions[0]?.id ?? '', '01a00000-0000-7000-8000-000000000000']) {
      expect(await medium(cdrom)).toMatchObject({ ok: false, text: expect.stringContaining('ISO file') })
      expect((await plan(cdrom)).ok).toBe(false)
    }
    const source = { kind: 'upload' as const, format: 'iso' as const, sizeBytes: 4096, sha256: 'b'.repeat(64) }
    const { template } = await templateCreate(site.broker, admin, { ...own, name: 'debian-disc', source })
    const disc = template.versions[0]?.id ?? ''
    expect(await medium(disc)).toMatchObject({ ok: false, text: expect.stringContaining('not ready') })
    await versionUploaded(site.broker, admin, template.id, 1)
    await sealed(template.id)
    expect(await medium(disc)).toMatchObject({ ok: true, text: 'debian-disc, version 1' })
  })

  it('has a disk on which a system has room, or is refused at that field', async () => {
    const { template } = await templateCreate(site.broker, admin, { ...own, name: 'empty', source: blank })
    await sealed(template.id)
    expect(template.hardware.diskBytes).toBe(20 * 2 ** 30)
    const wish = { kind: 'persistent' as const, templateId: template.id, warm: 0, maxPerUser: 5 }
    const pool = await poolCreate(site.broker, admin, { ...wish, name: 'installed' })
    await entitlementSet(site.broker, admin, pool.id, { everyone: true })
    const { desktop } = await desktopMakeFor(site.broker, admin, pool.id, { userId: ana.userId })
    expect(desktop.hardware.diskBytes).toBe(20 * 2 ** 30)

    const field = { fields: [{ field: 'body.hardware.diskBytes', message: expect.stringContaining('empty disk') }] }
    const none = { hardware: { diskBytes: null } }
    await expect(poolCreate(site.broker, admin, { ...wish, ...none, name: 'none' })).rejects.toMatchObject(field)
    await expect(poolUpdate(site.broker, admin, pool.id, none)).rejects.toMatchObject(field)
    // One whose template lost its size later.
    await templateUpdate(site.broker, admin, template.id, none)
    await poolUpdate(site.broker, admin, pool.id, { name: 'renamed' })
    const asked = { userId: ana.userId }
    await expect(desktopMakeFor(site.broker, admin, pool.id, asked)).rejects.toMatchObject(field)
    const { checks } = await makingPlan(site.broker, admin, pool.id, asked)
    expect(checks.find(({ name }) => name === 'disk')).toMatchObject({ ok: false })
    const own20 = { ...asked, hardware: { diskBytes: 2 ** 34 } }
    expect((await desktopMakeFor(site.broker, admin, pool.id, own20)).desktop.hardware.diskBytes).toBe(2 ** 34)
  })
})

it('fails as a whole: where it cannot start, nothing of it stays', async () => {
  const { task, desktop } = await make({ name: 'bad-fail-start' })
  expect(await taskGet(site.broker, admin, task.id, 20_000, forever)).toMatchObject({ state: 'failed' })
  const left = async () => (await desktopList(site.broker, admin, { limit: 10, poolId })).items
  await site.until('nothing of it stays', async () => !(await left()).some(({ id }) => id === desktop.id))
})
