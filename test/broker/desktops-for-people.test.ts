/** One desktop each for many people, in one request. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopList } from '../../broker/desktops.ts'
import { desktopsMakeFor, desktopsMakePlan } from '../../broker/desktops-for-people.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { poolCreate } from '../../broker/pools.ts'
import { taskCancel, taskGet, taskLog } from '../../broker/tasks.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const forever = new AbortController().signal
const nobody = '01a00000-0000-7000-8000-000000000000'
let site: TestSite
let admin: Principal
let templateId: string
const people: Principal[] = []
let stranger: Principal

beforeAll(async () => {
  site = await startSite({ sim: [{ cpus: 64 }, { cpus: 64 }] })
  ;({ admin, templateId } = await siteWarm(site))
  for (const name of ['ana', 'ben', 'cem', 'dan']) people.push(await site.person(name))
  stranger = await site.person('stranger')
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

async function poolFor(name: string, maxSize: number, kind: 'persistent' | 'floating' = 'persistent') {
  const { id } = await poolCreate(site.broker, admin, { name, kind, templateId, warm: 0, maxSize })
  await entitlementSet(site.broker, admin, id, { userIds: people.map(({ userId }) => userId) })
  return id
}
const ids = (...of: Principal[]) => of.map(({ userId }) => userId)
const owners = async (poolId: string) =>
  (await desktopList(site.broker, admin, { limit: 50, poolId })).items.map(({ userName }) => userName).toSorted()

it('makes one for each who may have one, and says of the others why not; each person counts once', async () => {
  const poolId = await poolFor('lab', 10)
  const userIds = [...ids(...people, stranger), nobody, ...ids(...people)]
  const { task, results } = await desktopsMakeFor(site.broker, admin, poolId, { userIds, hardware: { vcpus: 2 } })
  expect(results.map(({ userName, desktop, error }) => [userName, desktop !== null, error?.code ?? null])).toEqual([
    ['ana', true, null],
    ['ben', true, null],
    ['cem', true, null],
    ['dan', true, null],
    ['stranger', false, 'invalid'],
    [null, false, 'invalid'],
  ])
  expect(results[4]?.error?.text).toMatch(/entitle/)
  expect(results[5]?.error?.text).toMatch(/no such person/)
  expect(await owners(poolId)).toEqual(['ana', 'ben', 'cem', 'dan'])
  const [first] = (await desktopList(site.broker, admin, { limit: 1, poolId })).items
  expect(first?.hardware.vcpus).toBe(2)
  const ended = await taskGet(site.broker, admin, task.id, 20_000, forever)
  // Two were refused: the receipt of all says so, its log whom and why.
  expect(ended).toMatchObject({
    state: 'failed',
    error: { text: expect.stringContaining('4 done, 0 failed, 2 refused') },
  })
  const lines = (await taskLog(site.broker, admin, task.id)).map(({ text }) => text)
  expect(lines).toContainEqual(expect.stringMatching(/^refused: stranger: .*entitle/))
})

it('gives places as far as they go, and says beforehand to whom; trying it makes nothing', async () => {
  const poolId = await poolFor('small', 2)
  const wish = { userIds: ids(...people) }
  const plan = await desktopsMakePlan(site.broker, admin, poolId, wish)
  expect(plan.map(({ desktop }) => desktop?.name ?? null)).toEqual(['small-001', 'small-002', null, null])
  expect(plan[0]?.desktop).toEqual({ id: null, name: 'small-001', hostName: expect.stringMatching(/^sim-/) })
  expect(plan[2]?.error).toMatchObject({ code: 'pool_exhausted' })
  expect(await owners(poolId)).toEqual([])
  const { results } = await desktopsMakeFor(site.broker, admin, poolId, wish)
  expect(results.map(({ desktop, error }) => [desktop?.name ?? null, error])).toEqual(
    plan.map(({ desktop, error }) => [desktop?.name ?? null, error]),
  )
  expect(await owners(poolId)).toEqual(['ana', 'ben'])
})

it('is refused for each where nobody can have one: in a floating pool, and on a disk that is too small', async () => {
  const floating = await poolFor('fleet', 5, 'floating')
  const refusals = await desktopsMakePlan(site.broker, admin, floating, { userIds: ids(...people) })
  expect(refusals.map(({ error }) => error?.code)).toEqual(['conflict', 'conflict', 'conflict', 'conflict'])
  const poolId = await poolFor('tight', 5)
  const { results } = await desktopsMakeFor(site.broker, admin, poolId, {
    userIds: ids(...people),
    hardware: { diskBytes: 1 },
  })
  expect(results.every(({ desktop, error }) => desktop === null && error?.code === 'invalid')).toBe(true)
  expect(await owners(poolId)).toEqual([])
  await expect(desktopsMakeFor(site.broker, admin, nobody, { userIds: ids(...people) })).rejects.toMatchObject({
    code: 'not_found',
  })
})

it('has receipts that are called off together', async () => {
  const poolId = await poolFor('away', 5)
  for (const index of site.hosts.keys()) await site.agentStop(index)
  const { task } = await desktopsMakeFor(site.broker, admin, poolId, { userIds: ids(...people) })
  expect(await owners(poolId)).toHaveLength(4)
  expect(await taskGet(site.broker, admin, task.id, 0, forever)).toMatchObject({ cancellable: true })
  await taskCancel(site.broker, admin, task.id)
  expect((await owners(poolId)).filter(owner => owner !== null)).toEqual([])
})
