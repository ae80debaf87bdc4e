import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopGet, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { hostFence } from '../../broker/fencing.ts'
import { hostRemovalPlan, hostRemove, removalText } from '../../broker/host-removal.ts'
import { hostGet, hostList, removeRefused } from '../../broker/hosts.ts'
import { desktopMove } from '../../broker/migrations.ts'
import { poolCreate, poolList } from '../../broker/pools.ts'
import { taskGet, taskList, taskLog } from '../../broker/tasks.ts'
import { makeSimStorage } from '../../vmm/sim-storage.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

let site: TestSite
let admin: Principal
const forever = new AbortController().signal

beforeAll(async () => {
  const storage = makeSimStorage()
  site = await startSite({ sim: [{ storage, cpus: 64 }, { storage, cpus: 64 }, { cpus: 64 }] })
  ;({ admin } = await siteWarm(site))
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

async function desktopOn(hostName: string, name: string, kind: 'floating' | 'persistent') {
  const templateId = (await poolList(site.broker, admin, { limit: 1, name: 'demo' })).items[0]?.templateId ?? ''
  const pool = await poolCreate(site.broker, admin, { name, kind, templateId, warm: 0, maxSize: 3, ha: 'wait' })
  await entitlementSet(site.broker, admin, pool.id, { everyone: true })
  const person = await site.person(name)
  const { desktop, task } = await desktopClaimFor(site.broker, person, pool.id)
  await taskGet(site.broker, person, task.id, 15_000, forever)
  const host = await hostOf(hostName)
  if ((await desktopGet(site.broker, admin, desktop.id)).hostId !== host) {
    const { task: move } = await desktopMove(site.broker, admin, desktop.id, { hostId: host, restart: false })
    expect((await taskGet(site.broker, admin, move.id, 15_000, forever)).state).toBe('succeeded')
  }
  return desktop.id
}
const hostOf = async (name: string) => (await hostList(site.broker, admin, { limit: 1, name })).items[0]?.id ?? ''
/** Its agent is gone, and the control plane knows since a while. */
async function lose(name: string) {
  await site.agentStop(Number(name.slice(-1)) - 1)
  const long = new Date(Date.now() - 3_600_000)
  await site.broker.db.updateTable('host').set({ observed_beat_at: long }).where('name', '=', name).execute()
  const id = await hostOf(name)
  await site.broker.db
    .updateTable('host')
    .set({ state: 'lost', state_since: new Date() })
    .where('id', '=', id)
    .execute()
  return id
}

describe('why a host stays', () => {
  it('is said of one desktop as of one', () => {
    const item = {
      desktopId: 'd',
      desktopName: 'd',
      userName: null,
      hostName: null,
      decision: null,
      losesDongle: false,
    }
    expect(removeRefused({ desktops: 1, moves: 0, copies_left: 0 })).toBe('1 desktop is on it')
    expect(removeRefused({ desktops: 0, moves: 0, copies_left: 1 })).toMatch(
      /^1 desktop returned from it, and its old copy may/,
    )
    expect(removalText([{ ...item, fate: 'moved' }], { moves: 0, copies_left: 0 })).toBe(
      '1 goes to another host with its disk',
    )
    expect(removalText([{ ...item, fate: 'remade' }], { moves: 0, copies_left: 0 })).toBe(
      '1 is given up and made anew by its pool',
    )
  })
})

describe('a host with desktops', () => {
  it('is not removed while it is heard, forced or not', async () => {
    await desktopOn('sim-1', 'heard', 'persistent')
    const host = await hostOf('sim-1')
    for (const force of [false, true])
      await expect(hostRemove(site.broker, admin, host, force)).rejects.toMatchObject({
        code: 'conflict',
        message: expect.stringContaining('maintenance'),
      })
    expect((await hostGet(site.broker, admin, host)).actions.find(({ name }) => name === 'forceRemove')?.allowed).toBe(
      false,
    )
  })

  it('that is lost says what is lost with it, and is removed when forced: disks that others have go there', async () => {
    const kept = await desktopOn('sim-1', 'kept', 'persistent')
    const given = await desktopOn('sim-1', 'given', 'floating')
    const host = await lose('sim-1')
    const plan = await hostRemovalPlan(site.broker, admin, host)
    const fates = Object.fromEntries(plan.desktops.map(({ desktopId, fate }) => [desktopId, fate]))
    expect(fates).toMatchObject({ [kept]: 'moved', [given]: 'remade' })
    await expect(hostRemove(site.broker, admin, host)).rejects.toMatchObject({
      message: expect.stringContaining(plan.text),
    })
    // As its administrator says: it is off.
    await site.hosts[0]?.[Symbol.asyncDispose]()
    await hostRemove(site.broker, admin, host, true)
    const desktop = await site.until('it runs elsewhere', async () => {
      const now = await desktopGet(site.broker, admin, kept)
      return now.phase === 'ready' && now.power === 'running' && now
    })
    expect(desktop.hostName).toBe('sim-2')
    await expect(desktopGet(site.broker, admin, given)).rejects.toMatchObject({ code: 'not_found' })
  }, 60_000)

  it('whose disks nobody else has names the people who lose theirs', async () => {
    const id = await desktopOn('sim-3', 'lonely', 'persistent')
    const host = await lose('sim-3')
    const { text } = await hostRemovalPlan(site.broker, admin, host)
    expect(text).toMatch(/lost with all that is on them: .*lonely-\d+ of lonely/)
    await hostRemove(site.broker, admin, host, true)
    await expect(desktopGet(site.broker, admin, id)).rejects.toMatchObject({ code: 'not_found' })
    const [record] = (await taskList(site.broker, admin, { limit: 1, subjectId: host })).items
    expect(record).toMatchObject({ kind: 'host.remove', state: 'succeeded' })
    const told = (await taskLog(site.broker, admin, record?.id ?? '')).map(line => line.text)
    // What else was on it may have found another place since it was planned.
    const words = /^root says that sim-3 is off and does not come back: (.*; )?lost with all .*: lonely-\d+ of lonely$/
    expect(told).toEqual([expect.stringMatching(words)])
    expect(
      (await desktopList(site.broker, admin, { limit: 100 })).items.every(({ hostName }) => hostName === 'sim-2'),
    ).toBe(true)
  }, 60_000)
})

describe('a lost host whose desktops returned elsewhere', () => {
  it('is removed only on somebody’s word that it is off: old copies of them may run there, and are named', async () => {
    const storage = makeSimStorage()
    await using given = await startSite({ sim: [{ storage }, { storage }] })
    const { admin: root, templateId } = await siteWarm(given)
    await given.broker.db.updateTable('cluster').set({ suspect_ms: 4_000, lost_ms: 5_000 }).execute()
    const pool = await poolCreate(given.broker, root, {
      name: 'own',
      kind: 'persistent',
      templateId,
      warm: 0,
      maxSize: 3,
    })
    await entitlementSet(given.broker, root, pool.id, { everyone: true })
    const ana = await given.person('ana')
    const { desktop, task } = await desktopClaimFor(given.broker, ana, pool.id)
    await taskGet(given.broker, ana, task.id, 15_000, forever)
    const { hostId: home, hostName } = await desktopGet(given.broker, root, desktop.id)
    await given.agentStop(Number(hostName.slice(-1)) - 1)
    await given.until('all are elsewhere', async () => {
      const { state, used } = await hostGet(given.broker, root, home)
      return state === 'lost' && used.desktops === 0
    })

    const plan = await hostRemovalPlan(given.broker, root, home)
    const elsewhere = await desktopGet(given.broker, root, desktop.id)
    expect(plan.desktops).toContainEqual({
      desktopId: desktop.id,
      desktopName: desktop.name,
      userName: 'ana',
      fate: 'returned',
      losesDongle: false,
      hostName: elsewhere.hostName,
    })
    expect(plan.text).toMatch(/old copies may still run there: .*own-\d+ of ana/)
    const { actions } = await hostGet(given.broker, root, home)
    expect(actions).toContainEqual(expect.objectContaining({ name: 'remove', allowed: false }))
    expect(actions).toContainEqual(expect.objectContaining({ name: 'forceRemove', allowed: true }))
    await expect(hostRemove(given.broker, root, home)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(plan.text),
    })

    await hostFence(given.broker, root, home, { confirmed: true })
    expect((await hostRemovalPlan(given.broker, root, home)).text).toBe('nothing is on it')
    await given.broker.db.updateTable('host').set({ fenced_at: null }).where('id', '=', home).execute()
    await hostRemove(given.broker, root, home, true)
    await expect(hostGet(given.broker, root, home)).rejects.toMatchObject({ code: 'not_found' })
    expect(await desktopGet(given.broker, root, desktop.id)).toMatchObject({ hostName: elsewhere.hostName })
  }, 60_000)
})
