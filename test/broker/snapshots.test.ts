/** Snapshots of persistent desktops, from the request to the disk and back. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopMakeFor } from '../../broker/desktop-making.ts'
import { desktopAct, desktopGet } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { poolCreate, poolList } from '../../broker/pools.ts'
import { mostSnapshots, snapshotList, snapshotRemove, snapshotRevert, snapshotTake } from '../../broker/snapshots.ts'
import { taskGet } from '../../broker/tasks.ts'
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
async function made(name: string): Promise<string> {
  const { task, desktop } = await desktopMakeFor(site.broker, admin, poolId, { name, userId: admin.userId })
  expect(await end(task.id)).toMatchObject({ state: 'succeeded' })
  return desktop.id
}
const take = async (id: string, name: string) =>
  end((await snapshotTake(site.broker, admin, id, { name, note: '' })).task.id)
const disk = async (id: string) => {
  const overlay = (await site.hosts[0]?.overlays())?.find(({ machineId }) => machineId === id)
  return {
    overlay: overlay ?? { machineId: id, incarnation: 1 },
    found: overlay ? await site.hosts[0]?.snapshots(overlay) : [],
  }
}
async function stand(id: string) {
  await end((await desktopAct(site.broker, admin, id, 'poweroff')).task.id)
}

it('takes a snapshot of a desktop that runs and says whether it was frozen; reverts to it when it stands', async () => {
  const id = await made('kept')
  expect(await take(id, 'before')).toMatchObject({ state: 'succeeded' })
  const [shown] = (await snapshotList(site.broker, id)).items
  expect(shown).toMatchObject({ name: 'before', state: 'ready', frozen: true, takenBy: 'root' })
  expect(shown?.actions).toContainEqual(expect.objectContaining({ name: 'revert', allowed: false }))
  await expect(snapshotRevert(site.broker, admin, id, 'before')).rejects.toMatchObject({ code: 'conflict' })
  await stand(id)
  const { task } = await snapshotRevert(site.broker, admin, id, 'before')
  expect(await end(task.id)).toMatchObject({ state: 'succeeded' })
  expect(await end((await desktopAct(site.broker, admin, id, 'start')).task.id)).toMatchObject({ state: 'succeeded' })
  const gone = await snapshotRemove(site.broker, admin, id, 'before')
  expect(await end(gone.task.id)).toMatchObject({ state: 'succeeded' })
  expect((await snapshotList(site.broker, id)).items).toEqual([])
  expect((await disk(id)).found).toEqual([])
})

it('keeps rows and disks the same when the agent is killed in between, or somebody removes one by hand', async () => {
  const id = await made('killed')
  await site.agentStop(0)
  const { task } = await snapshotTake(site.broker, admin, id, { name: 'while-away', note: '' })
  await site.agentStart(0)
  expect(await end(task.id)).toMatchObject({ state: 'succeeded' })
  const { overlay, found } = await disk(id)
  expect(found).toHaveLength(1)
  await site.agentStop(0)
  await site.hosts[0]?.snapshotRemove(overlay, found?.[0]?.id ?? '')
  await site.agentStart(0)
  await site.until('the row is gone', async () => (await snapshotList(site.broker, id)).items.length === 0)
})

it('keeps nothing of a snapshot that could not be taken, and says why', async () => {
  const id = await made('fail-snapshot')
  expect(await take(id, 'never')).toMatchObject({ state: 'failed', error: { code: 'storage_full' } })
  expect((await snapshotList(site.broker, id)).items).toEqual([])
  expect((await desktopGet(site.broker, admin, id)).phase).toBe('ready')
})

it('refuses a name that is taken, one too many, and all for floating desktops, each with its reason', async () => {
  const id = await made('many')
  for (let number = 1; number <= mostSnapshots; number++) await take(id, `s${number}`)
  await expect(take(id, 's11')).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('10') })
  const gone = await snapshotRemove(site.broker, admin, id, 's1')
  await end(gone.task.id)
  await expect(take(id, 's2')).rejects.toMatchObject({ code: 'conflict', fields: [{ field: 'body.name' }] })
  const [demo] = (await poolList(site.broker, admin, { limit: 1, name: 'demo' })).items
  const floating = await site.broker.db
    .selectFrom('desktop')
    .select('id')
    .where('pool_id', '=', demo?.id ?? '')
    .executeTakeFirst()
  await expect(take(floating?.id ?? '', 'x')).rejects.toMatchObject({ message: expect.stringContaining('floating') })
})
