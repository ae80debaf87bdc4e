/** Ports on which screens are shown, taken and given back in a real database. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { poolCreate, poolGet, poolList } from '../../broker/pools.ts'
import { screenPortsReconciler } from '../../broker/reconcile/screen-ports.ts'
import { screenPortTake } from '../../broker/screen-ports.ts'
import { screenPortsReclaim } from '../../db/screen-ports.ts'
import { newId } from '../../lib/ids.ts'
import { startSite, type TestSite } from '../support/site.ts'

let site: TestSite
let admin: Principal
let desktop: { id: string; host_id: string }
let elsewhere: string
beforeAll(async () => {
  site = await startSite({ sim: [{}, {}] })
  admin = await site.person('root', ['userAdministrator', 'infrastructureAdministrator', 'person'])
  const { db } = site.broker
  const [demo] = (await poolList(site.broker, admin, { limit: 1 })).items
  const pool = await poolCreate(site.broker, admin, {
    name: 'one',
    kind: 'persistent',
    templateId: demo?.templateId ?? '',
    warm: 1,
    maxSize: 1,
  })
  await site.until('it is warm', async () => (await poolGet(site.broker, admin, pool.id)).counts.ready === 1)
  desktop = await db
    .selectFrom('desktop')
    .select(['id', 'host_id'])
    .where('pool_id', '=', pool.id)
    .executeTakeFirstOrThrow()
  const other = await db.selectFrom('host').select('id').where('id', '<>', desktop.host_id).executeTakeFirstOrThrow()
  elsewhere = other.id
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

const take = (hostId: string) => site.broker.db.transaction().execute(tx => screenPortTake(tx, hostId, desktop.id))
const hostsWithPort = async () => {
  const rows = await site.broker.db
    .selectFrom('screen_port')
    .select('host_id')
    .where('desktop_id', '=', desktop.id)
    .execute()
  return rows.map(row => row.host_id).toSorted()
}

describe('a screen port', () => {
  it('is the same when it is asked for again', async () => {
    const [first, second] = await site.broker.db
      .transaction()
      .execute(async tx => [
        await screenPortTake(tx, elsewhere, desktop.id),
        await screenPortTake(tx, elsewhere, desktop.id),
      ])
    expect(second).toBe(first)
    // Nothing moves there: its reconciler gives it back.
    await screenPortsReconciler(site.broker).step(new AbortController().signal)
    expect(await hostsWithPort()).toEqual([desktop.host_id])
  })

  it('is kept on both hosts while its desktop moves, and given back where it is not any more', async () => {
    await take(elsewhere)
    const move = { id: newId(), desktop_id: desktop.id, from_host_id: desktop.host_id, to_host_id: elsewhere }
    // In one transaction: the site's own reconciler would move it indeed.
    await site.broker.db.transaction().execute(async tx => {
      await tx
        .insertInto('migration')
        .values({ ...move, kind: 'live', cause: 'person', state: 'queued', from_name: '', to_name: '' } as never)
        .execute()
      expect(await screenPortsReclaim(tx)).toBe(0)
      await tx
        .updateTable('migration')
        .set({ state: 'failed', ended_at: new Date() })
        .where('id', '=', move.id)
        .execute()
      expect(await screenPortsReclaim(tx)).toBe(1)
    })
    expect(await hostsWithPort()).toEqual([desktop.host_id])
  })

  it('of a host that is away is not given to another before that host hears wishes again', async () => {
    await take(elsewhere)
    // In one transaction: the host is online in truth, and its reconciler would say so.
    await site.broker.db.transaction().execute(async tx => {
      await tx.updateTable('host').set({ state: 'lost' }).where('id', '=', elsewhere).execute()
      expect(await screenPortsReclaim(tx)).toBe(0)
      await tx.updateTable('host').set({ state: 'online' }).where('id', '=', elsewhere).execute()
      expect(await screenPortsReclaim(tx)).toBe(1)
    })
    expect(await hostsWithPort()).toEqual([desktop.host_id])
  })

  it('is refused in words when the range is used up', async () => {
    const { db } = site.broker
    await db.updateTable('cluster').set({ port_from: 20_000, port_to: 19_999 }).execute()
    await expect(take(elsewhere)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('widen it on the cluster’s page'),
    })
  })
})
