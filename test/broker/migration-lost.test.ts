/** One of the two hosts is lost while a desktop moves between them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopAct, desktopGet, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { hostRemove } from '../../broker/host-removal.ts'
import { hostGet, hostList } from '../../broker/hosts.ts'
import { desktopMove, migrationList } from '../../broker/migrations.ts'
import { poolCreate, poolGet, poolList } from '../../broker/pools.ts'
import { taskGet } from '../../broker/tasks.ts'
import { nudge } from '../../db/events.ts'
import { makeSimStorage } from '../../vmm/sim-storage.ts'
import { startSite, type TestSite, unlessGoing } from '../support/site.ts'

let site: TestSite
let admin: Principal
const forever = new AbortController().signal

beforeAll(async () => {
  const storage = makeSimStorage()
  // Fifty times that for a slow one: both hosts are told long before it ends by itself.
  const shared = { storage, cpus: 64, delays: { moveMs: 200 } }
  site = await startSite({ sim: [shared, shared] })
  admin = await site.person('root', ['userAdministrator', 'infrastructureAdministrator', 'person'])
  const [demo] = (await poolList(site.broker, admin, { limit: 1 })).items
  await site.until(
    'the demo pool is warm',
    async () => (await poolGet(site.broker, admin, demo?.id ?? '')).counts.ready === 2,
  )
  await site.until('both hosts have the image', async () => {
    const rows = await site.broker.db.selectFrom('host_image').select('observed_state').execute()
    return rows.length === 2 && rows.every(row => row.observed_state === 'ready')
  })
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

/** Somebody's desktop half way from one host to the other. @returns both by their place in `site.hosts`. */
async function halfWay(name: string) {
  const templateId = (await poolList(site.broker, admin, { limit: 1, name: 'demo' })).items[0]?.templateId ?? ''
  const pool = await poolCreate(site.broker, admin, { name, kind: 'persistent', templateId, warm: 0, maxSize: 2 })
  await entitlementSet(site.broker, admin, pool.id, { everyone: true })
  const person = await site.person(name)
  const { desktop, task } = await desktopClaimFor(site.broker, person, pool.id)
  await taskGet(site.broker, person, task.id, 15_000, forever)
  const hosts = (await hostList(site.broker, admin, { limit: 2 })).items.map(({ id }) => id)
  const from = hosts.indexOf((await desktopGet(site.broker, admin, desktop.id)).hostId)
  const to = 1 - from
  const move = await desktopMove(site.broker, admin, desktop.id, { hostId: hosts[to] ?? '', restart: false })
  await site.until('it is being sent', async () => {
    const { items } = await migrationList(site.broker, { limit: 1, desktopId: desktop.id })
    return items[0]?.state === 'moving' && items[0].progress > 0
  })
  return { id: desktop.id, from, to, hosts, taskId: move.task.id }
}

/** Their agents say nothing any more; hosts and machines run on. */
async function lose(...lost: (readonly [index: number, hostId: string])[]) {
  await Promise.all(lost.map(([index]) => site.agentStop(index)))
  // Nobody is called lost before this process has listened for as long: the test does not wait for that.
  const [long, now] = [new Date(Date.now() - 3_600_000), new Date()]
  await site.broker.db
    .updateTable('host')
    .set({ observed_beat_at: long, state: 'lost', state_since: now })
    .where(
      'id',
      'in',
      lost.map(([, hostId]) => hostId),
    )
    .execute()
  for (const reconciler of ['desktops', 'migrations']) await nudge(site.broker.db, reconciler)
}
const runsOn = async (id: string) => {
  const found = await Promise.all(site.hosts.map(host => host.machines()))
  return found.flatMap((machines, n) => (machines.some(machine => machine.id === id && !machine.arriving) ? [n] : []))
}

describe('a desktop half way', () => {
  it('stays where it was when its target is lost', async () => {
    const { id, from, to, hosts, taskId } = await halfWay('slow-move-a')
    await lose([to, hosts[to] ?? ''])
    const task = await taskGet(site.broker, admin, taskId, 20_000, forever)
    expect(task).toMatchObject({
      state: 'failed',
      error: { code: 'unreachable', text: expect.stringContaining('was lost') },
    })
    expect(await desktopGet(site.broker, admin, id)).toMatchObject({ hostId: hosts[from], phase: 'ready' })
    expect(await runsOn(id)).toEqual([from])
    await site.agentStart(to)
    await site.until('it is back', async () => (await hostGet(site.broker, admin, hosts[to] ?? '')).state === 'online')
    expect(await runsOn(id)).toEqual([from])
  }, 60_000)

  it('runs on one host at most when its source is lost, and on one in the end', async () => {
    const { id, from, hosts, taskId } = await halfWay('slow-move-b')
    await lose([from, hosts[from] ?? ''])
    // The hosts still hear each other: it may arrive, else it is called off.
    expect(['succeeded', 'failed']).toContain((await taskGet(site.broker, admin, taskId, 25_000, forever)).state)
    const twins: number[][] = []
    const look = async () => {
      const where = await runsOn(id)
      if (where.length > 1) twins.push(where)
    }
    for (let turn = 0; turn < 50; turn++) await look()
    await site.agentStart(from)
    await site.until('it is ready', async () => {
      await look()
      const { phase, hostId } = await desktopGet(site.broker, admin, id)
      return phase === 'ready' && (await runsOn(id)).join() === String(hosts.indexOf(hostId))
    })
    expect(twins).toEqual([])
  }, 60_000)

  it('stays where it was when both are lost and its target is removed; its moves name that host still', async () => {
    await site.broker.db.updateTable('pool').set({ warm: 0 }).execute()
    const desktops = async () => (await desktopList(site.broker, admin, { limit: 100 })).items
    for (const other of await desktops()) await desktopAct(site.broker, admin, other.id, 'delete').catch(unlessGoing)
    await site.until('nothing else is there', async () => (await desktops()).length === 0)
    const { id, from, to, hosts, taskId } = await halfWay('slow-move-c')
    const [toId, toName] = [hosts[to] ?? '', `sim-${to + 1}`]
    await lose(...hosts.entries())
    const moves = async () => (await migrationList(site.broker, { limit: 100, desktopId: id })).items
    await site.until('nobody knows where it is', async () => (await moves())[0]?.text.includes('are lost') ?? false)
    await expect(hostRemove(site.broker, admin, toId)).rejects.toThrow('on its way to it')
    await hostRemove(site.broker, admin, toId, true)
    const text = `${toName} was removed by root, who says that it is off.`
    expect(await moves()).toMatchObject([
      { state: 'failed', fromHostId: hosts[from], toHostId: null, toHostName: toName, trouble: { text } },
    ])
    expect(await taskGet(site.broker, admin, taskId, 15_000, forever)).toMatchObject({
      state: 'failed',
      error: { text },
    })
    expect(await desktopGet(site.broker, admin, id)).toMatchObject({ hostId: hosts[from] })
  }, 60_000)
})
