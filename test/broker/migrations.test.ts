/** Moves between simulated hosts: two that share a storage, one of its own. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { openTicket } from '../../auth/tickets.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { clusterCreate } from '../../broker/clusters.ts'
import { desktopAct, desktopGet, desktopHistory, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { hostGet, hostList } from '../../broker/hosts.ts'
import { desktopMove, desktopMovePlan, migrationList } from '../../broker/migrations.ts'
import { poolCreate } from '../../broker/pools.ts'
import { sessionConnect } from '../../broker/sessions.ts'
import { taskCancel, taskGet, taskLog } from '../../broker/tasks.ts'
import { awaitPassword } from '../../spice/dial.ts'
import { makeSimStorage } from '../../vmm/sim-storage.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

let site: TestSite
let admin: Principal
let templateId: string
const forever = new AbortController().signal

beforeAll(async () => {
  const storage = makeSimStorage()
  site = await startSite({ sim: [{ storage, cpus: 64 }, { storage, cpus: 64 }, { cpus: 64 }] })
  ;({ admin, templateId } = await siteWarm(site))
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

const hosts = async () => {
  const { items } = await hostList(site.broker, admin, { limit: 10 })
  return Object.fromEntries(items.map(({ name, id }) => [name, id])) as Record<'sim-1' | 'sim-2' | 'sim-3', string>
}
/** A desktop of a pool of its own, somebody's and running, on the named host. */
async function desktopOn(
  host: 'sim-1' | 'sim-2' | 'sim-3',
  name: string,
  kind: 'floating' | 'persistent' = 'persistent',
) {
  const pool = await poolCreate(site.broker, admin, { name, kind, templateId, warm: 0, maxSize: 3 })
  await entitlementSet(site.broker, admin, pool.id, { everyone: true })
  const person = await site.person(name)
  const { desktop, task } = await desktopClaimFor(site.broker, person, pool.id)
  await taskGet(site.broker, person, task.id, 15_000, forever)
  const to = (await hosts())[host]
  const { hostId } = await desktopGet(site.broker, admin, desktop.id)
  if (hostId !== to) expect(await moved(desktop.id, to)).toMatchObject({ state: 'succeeded' })
  return { id: desktop.id, name: desktop.name, person, pool }
}
async function moved(id: string, hostId: string, restart = false) {
  const { task } = await desktopMove(site.broker, admin, id, { hostId, restart })
  return taskGet(site.broker, admin, task.id, 15_000, forever)
}
/** On which simulated hosts it runs. */
async function runningOn(id: string) {
  const found = await Promise.all(site.hosts.map(host => host.machines()))
  return found.flatMap((machines, index) => (machines.some(machine => machine.id === id) ? [`sim-${index + 1}`] : []))
}
const lastMove = async (id: string) => (await migrationList(site.broker, { limit: 1, desktopId: id })).items[0]

describe('a desktop that moves', () => {
  it('runs on its new host, with its person, address and disk, and nowhere else', async () => {
    const { id, person } = await desktopOn('sim-1', 'moving')
    const before = await desktopGet(site.broker, admin, id)
    const to = (await hosts())['sim-2']
    expect(await moved(id, to)).toMatchObject({ state: 'succeeded', progress: 100 })
    const after = await desktopGet(site.broker, admin, id)
    expect(after).toMatchObject({
      hostId: to,
      userId: person.userId,
      address: before.address,
      phase: 'ready',
      move: null,
    })
    expect(await lastMove(id)).toMatchObject({ kind: 'live', state: 'done', cause: 'person' })
    await site.until('it runs there alone', async () => (await runningOn(id)).join() === 'sim-2')
  })

  it('stays ready all the while, so nobody sees more than a blink', async () => {
    const { id } = await desktopOn('sim-1', 'slow-move')
    const { task } = await desktopMove(site.broker, admin, id, { hostId: (await hosts())['sim-2'], restart: false })
    await taskGet(site.broker, admin, task.id, 15_000, forever)
    const { items } = await desktopHistory(site.broker, id, { limit: 5 })
    expect(items.slice(0, 2).map(({ to }) => to)).toEqual(['moved', 'move asked'])
    const log = (await taskLog(site.broker, admin, task.id)).map(({ text }) => text)
    expect(log.some(text => text.startsWith('moving:'))).toBe(true)
  })

  it('takes its disk along where the hosts share none', async () => {
    const { id } = await desktopOn('sim-1', 'storage')
    const to = (await hosts())['sim-3']
    expect(await moved(id, to)).toMatchObject({ state: 'succeeded' })
    expect(await lastMove(id)).toMatchObject({ kind: 'storage' })
    await site.until('its old disk is gone', async () => {
      const overlays = (await site.hosts[0]?.overlays()) ?? []
      return !overlays.some(({ machineId }) => machineId === id)
    })
    expect(await site.hosts[2]?.overlays()).toContainEqual(expect.objectContaining({ machineId: id }))
  })

  it('that stands still goes without running, within a storage and beyond it', async () => {
    const { id } = await desktopOn('sim-1', 'standing')
    const { task } = await desktopAct(site.broker, admin, id, 'shutdown')
    await taskGet(site.broker, admin, task.id, 15_000, forever)
    for (const host of ['sim-2', 'sim-3'] as const) {
      const to = (await hosts())[host]
      expect(await moved(id, to)).toMatchObject({ state: 'succeeded' })
      expect(await lastMove(id)).toMatchObject({ kind: 'offline', state: 'done' })
      expect(await desktopGet(site.broker, admin, id)).toMatchObject({ hostId: to, phase: 'stopped' })
      expect(await runningOn(id)).toEqual([])
    }
    const started = await desktopAct(site.broker, admin, id, 'start')
    expect(await taskGet(site.broker, admin, started.task.id, 15_000, forever)).toMatchObject({ state: 'succeeded' })
    expect(await runningOn(id)).toEqual(['sim-3'])
  })

  it('whose move breaks off stays where it was and says why in libvirt’s words', async () => {
    const { id } = await desktopOn('sim-1', 'staying')
    await site.broker.db.updateTable('pool').set({ name: 'fail-move' }).where('name', '=', 'staying').execute()
    await site.broker.db.updateTable('desktop').set({ name: 'fail-move-001' }).where('id', '=', id).execute()
    const from = (await hosts())['sim-1']
    await restarted(id)
    const task = await moved(id, (await hosts())['sim-2'])
    expect(task).toMatchObject({ state: 'failed', error: { code: 'internal' } })
    expect(task.error?.text).toContain('libvirt: operation failed')
    expect(await desktopGet(site.broker, admin, id)).toMatchObject({ hostId: from, phase: 'ready', move: null })
    expect(await runningOn(id)).toEqual(['sim-1'])
  })

  it('can be called back while it moves, and stays', async () => {
    const { id } = await desktopOn('sim-1', 'called-back')
    await site.broker.db.updateTable('desktop').set({ name: 'slow-move-called' }).where('id', '=', id).execute()
    await restarted(id)
    const { task } = await desktopMove(site.broker, admin, id, { hostId: (await hosts())['sim-2'], restart: false })
    await site.until('it is being sent', async () => (await lastMove(id))?.state === 'moving')
    await taskCancel(site.broker, admin, task.id)
    expect(await taskGet(site.broker, admin, task.id, 15_000, forever)).toMatchObject({ state: 'cancelled' })
    expect(await desktopGet(site.broker, admin, id)).toMatchObject({ hostName: 'sim-1', phase: 'ready' })
    expect(await runningOn(id)).toEqual(['sim-1'])
  })

  it('and is given back meanwhile, gets its new disk at home', async () => {
    const { id, person } = await desktopOn('sim-1', 'given', 'floating')
    await site.broker.db.updateTable('desktop').set({ name: 'slow-move-given' }).where('id', '=', id).execute()
    await restarted(id)
    await desktopMove(site.broker, admin, id, { hostId: (await hosts())['sim-2'], restart: false })
    await site.until('it is being sent', async () => (await lastMove(id))?.state === 'moving')
    await desktopAct(site.broker, person, id, 'release')
    await site.until('its move ended', async () => (await lastMove(id))?.endedAt !== null)
    await site.until('it is nobody’s and at rest', async () => {
      const now = await desktopGet(site.broker, admin, id).catch(() => undefined) // removed with its pool: gone is well
      return now === undefined || (now.userId === null && now.phase === 'stopped')
    })
    expect((await runningOn(id)).length).toBe(0)
  })
})

/** Its name was changed: QEMU gets it with the next start. */
async function restarted(id: string) {
  for (const action of ['poweroff', 'start'] as const) {
    const { task } = await desktopAct(site.broker, admin, id, action)
    expect(await taskGet(site.broker, admin, task.id, 15_000, forever)).toMatchObject({ state: 'succeeded' })
  }
}

describe('the screen of a desktop that moves', () => {
  const open = (person: Principal, id: string, resume?: string) =>
    sessionConnect(site.broker, person, id, 'http://x', resume)
  const wayOf = async (ticket: string) => (await openTicket(ticket, site.broker.ticketKey, new Date())).spice

  it('is found again on its new host by whoever looked at it, who asks before it has arrived', async () => {
    const { id, person } = await desktopOn('sim-1', 'slow-move-watched')
    const before = await open(person, id)
    const { task } = await desktopMove(site.broker, admin, id, { hostId: (await hosts())['sim-2'], restart: false })
    await site.until('it is being sent', async () => (await lastMove(id))?.state === 'moving')
    const after = await open(person, id, before.sessionId)
    expect(await lastMove(id)).toMatchObject({ state: 'done' })
    expect((await taskGet(site.broker, admin, task.id, 15_000, forever)).state).toBe('succeeded')
    const [old, now] = [await wayOf(before.ticket), await wayOf(after.ticket)]
    expect(`${now.host}:${now.port}`).not.toBe(`${old.host}:${old.port}`)
    await awaitPassword(now, AbortSignal.timeout(5_000))
  })

  it('has no way back when it did not move, or was opened elsewhere, or is another person’s', async () => {
    const { id, person } = await desktopOn('sim-1', 'unmoved')
    const first = await open(person, id)
    await expect(open(person, id, first.sessionId)).rejects.toMatchObject({ code: 'conflict' })
    const second = await open(person, id)
    await moved(id, (await hosts())['sim-2'])
    await expect(open(person, id, first.sessionId)).rejects.toMatchObject({ code: 'conflict' })
    const stranger = await site.person('stranger')
    await expect(open(stranger, id, second.sessionId)).rejects.toMatchObject({ code: 'conflict' })
    expect((await open(person, id, second.sessionId)).sessionId).not.toBe(second.sessionId)
  })
})

describe('a desktop of another cluster', () => {
  it('is told to have no network there, and gets an address of its own when it starts', async () => {
    const { id } = await desktopOn('sim-1', 'abroad')
    const far = (await hosts())['sim-3']
    const { id: siteId } = await site.broker.db.selectFrom('site').select('id').executeTakeFirstOrThrow()
    const cluster = await clusterCreate(site.broker, admin, { name: 'second', siteId })
    await site.broker.db
      .updateTable('host')
      .set({ cluster_id: cluster.id, subnet: cluster.supernet.replace(/\/.*/, '/22') })
      .where('id', '=', far)
      .execute()
    const { choice } = await desktopMovePlan(site.broker, admin, id, { hostId: far, restart: false })
    expect(choice).toMatchObject({ kind: 'storage', why: expect.stringContaining('no network until') })
    const nowhere = await desktopMovePlan(site.broker, admin, id, { hostId: null, restart: false })
    expect(nowhere.choice.hosts.find(({ hostId }) => hostId === far)?.reason).toBe('it is of another cluster')
    const before = await desktopGet(site.broker, admin, id)
    expect(await moved(id, far)).toMatchObject({ state: 'succeeded' })
    expect((await desktopGet(site.broker, admin, id)).address).toBe(before.address)
    await restarted(id)
    expect((await desktopGet(site.broker, admin, id)).address).not.toBe(before.address)
  })
})

describe('asking for a move', () => {
  it('first is told where to and why, and why not elsewhere', async () => {
    const { id } = await desktopOn('sim-1', 'asking')
    const { choice } = await desktopMovePlan(site.broker, admin, id, { hostId: null, restart: false })
    expect(choice.kind).not.toBeNull()
    expect(choice.hosts.find(({ hostName }) => hostName === 'sim-1')).toMatchObject({
      fits: false,
      reason: 'the desktop is there',
    })
    expect((await desktopGet(site.broker, admin, id)).move).toBeNull()
  })

  it('is refused to whom it does not fit: its own host, one that does not exist, one already on its way', async () => {
    const { id } = await desktopOn('sim-1', 'refusing')
    const ask = (hostId: string) => desktopMove(site.broker, admin, id, { hostId, restart: false })
    await expect(ask((await hosts())['sim-1'])).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/^refusing-\d+ is on sim-1 already\.$/),
    })
    await expect(ask(id)).rejects.toMatchObject({ code: 'not_found', message: 'There is no such host.' })
    await expect(desktopMovePlan(site.broker, admin, id, { hostId: id, restart: false })).rejects.toMatchObject({
      code: 'not_found',
    })
    const [first, second] = await Promise.allSettled([ask((await hosts())['sim-2']), ask((await hosts())['sim-3'])])
    expect([first?.status, second?.status].toSorted()).toEqual(['fulfilled', 'rejected'])
  })

  it('of many at once moves two at a time at each host, and all arrive', async () => {
    const pool = await poolCreate(site.broker, admin, {
      name: 'many',
      kind: 'persistent',
      templateId,
      warm: 0,
      maxSize: 9,
    })
    await entitlementSet(site.broker, admin, pool.id, { everyone: true })
    const { 'sim-1': one, 'sim-2': two } = await hosts()
    const people = await Promise.all(Array.from({ length: 6 }, (_, n) => site.person(`many-${n}`)))
    for (const person of people) {
      const { task } = await desktopClaimFor(site.broker, person, pool.id)
      await taskGet(site.broker, person, task.id, 15_000, forever)
    }
    const { items } = await desktopList(site.broker, admin, { limit: 10, poolId: pool.id })
    for (const { id, hostId } of items) if (hostId !== one) await moved(id, one)
    const most = watchTurns()
    const tasks = await Promise.all(
      items.map(({ id }) => desktopMove(site.broker, admin, id, { hostId: two, restart: false })),
    )
    for (const { task } of tasks)
      expect(await taskGet(site.broker, admin, task.id, 15_000, forever)).toMatchObject({ state: 'succeeded' })
    expect(await most.end()).toBeLessThanOrEqual(2)
    expect((await hostGet(site.broker, admin, two)).used.desktops).toBeGreaterThanOrEqual(6)
  }, 60_000)
})

/** The most moves that were under way at once. */
function watchTurns() {
  let most = 0
  let watching = true
  const watched = (async () => {
    while (watching) {
      const { items } = await migrationList(site.broker, { limit: 100, open: true })
      most = Math.max(most, items.filter(({ state }) => state !== 'queued').length)
    }
  })()
  return {
    async end() {
      watching = false
      await watched
      return most
    },
  }
}
