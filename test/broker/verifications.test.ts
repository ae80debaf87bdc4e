/** Desktops of a pool that are started and asked, to see that they work: on a simulated host. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopMakeFor } from '../../broker/desktop-making.ts'
import { desktopGet, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { poolCreate, poolGet } from '../../broker/pools.ts'
import { taskCancel, taskGet } from '../../broker/tasks.ts'
import { verificationDesktopList, verificationGet, verificationMake } from '../../broker/verifications.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const forever = new AbortController().signal
let site: TestSite
let admin: Principal
let templateId: string
beforeAll(async () => {
  site = await startSite()
  ;({ admin, templateId } = await siteWarm(site))
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

async function pool(name: string, wish: { warm: number; cold: number; kind?: 'floating' | 'persistent' }) {
  const { id } = await poolCreate(site.broker, admin, { name, kind: 'floating', templateId, maxSize: 9, ...wish })
  await entitlementSet(site.broker, admin, id, { everyone: true })
  await site.until('it is filled', async () => {
    const { ready, stopped } = (await poolGet(site.broker, admin, id)).counts
    return ready === wish.warm && stopped === wish.cold
  })
  return id
}
const results = async (id: string) =>
  (await verificationDesktopList(site.broker, id, { limit: 50 })).items.map(({ name, state, text }) => ({
    name,
    state,
    text,
  }))
const powers = async (poolId: string) =>
  (await desktopList(site.broker, admin, { poolId, limit: 50 })).items.map(({ phase }) => phase).toSorted()

describe('the desktops of a pool', () => {
  it('are started in batches, asked for their address, and stand still again as they were', async () => {
    const id = await pool('looked', { warm: 1, cold: 3 })
    const before = (await desktopList(site.broker, admin, { poolId: id, limit: 9 })).items.map(one => one.id)
    const { task, verification } = await verificationMake(site.broker, admin, id, { batch: 2 })
    await expect(verificationMake(site.broker, admin, id, { batch: 2 })).rejects.toMatchObject({ code: 'conflict' })
    expect(await taskGet(site.broker, admin, task.id, 30_000, forever)).toMatchObject({
      state: 'succeeded',
      steps: [{ text: '4 of 4 work' }],
    })
    expect((await results(verification.id)).every(({ state, text }) => state === 'ok' && /10\./.test(text))).toBe(true)
    await site.until('they stand as before', async () => (await powers(id)).join() === 'ready,stopped,stopped,stopped')
    expect((await desktopList(site.broker, admin, { poolId: id, limit: 9 })).items.map(one => one.id)).toEqual(before)
  })

  it('tell one by one what is wrong, and who is left out', async () => {
    const id = await pool('broken', { warm: 0, cold: 0, kind: 'persistent' })
    const of = async (name: string) => {
      const made = await desktopMakeFor(site.broker, admin, id, { userId: admin.userId, name })
      await taskGet(site.broker, admin, made.task.id, 15_000, forever)
      return made.desktop.id
    }
    const ids = [await of('good'), await of('other-address')]
    const { verification, task } = await verificationMake(site.broker, admin, id, { batch: 5, desktopIds: ids })
    // Its guest may still wait for its address: so long it is asked again.
    await site.until(
      'the good one is seen',
      async () => (await verificationGet(site.broker, verification.id)).counts.ok === 1,
    )
    await site.broker.db
      .updateTable('verified_desktop')
      .set({ since: new Date(0) })
      .where('name', '=', 'other-address')
      .execute()
    await taskGet(site.broker, admin, task.id, 15_000, forever)
    const { address } = await desktopGet(site.broker, admin, ids[1] ?? '')
    expect(await results(verification.id)).toEqual([
      { name: 'good', state: 'ok', text: expect.stringMatching(/answers and has 10\./) },
      { name: 'other-address', state: 'failed', text: `its guest has 169.254.7.7 instead of ${address}` },
    ])
  })

  it('stand still again when the look is called off, but for one that somebody took meanwhile', async () => {
    const id = await pool('called-off', { warm: 0, cold: 2 })
    await site.agentStop(0)
    const { task, verification } = await verificationMake(site.broker, admin, id, { batch: 1 })
    await site.until(
      'one is begun',
      async () => (await verificationGet(site.broker, verification.id)).counts.looking === 1,
    )
    const [first] = await results(verification.id)
    await taskCancel(site.broker, admin, task.id)
    await site.agentStart(0)
    expect((await results(verification.id)).map(({ state }) => state)).toEqual(['skipped', 'skipped'])
    await site.until('both stand still', async () => (await powers(id)).join() === 'stopped,stopped')
    const claimed = await desktopClaimFor(site.broker, admin, id)
    await taskGet(site.broker, admin, claimed.task.id, 15_000, forever)
    expect(first?.name).toMatch(/^called-off-/)
    expect(await desktopGet(site.broker, admin, claimed.desktop.id)).toMatchObject({ phase: 'ready' })
  })
})
