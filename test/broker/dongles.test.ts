/** Dongles through the whole site: three simulated hosts, two that share a storage. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopMakeFor } from '../../broker/desktop-making.ts'
import { desktopAct, desktopGet, desktopHistory } from '../../broker/desktops.ts'
import { deviceKey, dongleBind, dongleList, dongleUnbind, usbDevices } from '../../broker/dongles.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { hostRemovalPlan } from '../../broker/host-removal.ts'
import { maintenanceEnter } from '../../broker/maintenance.ts'
import { desktopMove } from '../../broker/migrations.ts'
import { poolCreate } from '../../broker/pools.ts'
import { taskGet } from '../../broker/tasks.ts'
import type { UsbDevice } from '../../vmm/report.ts'
import { makeSimStorage } from '../../vmm/sim-storage.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const forever = new AbortController().signal
const key = { vendor: '0529', product: '0001' }
const old = { vendor: '096e', product: '0006' }
let site: TestSite
let admin: Principal
let ana: Principal
let templateId: string
let poolId: string

beforeAll(async () => {
  const storage = makeSimStorage()
  site = await startSite({ sim: [{ storage }, { storage }] })
  ;({ admin, templateId } = await siteWarm(site))
  ana = await site.person('ana')
  const wish = { name: 'office', kind: 'persistent' as const, templateId, warm: 0, maxSize: 9, maxPerUser: 9 }
  poolId = (await poolCreate(site.broker, admin, wish)).id
  await entitlementSet(site.broker, admin, poolId, { userIds: [ana.userId] })
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

/** A desktop of ana’s that runs, its host, and that host as it is simulated. */
async function made() {
  const { desktop, task } = await desktopMakeFor(site.broker, admin, poolId, { userId: ana.userId })
  await taskGet(site.broker, admin, task.id, 15_000, forever)
  const { hostId, hostName, id, name } = await desktopGet(site.broker, admin, desktop.id)
  const sim = site.hosts[hostName === 'sim-1' ? 0 : 1]
  if (!hostId || !sim) throw new Error('it is nowhere')
  return { id, name, hostId, hostName: hostName ?? '', sim }
}
const bind = (desktop: { id: string; hostId: string }, what: object = key) =>
  dongleBind(site.broker, admin, { hostId: desktop.hostId, desktopId: desktop.id, ...key, ...what })
const boundTo = async (desktopId: string) => (await dongleList(site.broker, admin, { limit: 10, desktopId })).items
const becomes = (desktopId: string, state: string) =>
  site.until(`its dongle is ${state}`, async () => (await boundTo(desktopId)).find(dongle => dongle.state === state))
const done = async (id: string) => taskGet(site.broker, admin, id, 15_000, forever)

describe('a dongle', () => {
  it('is listed with its host, bound, plugged in, and taken out at once; the history says by whom', async () => {
    const desktop = await made()
    const { known, items } = await usbDevices(site.broker, admin, desktop.hostId)
    expect(known).toBe(true)
    expect(items.map(({ port, serial, dongle }) => [port, serial, dongle])).toEqual([
      ['1-1', 'SIM-0001', null],
      ['1-2', null, null],
    ])
    const bound = await bind(desktop)
    expect(bound).toMatchObject({
      serial: 'SIM-0001',
      port: null,
      name: 'Simulated Licence key',
      desktopId: desktop.id,
    })
    await becomes(desktop.id, 'attached')
    const [listed] = (await usbDevices(site.broker, admin, desktop.hostId)).items
    expect(listed).toMatchObject({ dongle: { id: bound.id }, actions: [{ name: 'bind', allowed: false }] })
    await dongleUnbind(site.broker, admin, bound.id)
    await site.until('it is out', async () => !(await desktop.sim.machines()).some(({ dongles }) => dongles?.length))
    const history = await desktopHistory(site.broker, desktop.id, { limit: 50 })
    expect(history.items.map(({ reason }) => reason)).toEqual(
      expect.arrayContaining([
        `Simulated Licence key of ${desktop.hostName} bound by root`,
        `Simulated Licence key of ${desktop.hostName} unbound by root`,
      ]),
    )
  })

  it('is one desktop’s alone: another is refused, also when both ask at once', async () => {
    const desktop = await made()
    const others = []
    while (others.length < 1) {
      const other = await made()
      if (other.hostId === desktop.hostId) others.push(other)
    }
    const [other] = others
    if (!other) return
    const tries = await Promise.allSettled([bind(desktop), bind(other)])
    expect(tries.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    await expect(bind(desktop)).rejects.toMatchObject({ code: 'conflict' })
    for (const { id } of [...(await boundTo(desktop.id)), ...(await boundTo(other.id))])
      await dongleUnbind(site.broker, admin, id)
  })

  it('without a serial is the one in its port; with the serial of another, too', async () => {
    const desktop = await made()
    expect(await bind(desktop, old)).toMatchObject({ serial: null, port: '1-2' })
    const device = { ...key, serial: 'A', port: '1-1', vendorName: '', productName: '', bus: 1, device: 2 }
    const twin: UsbDevice = { ...device, port: '1-3' }
    expect(deviceKey(device, [device])).toEqual({ serial: 'A', port: null })
    expect(deviceKey(device, [device, twin])).toEqual({ serial: null, port: '1-1' })
    for (const { id } of await boundTo(desktop.id)) await dongleUnbind(site.broker, admin, id)
  })

  it('is refused, with what to do, where it cannot be one desktop’s', async () => {
    const desktop = await made()
    const floating = (
      await poolCreate(site.broker, admin, { name: 'kiosk', kind: 'floating', templateId, warm: 1, maxSize: 1 })
    ).id
    const free = await site.until('it is made', async () =>
      site.broker.db.selectFrom('desktop').select(['id', 'host_id']).where('pool_id', '=', floating).executeTakeFirst(),
    )
    await expect(bind({ id: free.id, hostId: free.host_id })).rejects.toThrow(/persistent pool/)
    const elsewhere = await site.broker.db
      .selectFrom('host')
      .select('id')
      .where('id', '<>', desktop.hostId)
      .executeTakeFirstOrThrow()
    await expect(bind({ id: desktop.id, hostId: elsewhere.id })).rejects.toThrow(/Move it there first/)
    await expect(bind(desktop, { product: 'ffff' })).rejects.toThrow(/plug it in first/)
    await expect(bind(desktop, { port: '9-9' })).rejects.toMatchObject({ code: 'not_found' })
    expect(await boundTo(desktop.id)).toEqual([])
  })

  it('keeps its desktop on its host: no move, no maintenance takes it away; its removal says what stays behind', async () => {
    const desktop = await made()
    const { id } = await bind(desktop)
    const why = `it has the dongle Simulated Licence key, which is on ${desktop.hostName}`
    const { actions } = await desktopGet(site.broker, admin, desktop.id)
    expect(actions.find(({ name }) => name === 'migrate')).toEqual({ name: 'migrate', allowed: false, reason: why })
    await expect(desktopMove(site.broker, admin, desktop.id, { hostId: null, restart: true })).rejects.toThrow(why)
    const { plan } = await maintenanceEnter(site.broker, admin, desktop.hostId, { evacuate: true, dryRun: true })
    expect(plan?.desktops.find(({ desktopId }) => desktopId === desktop.id)).toMatchObject({ do: 'wait', because: why })
    const removal = await hostRemovalPlan(site.broker, admin, desktop.hostId)
    expect(removal.text).toContain(`without its dongle: ${desktop.name} of ana`)
    await dongleUnbind(site.broker, admin, id)
    const free = (await desktopGet(site.broker, admin, desktop.id)).actions
    expect(free.find(({ name }) => name === 'migrate')?.allowed).toBe(true)
  })

  it('is free again when its desktop is deleted, and is bound to none in the recycle bin', async () => {
    const desktop = await made()
    await bind(desktop)
    await becomes(desktop.id, 'attached')
    await done((await desktopAct(site.broker, admin, desktop.id, 'delete')).task.id)
    expect(await boundTo(desktop.id)).toEqual([])
    await expect(bind(desktop)).rejects.toThrow(/recycle bin/)
  })

  it('comes back after a start; one that is missing is said so, and its desktop is ready all the same', async () => {
    const desktop = await made()
    await bind(desktop)
    await becomes(desktop.id, 'attached')
    await done((await desktopAct(site.broker, admin, desktop.id, 'poweroff')).task.id)
    await becomes(desktop.id, 'waiting')
    await done((await desktopAct(site.broker, admin, desktop.id, 'start')).task.id)
    await becomes(desktop.id, 'attached')
    desktop.sim.usbUnplug('1-1')
    await becomes(desktop.id, 'missing')
    expect(await desktopGet(site.broker, admin, desktop.id)).toMatchObject({ phase: 'ready', trouble: null })
  })
})
