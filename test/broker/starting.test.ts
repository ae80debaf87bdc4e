/** Starts of desktops that stand still, on simulated hosts: where they are, or where their disk is too. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopAct, desktopGet } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { maintenanceEnter, maintenanceLeave } from '../../broker/maintenance.ts'
import { migrationList } from '../../broker/migrations.ts'
import { desktopPlacements } from '../../broker/placements.ts'
import { poolCreate } from '../../broker/pools.ts'
import { startLock } from '../../broker/starting.ts'
import { taskGet } from '../../broker/tasks.ts'
import { transact } from '../../db/transact.ts'
import { makeSimStorage } from '../../vmm/sim-storage.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

let site: TestSite
let admin: Principal
let templateId: string
const forever = new AbortController().signal

beforeAll(async () => {
  const storage = makeSimStorage()
  // The third has a storage of its own.
  site = await startSite({ sim: [{ storage }, { storage }, {}] })
  ;({ admin, templateId } = await siteWarm(site))
  const tags = (name: string) => (name === 'sim-3' ? ['alone'] : ['shared'])
  for (const name of ['sim-1', 'sim-2', 'sim-3'])
    await site.broker.db
      .updateTable('host')
      .set({ tags: tags(name) })
      .where('name', '=', name)
      .execute()
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

/** A person's desktop that was shut down. */
async function stopped(name: string, needs = ['shared']) {
  const pool = await poolCreate(site.broker, admin, {
    name,
    kind: 'persistent',
    templateId,
    warm: 0,
    maxSize: 2,
    needs,
  })
  await entitlementSet(site.broker, admin, pool.id, { everyone: true })
  const person = await site.person(name)
  const { desktop, task } = await desktopClaimFor(site.broker, person, pool.id)
  await taskGet(site.broker, person, task.id, 15_000, forever)
  const off = await desktopAct(site.broker, person, desktop.id, 'poweroff')
  await taskGet(site.broker, person, off.task.id, 15_000, forever)
  const { hostId, hostName } = await desktopGet(site.broker, person, desktop.id)
  return { id: desktop.id, poolId: pool.id, person, hostId, hostName }
}
const movesOf = async (id: string) => (await migrationList(site.broker, { limit: 10, desktopId: id })).items
const maintained = async (hostId: string, work: () => Promise<void>) => {
  await maintenanceEnter(site.broker, admin, hostId, { evacuate: false, dryRun: false })
  try {
    await work()
  } finally {
    await maintenanceLeave(site.broker, admin, hostId, { bringBack: false, dryRun: false })
  }
}

describe('a stopped desktop that is started', () => {
  it('waits for no start on another host', async () => {
    const held = await stopped('held', ['alone'])
    const { id, person } = await stopped('free')
    await transact(site.broker.db, async tx => {
      await startLock(tx, held.id)
      const { task } = await desktopAct(site.broker, person, id, 'start')
      expect((await taskGet(site.broker, person, task.id, 15_000, forever)).state).toBe('succeeded')
    })
  })

  it('starts where it is while its host can take it', async () => {
    const { id, person, hostId } = await stopped('here')
    const { task } = await desktopAct(site.broker, person, id, 'start')
    expect((await taskGet(site.broker, person, task.id, 15_000, forever)).state).toBe('succeeded')
    expect(await desktopGet(site.broker, person, id)).toMatchObject({ phase: 'ready', hostId })
    expect(await movesOf(id)).toEqual([])
  })

  it('moves to a host that has its disk too when its own cannot take it, and starts there', async () => {
    const { id, person, hostId, hostName } = await stopped('elsewhere')
    await maintained(hostId, async () => {
      const { task } = await desktopAct(site.broker, person, id, 'start')
      // Asked twice is asked once.
      await desktopAct(site.broker, person, id, 'start').catch(() => undefined) // it runs by now
      expect((await taskGet(site.broker, person, task.id, 15_000, forever)).state).toBe('succeeded')
      const now = await desktopGet(site.broker, person, id)
      expect(now).toMatchObject({ phase: 'ready', hostName: hostName === 'sim-1' ? 'sim-2' : 'sim-1' })
      expect(await movesOf(id)).toMatchObject([{ cause: 'start', kind: 'offline', state: 'done' }])
      const { items } = await desktopPlacements(site.broker, id)
      expect(items[0]?.why).toContain('it is started there, because where it is the host is in maintenance')
    })
  })

  it('does so when its person claims it again', async () => {
    const { id, poolId, person, hostId } = await stopped('again')
    await maintained(hostId, async () => {
      const { desktop, task } = await desktopClaimFor(site.broker, person, poolId)
      expect(desktop.id).toBe(id)
      expect((await taskGet(site.broker, person, task.id, 15_000, forever)).state).toBe('succeeded')
      expect((await desktopGet(site.broker, person, id)).hostId).not.toBe(hostId)
    })
  })

  it('starts where it is when no other host has its disk', async () => {
    const { id, person, hostId, hostName } = await stopped('alone', ['alone'])
    expect(hostName).toBe('sim-3')
    await maintained(hostId, async () => {
      const { task } = await desktopAct(site.broker, person, id, 'start')
      expect((await taskGet(site.broker, person, task.id, 15_000, forever)).state).toBe('succeeded')
      expect(await desktopGet(site.broker, person, id)).toMatchObject({ phase: 'ready', hostName: 'sim-3' })
    })
  })
})
