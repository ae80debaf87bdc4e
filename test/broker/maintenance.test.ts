/** Maintenance of simulated hosts: everything leaves by plan, the rest says for what it waits, and it comes back. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopAct, desktopGet, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { hostHistory } from '../../broker/host-history.ts'
import { hostGet, hostList } from '../../broker/hosts.ts'
import { maintenanceEnter, maintenanceLeave } from '../../broker/maintenance.ts'
import { desktopMove, migrationList } from '../../broker/migrations.ts'
import { poolCreate } from '../../broker/pools.ts'
import { taskCancel, taskGet } from '../../broker/tasks.ts'
import { makeSimStorage } from '../../vmm/sim-storage.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

let site: TestSite
let admin: Principal
let templateId: string
const forever = new AbortController().signal
const ended = (id: string) => taskGet(site.broker, admin, id, 30_000, forever)

beforeAll(async () => {
  const storage = makeSimStorage()
  site = await startSite({
    sim: [
      { storage, cpus: 64 },
      { storage, cpus: 64 },
      { storage, cpus: 64 },
    ],
  })
  ;({ admin, templateId } = await siteWarm(site))
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

const hostId = async (name: string) => {
  const { items } = await hostList(site.broker, admin, { limit: 10, name })
  return items[0]?.id ?? ''
}
async function claimed(name: string, kind: 'floating' | 'persistent', count: number) {
  const pool = await poolCreate(site.broker, admin, { name, kind, templateId, warm: 0, maxSize: 12 })
  await entitlementSet(site.broker, admin, pool.id, { everyone: true })
  const made = []
  for (let n = 0; n < count; n++) {
    const person = await site.person(`${name}-${n}`)
    const { desktop, task } = await desktopClaimFor(site.broker, person, pool.id)
    await taskGet(site.broker, person, task.id, 15_000, forever)
    made.push({ id: desktop.id, person })
  }
  return { pool, made }
}
async function gather(ids: string[], host: string) {
  for (const id of ids) {
    if ((await desktopGet(site.broker, admin, id)).hostId === host) continue
    const { task } = await desktopMove(site.broker, admin, id, { hostId: host, restart: false })
    expect((await ended(task.id)).state).toBe('succeeded')
  }
}
const on = async (host: string) => (await desktopList(site.broker, admin, { limit: 100, hostId: host })).items

describe('a host that goes into maintenance', () => {
  it('is emptied: what somebody has moves running, what nobody has begins anew elsewhere, and it all comes back', async () => {
    const host = await hostId('sim-1')
    const { made } = await claimed('class', 'persistent', 4)
    const { made: floating } = await claimed('floating', 'floating', 2)
    const ids = [...made, ...floating].map(({ id }) => id)
    await gather(ids, host)
    const resting = made[0]
    if (!resting) throw new Error('nobody')
    const { task: shut } = await desktopAct(site.broker, admin, resting.id, 'shutdown')
    await ended(shut.id)
    const free = (await on(host)).filter(({ userId }) => userId === null).map(({ id }) => id)

    const { plan } = await maintenanceEnter(site.broker, admin, host, { evacuate: true, dryRun: true })
    expect(plan.counts).toMatchObject({ migrate: 6, remake: free.length, wait: 0 })
    expect(plan.desktops.find(({ desktopId }) => desktopId === resting.id)).toMatchObject({
      do: 'migrate',
      kind: 'offline',
    })
    expect((await hostGet(site.broker, admin, host)).state).toBe('online')

    const { task } = await maintenanceEnter(site.broker, admin, host, { evacuate: true, dryRun: false })
    if (!task) throw new Error('no task')
    expect(await ended(task.id)).toMatchObject({ state: 'succeeded', steps: [{ state: 'done' }, { state: 'done' }] })
    expect(await on(host)).toEqual([])
    expect((await hostGet(site.broker, admin, host)).state).toBe('maintenance')
    for (const { id, person } of [...made, ...floating])
      expect(await desktopGet(site.broker, admin, id)).toMatchObject({ userId: person.userId })
    await site.until('nothing runs there any more', async () => (await site.hosts[0]?.machines())?.length === 0)

    const { plan: back } = await maintenanceLeave(site.broker, admin, host, { bringBack: true, dryRun: true })
    expect(back.counts.migrate).toBe(6)
    const { task: leave } = await maintenanceLeave(site.broker, admin, host, { bringBack: true, dryRun: false })
    if (!leave) throw new Error('no task')
    expect(await ended(leave.id)).toMatchObject({ state: 'succeeded' })
    expect((await on(host)).map(({ id }) => id).toSorted()).toEqual(expect.arrayContaining(ids.toSorted()))
    const { items } = await migrationList(site.broker, { limit: 100, hostId: host })
    expect(new Set(items.map(({ state }) => state))).toEqual(new Set(['done']))
  }, 90_000)

  it('takes nothing new, and without being emptied keeps what it has', async () => {
    const host = await hostId('sim-2')
    const before = (await on(host)).length
    const { task } = await maintenanceEnter(site.broker, admin, host, { evacuate: false, dryRun: false })
    expect(await ended(task?.id ?? '')).toMatchObject({ state: 'succeeded' })
    await claimed('elsewhere', 'persistent', 3)
    expect((await on(host)).length).toBe(before)
    const { host: view } = await maintenanceEnter(site.broker, admin, host, { evacuate: true, dryRun: true })
    expect(view.actions.find(({ name }) => name === 'leaveMaintenance')?.allowed).toBe(true)
    const { task: leave } = await maintenanceLeave(site.broker, admin, host, { bringBack: false, dryRun: false })
    expect(await ended(leave?.id ?? '')).toMatchObject({ state: 'succeeded' })
    await expect(maintenanceLeave(site.broker, admin, host, { bringBack: false, dryRun: false })).rejects.toMatchObject(
      {
        code: 'conflict',
      },
    )
  }, 60_000)

  it('is sent there once when many ask at once, and back once: the others are told that it is so already', async () => {
    const host = await hostId('sim-2')
    for (const [ask, told] of [
      [
        () => maintenanceEnter(site.broker, admin, host, { evacuate: false, dryRun: false }),
        'is in maintenance already',
      ],
      [() => maintenanceLeave(site.broker, admin, host, { bringBack: true, dryRun: false }), 'is not in maintenance'],
    ] as const) {
      const before = (await hostHistory(site.broker, admin, host, { limit: 100 })).items
      const answers = await Promise.allSettled([ask(), ask(), ask(), ask()])
      const [taken, ...more] = answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value] : []))
      expect(more).toHaveLength(0)
      for (const answer of answers.filter(({ status }) => status === 'rejected'))
        expect(answer).toMatchObject({ reason: { code: 'conflict', message: expect.stringContaining(told) } })
      expect(await ended(taken?.task?.id ?? '')).toMatchObject({ state: 'succeeded' })
      const { items } = await hostHistory(site.broker, admin, host, { limit: 100 })
      expect(items.slice(0, -before.length).filter(({ userName }) => userName !== null)).toHaveLength(1)
    }
  }, 60_000)

  it('waits for those it cannot move, says for whom and for what, and goes on when they leave by themselves', async () => {
    const host = await hostId('sim-3')
    const { made } = await claimed('stuck', 'floating', 1)
    const [{ id, person } = { id: '', person: admin }] = made
    await gather([id], host)
    await noMigrationFrom(host)
    const { plan, task } = await maintenanceEnter(site.broker, admin, host, { evacuate: true, dryRun: false })
    const item = plan.desktops.find(({ desktopId }) => desktopId === id)
    expect(item).toMatchObject({ do: 'wait', because: expect.stringContaining('until it is given back') })
    await site.until('the task says so', async () => {
      const { steps } = await taskGet(site.broker, admin, task?.id ?? '', 0, forever)
      return steps.find(({ state }) => state === 'current')?.text?.includes('until it is given back')
    })
    await desktopAct(site.broker, person, id, 'release')
    expect(await ended(task?.id ?? '')).toMatchObject({ state: 'succeeded' })
    expect(await on(host)).toEqual([])
    const { task: leave } = await maintenanceLeave(site.broker, admin, host, { bringBack: false, dryRun: false })
    await ended(leave?.id ?? '')
  }, 60_000)

  it('lets a persistent desktop be restarted elsewhere when nobody looks at it and it cannot move running', async () => {
    const host = await hostId('sim-3')
    const { made } = await claimed('restarted', 'persistent', 1)
    const [{ id } = { id: '' }] = made
    await gather([id], host)
    await noMigrationFrom(host)
    const { task } = await maintenanceEnter(site.broker, admin, host, { evacuate: true, dryRun: false })
    expect(await ended(task?.id ?? '')).toMatchObject({ state: 'succeeded' })
    await site.until('it runs again', async () => (await desktopGet(site.broker, admin, id)).phase === 'ready')
    expect((await desktopGet(site.broker, admin, id)).hostId).not.toBe(host)
    const { items } = await migrationList(site.broker, { limit: 1, desktopId: id })
    expect(items[0]).toMatchObject({ kind: 'offline', cause: 'maintenance', state: 'done' })
    const { task: leave } = await maintenanceLeave(site.broker, admin, host, { bringBack: false, dryRun: false })
    await ended(leave?.id ?? '')
  }, 60_000)

  it('is used again when its task is cancelled, and what has not left stays', async () => {
    const host = await hostId('sim-3')
    const { made } = await claimed('slow-move', 'persistent', 3)
    await gather(
      made.map(({ id }) => id),
      host,
    )
    const { task } = await maintenanceEnter(site.broker, admin, host, { evacuate: true, dryRun: false })
    await site.until('they are leaving', async () => {
      const { items } = await migrationList(site.broker, { limit: 10, hostId: host, open: true })
      return items.some(({ state }) => state === 'moving')
    })
    expect((await taskCancel(site.broker, admin, task?.id ?? '')).state).toBe('cancelled')
    await site.until('it is used again', async () => (await hostGet(site.broker, admin, host)).state === 'online')
    await site.until('nothing moves', async () => {
      const { items } = await migrationList(site.broker, { limit: 10, hostId: host, open: true })
      return items.length === 0
    })
    for (const { id } of made)
      await site.until('it is ready', async () => (await desktopGet(site.broker, admin, id)).phase === 'ready')
  }, 60_000)
})

/** As a host whose libvirt is not set up for migration tells it; until its agent tells its facts anew. */
async function noMigrationFrom(host: string) {
  const { observed_facts } = await site.broker.db
    .selectFrom('host')
    .select('observed_facts')
    .where('id', '=', host)
    .executeTakeFirstOrThrow()
  const facts = JSON.stringify({ ...observed_facts, migrationUri: null })
  await site.broker.db.updateTable('host').set({ observed_facts: facts }).where('id', '=', host).execute()
}
