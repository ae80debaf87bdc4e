/** Desktops that an administrator makes for somebody, one by one. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopMakeFor } from '../../broker/desktop-making.ts'
import { desktopGet, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { poolCreate, poolUpdate } from '../../broker/pools.ts'
import { taskGet } from '../../broker/tasks.ts'
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

it('has no address of ours on a network of the site, which gives its guest another', async () => {
  const address = async () => (await desktopList(site.broker, admin, { limit: 1, poolId })).items[0]?.address
  expect(await address()).toMatch(/^10\./)
  await poolUpdate(site.broker, admin, poolId, { network: { mode: 'bridge', interface: 'br5' } })
  expect(await address()).toBeNull()
  await poolUpdate(site.broker, admin, poolId, { network: { mode: 'nat' } })
  expect(await address()).toMatch(/^10\./)
})

it('fails as a whole: where it cannot start, nothing of it stays', async () => {
  const { task, desktop } = await make({ name: 'bad-fail-start' })
  expect(await taskGet(site.broker, admin, task.id, 20_000, forever)).toMatchObject({ state: 'failed' })
  await site.until('nobody has it', async () => (await desktopGet(site.broker, admin, desktop.id)).userId === null)
})
