/** Disks that a host sees and was told nothing of. Two hosts of one storage, one with its own. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopGet } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { hostList } from '../../broker/hosts.ts'
import { desktopMove } from '../../broker/migrations.ts'
import { poolCreate } from '../../broker/pools.ts'
import { taskGet } from '../../broker/tasks.ts'
import { straysToRemove } from '../../db/agents.ts'
import { makeSimStorage } from '../../vmm/sim-storage.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const common = makeSimStorage()
/** The same disks; what the first host says of the storage can be changed apart. */
const first = { ...common }
const own = makeSimStorage()
let site: TestSite
let admin: Principal
let templateId: string
let hostIds: string[]
const forever = new AbortController().signal

beforeAll(async () => {
  site = await startSite({ sim: [{ storage: first }, { storage: common }, { storage: own }] })
  ;({ admin, templateId } = await siteWarm(site))
  const { items } = await hostList(site.broker, admin, { limit: 10 })
  hostIds = items.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(({ id }) => id)
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

const move = async (id: string, index: number) => {
  const { task } = await desktopMove(site.broker, admin, id, { hostId: hostIds[index] ?? '', restart: false })
  return (await taskGet(site.broker, admin, task.id, 15_000, forever)).state
}
const disksOf = (id: string, { overlays }: typeof common) =>
  [...overlays.values()].filter(({ machineId }) => machineId === id).length

/** Somebody's desktop where it was made, never moved: by the place of its host. */
async function desktopMade(name: string) {
  const pool = await poolCreate(site.broker, admin, { name, kind: 'persistent', templateId, warm: 0, maxSize: 3 })
  await entitlementSet(site.broker, admin, pool.id, { everyone: true })
  const { desktop, task } = await desktopClaimFor(site.broker, await site.person(name), pool.id)
  await taskGet(site.broker, admin, task.id, 15_000, forever)
  const { hostId } = await desktopGet(site.broker, admin, desktop.id)
  return { id: desktop.id, at: hostIds.indexOf(hostId) }
}
/** One that runs on that host. */
async function desktopOn(index: number, name: string) {
  const { id, at } = await desktopMade(name)
  if (at !== index) expect(await move(id, index)).toBe('succeeded')
  return id
}

describe('a disk that a host was told nothing of', () => {
  it('is left alone where its desktop lives, whatever storage its home says it has by now', async () => {
    const id = await desktopOn(0, 'unmounted')
    const said = first.id
    await site.agentStop(0)
    first.id = crypto.randomUUID()
    await site.agentStart(0)
    await site.until('its home says another storage', async () => {
      const { items } = await hostList(site.broker, admin, { limit: 10 })
      return items.some(({ storageId }) => storageId === first.id)
    })
    for (const index of [1, 2])
      expect(await straysToRemove(site.broker.db, hostIds[index] ?? '', [{ id, incarnations: [1] }])).toEqual([])
    await site.agentStop(1)
    await site.agentStart(1)
    // What the agent told when it came is answered before it is told of a desktop that comes.
    expect(await move(await desktopOn(2, 'after'), 1)).toBe('succeeded')
    expect(disksOf(id, common)).toBe(1)
    await site.agentStop(0)
    first.id = said
    await site.agentStart(0)
  })

  it('goes when nobody has a desktop of that id, and when it is of an earlier life on another storage', async () => {
    const { id, at } = await desktopMade('lives')
    const elsewhere = hostIds[at === 2 ? 0 : 2] ?? ''
    const unknown = crypto.randomUUID()
    const told = await straysToRemove(site.broker.db, elsewhere, [
      { id: unknown, incarnations: [1] },
      { id, incarnations: [0] },
    ])
    expect(told).toEqual([
      { id: unknown, because: expect.stringContaining('no desktop'), leftOver: true },
      { id, because: expect.stringContaining('earlier life'), leftOver: false },
    ])
    expect(await straysToRemove(site.broker.db, elsewhere, [{ id, incarnations: [0, 1] }])).toEqual([])
  })

  it('goes from the storage that its desktop left with a move, whichever host sees it', async () => {
    const id = await desktopOn(0, 'leaving')
    expect(await move(id, 2)).toBe('succeeded')
    await site.until('no copy is left on the losing storage', async () => disksOf(id, common) === 0)
    expect(disksOf(id, own)).toBe(1)
    expect(await move(id, 1)).toBe('succeeded')
    await site.until('nor on the way back', async () => disksOf(id, own) === 0)
    expect(disksOf(id, common)).toBe(1)
  })

  it('goes from the storage that a move did not bring its desktop to', async () => {
    const { id, at } = await desktopMade('fail-move')
    const [to, left, kept] = at === 2 ? ([0, common, own] as const) : ([2, own, common] as const)
    expect(await move(id, to)).toBe('failed')
    await site.until('nothing is left there', async () => disksOf(id, left) === 0)
    expect(disksOf(id, kept)).toBe(1)
  })
})
