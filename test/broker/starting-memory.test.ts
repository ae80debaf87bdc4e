/** Starts of desktops that stand still on hosts that have not the memory for all of them, on simulated hosts. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopHardwareSet } from '../../broker/desktop-hardware.ts'
import { desktopAct, desktopGet } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { moveEnd } from '../../broker/move-ending.ts'
import { hostsToPlaceOn } from '../../broker/placing.ts'
import { poolCreate } from '../../broker/pools.ts'
import { desktopStart } from '../../broker/starting.ts'
import { taskGet, taskOpen } from '../../broker/tasks.ts'
import { migrationsOpen } from '../../db/migrations.ts'
import { transact } from '../../db/transact.ts'
import { newId } from '../../lib/ids.ts'
import { makeSimStorage } from '../../vmm/sim-storage.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const GiB = 2 ** 30
const forever = new AbortController().signal
let site: TestSite
let admin: Principal
let desktops: { id: string; poolId: string; person: Principal }[]

/** Three that stand still with 5 GiB each, on two hosts that have 8 GiB each and one storage. */
beforeAll(async () => {
  const storage = makeSimStorage()
  const small = { storage, memoryBytes: 8 * GiB }
  site = await startSite({ sim: [small, small] })
  const warm = await siteWarm(site)
  admin = warm.admin
  const make = async (name: string) => {
    const wish = { name, kind: 'persistent' as const, templateId: warm.templateId, warm: 0, maxSize: 1 }
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
