/** Starts of desktops that stand still on hosts that have not the memory for all of them, on simulated hosts. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopHardwareSet } from '../../broker/desktop-hardware.ts'
import { desktopAct, desktopGet, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { moveEnd } from '../../broker/move-ending.ts'
import { hostsToPlaceOn } from '../../broker/placing.ts'
import { poolCreate, poolGet, poolUpdate } from '../../broker/pools.ts'
import { desktopStart } from '../../broker/starting.ts'
import { taskGet, taskOpen } from '../../broker/tasks.ts'
import { verificationDesktopList, verificationMake } from '../../broker/verifications.ts'
import { migrationsOpen } from '../../db/migrations.ts'
import { transact } from '../../db/transact.ts'
import { newId } from '../../lib/ids.ts'
import { makeSimStorage } from '../../vmm/sim-storage.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const GiB = 2 ** 30
const forever = new AbortController().signal
let site: TestSite
let admin: Principal
let templateId: string
let desktops: { id: string; poolId: string; person: Principal }[]

/** Three that stand still with 5 GiB each, on two hosts that have 8 GiB each and one storage. */
beforeAll(async () => {
  const storage = makeSimStorage()
  const small = { storage, memoryBytes: 8 * GiB }
  site = await startSite({ sim: [small, small] })
  const warm = await siteWarm(site)
  admin = warm.admin
  templateId = warm.templateId
  const make = async (name: string) => {
    const wish = { name, kind: 'persistent' as const, templateId, warm: 0, maxSize: 1 }
    const pool = await poolCreate(site.broker, admin, wish)
    await entitlementSet(site.broker, admin, pool.id, { everyone: true })
    const person = await site.person(name)
    const { desktop, task } = await desktopClaimFor(site.broker, person, pool.id)
    await taskGet(site.broker, person, task.id, 15_000, forever)
    await act({ id: desktop.id, person }, 'poweroff')
    await desktopHardwareSet(site.broker, admin, desktop.id, { memoryBytes: 5 * GiB })
    return { id: desktop.id, poolId: pool.id, person }
  }
  desktops = [await make('one'), await make('two'), await make('three')]
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

async function act({ id, person }: { id: string; person: Principal }, name: 'start' | 'poweroff' | 'suspend') {
  const { task } = await desktopAct(site.broker, person, id, name)
  const { state, error } = await taskGet(site.broker, person, task.id, 15_000, forever)
  return { state, error }
}
const seen = (id: string) => desktopGet(site.broker, admin, id)

it('start where there is memory, however many are asked for at once; the others are refused in words', async () => {
  const asked = await Promise.allSettled(desktops.map(desktop => act(desktop, 'start')))
  const refused = asked.flatMap((result, at) => (result.status === 'rejected' ? [{ at, reason: result.reason }] : []))
  expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
  const text = expect.stringMatching(/^No memory left on sim-\d to start .*: \d+ MiB memory left, 5248 MiB wanted\./)
  expect(refused).toMatchObject([{ reason: { code: 'no_host', message: text } }])
  for (const host of await hostsToPlaceOn(site.broker.db, { poolIds: [] }))
    expect(host.taken.memoryBytes).toBeLessThanOrEqual(host.offered.memoryBytes)

  const out = desktops[refused[0]?.at ?? -1]
  const runs = desktops.find(desktop => desktop !== out)
  if (!out || !runs) throw new Error('all of them started')
  expect(await seen(out.id)).toMatchObject({ phase: 'stopped' })
  await expect(desktopClaimFor(site.broker, out.person, out.poolId)).rejects.toMatchObject({ code: 'no_host' })

  // One that is suspended keeps its memory, and is not counted once more when it goes on.
  await act(runs, 'suspend')
  const { task } = await desktopClaimFor(site.broker, runs.person, runs.poolId)
  expect((await taskGet(site.broker, runs.person, task.id, 15_000, forever)).state).toBe('succeeded')

  await act(runs, 'poweroff')
  expect(await act(out, 'start')).toMatchObject({ state: 'succeeded' })
})

it('stay stopped and say so when they could not move to where there is memory', async () => {
  for (const desktop of desktops) await act(desktop, 'poweroff').catch(() => undefined) // it stands already
  // All on the first host, of which one runs: the next one would have to move.
  const hosts = await hostsToPlaceOn(site.broker.db, { poolIds: [] })
  const first = hosts.find(({ name }) => name === 'sim-1')
  const [runs, moves] = desktops
  if (!first || !runs || !moves) throw new Error('sim-1 is gone')
  await act(runs, 'start')
  const { hostId } = await seen(runs.id)
  await site.broker.db.updateTable('desktop').set({ host_id: hostId }).where('id', '=', moves.id).execute()

  const id = newId(Date.now())
  await transact(site.broker.db, async tx => {
    const now = new Date()
    const subject = { type: 'desktop', id: moves.id, name: 'moves' }
    await taskOpen(tx, { id, kind: 'desktop.start', subject, requestedBy: moves.person }, now)
    await desktopStart(tx, moves.id, now)
    const [move] = await migrationsOpen(tx)
    expect(move).toMatchObject({ desktop_id: moves.id, cause: 'start', from_host_id: hostId })
    if (move) await moveEnd(tx, move, 'cancelled', { code: 'cancelled', text: 'Called off.' }, now)
  })
  const ended = await taskGet(site.broker, moves.person, id, 15_000, forever)
  expect(ended).toMatchObject({ state: 'failed', error: { code: 'no_host' } })
  expect((await seen(moves.id)).phase).toBe('stopped')
})

/** Two that nobody has, on the one host that the pool may use, which has memory for one of them. */
async function coldPool(name: string, maxSize = 2) {
  for (const desktop of desktops) await act(desktop, 'poweroff').catch(() => undefined) // it stands already
  await tag(name, 'sim-1')
  const hardware = { memoryBytes: 5 * GiB }
  const wish = { name, kind: 'floating' as const, templateId, hardware, needs: [name], warm: 0, cold: 2, maxSize }
  const { id } = await poolCreate(site.broker, admin, wish)
  await entitlementSet(site.broker, admin, id, { everyone: true })
  await site.until('both stand still', async () => (await poolGet(site.broker, admin, id)).counts.stopped === 2)
  return id
}
const tag = (name: string, host: string) =>
  site.broker.db
    .updateTable('host')
    .set({ tags: [name] })
    .where('name', '=', host)
    .execute()
const promisedMost = async () => {
  for (const host of await hostsToPlaceOn(site.broker.db, { poolIds: [] }))
    expect(host.taken.memoryBytes).toBeLessThanOrEqual(host.offered.memoryBytes)
}
const lacking = /^No memory left on sim-1 to start .*: \d+ MiB memory left.*, 5248 MiB wanted\./
/** Nothing of it takes memory any more. */
const emptied = (poolId: string) =>
  poolUpdate(site.broker, admin, poolId, { warm: 0, cold: 0, enabled: false }).then(() =>
    site.until('it is empty', async () => (await poolGet(site.broker, admin, poolId)).counts.ready === 0),
  )

it('are claimed, of those that nobody has, only where there is memory; else one starts on another host', async () => {
  const poolId = await coldPool('claimed')
  const people = await Promise.all(['first', 'second'].map(name => site.person(name)))
  const claims = await Promise.allSettled(people.map(person => desktopClaimFor(site.broker, person, poolId)))
  const late = people.find((_, at) => claims[at]?.status === 'rejected')
  const refused = claims.flatMap(claim => (claim.status === 'rejected' ? [claim.reason] : []))
  expect(refused).toMatchObject([{ code: 'no_host', message: expect.stringMatching(lacking) }])
  await promisedMost()

  await tag('claimed', 'sim-2')
  if (!late) throw new Error('both got one')
  const { desktop, task } = await desktopClaimFor(site.broker, late, poolId)
  expect((await taskGet(site.broker, late, task.id, 15_000, forever)).state).toBe('succeeded')
  expect(await seen(desktop.id)).toMatchObject({ phase: 'ready', hostName: 'sim-2' })
  for (const person of people)
    for (const { id } of (await desktopList(site.broker, person, { poolId, mine: true, limit: 9 })).items)
      await desktopAct(site.broker, person, id, 'release')
  await emptied(poolId)
})

it('are kept warm only as many as there is memory for; the pool says what it waits for, or makes them elsewhere', async () => {
  const poolId = await coldPool('prewarmed')
  await poolUpdate(site.broker, admin, poolId, { warm: 2, cold: 0 })
  const pool = () => poolGet(site.broker, admin, poolId)
  await site.until('the pool waits', async () => (await pool()).status === 'waiting')
  expect((await pool()).statusText).toMatch(lacking)
  await site.until('one is warm', async () => (await pool()).counts.ready === 1)
  await promisedMost()

  await tag('prewarmed', 'sim-2')
  await poolUpdate(site.broker, admin, poolId, { maxSize: 3 })
  await site.until('another is warm on the other host', async () => (await pool()).counts.ready === 2)
  const { items } = await desktopList(site.broker, admin, { poolId, phase: 'ready', limit: 9 })
  expect(items.map(({ hostName }) => hostName).toSorted()).toEqual(['sim-1', 'sim-2'])
  await emptied(poolId)
})

it('are verified one after the other where there is memory for one, and left out where there is none', async () => {
  const poolId = await coldPool('verified')
  const verified = async () => {
    const { task, verification } = await verificationMake(site.broker, admin, poolId, { batch: 2 })
    const { steps } = await taskGet(site.broker, admin, task.id, 30_000, forever)
    const { items } = await verificationDesktopList(site.broker, verification.id, { limit: 9 })
    return { told: steps[0]?.text, texts: items.map(({ text }) => text) }
  }
  expect((await verified()).told).toBe('2 of 2 work')

  const [runs] = desktops
  if (!runs) throw new Error('nobody has one')
  const { id: hostId } = await site.broker.db
    .selectFrom('host')
    .select('id')
    .where('name', '=', 'sim-1')
    .executeTakeFirstOrThrow()
  await site.broker.db.updateTable('desktop').set({ host_id: hostId }).where('id', '=', runs.id).execute()
  await act(runs, 'start')
  const { told, texts } = await verified()
  expect(told).toBe('0 of 2 work, 2 were left out')
  expect(texts).toEqual([expect.stringMatching(lacking), expect.stringMatching(lacking)])
  await promisedMost()
})
