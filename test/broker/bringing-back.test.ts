/** Desktops of a lost host brought back many at once, in a real database: in a transaction that is undone. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopsBringBack } from '../../broker/bringing-back.ts'
import { poolCreate, poolGet } from '../../broker/pools.ts'
import type { Tx } from '../../db/connect.ts'
import { newId } from '../../lib/ids.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const count = 60
let site: TestSite
let admin: Principal
let poolId: string
const hosts: Record<string, { id: string; cluster_id: string }> = {}
beforeAll(async () => {
  // The second takes some of them; the third, of another cluster in these tests, the rest.
  site = await startSite({ sim: [{ cpus: 64 }, { cpus: 4 }, { cpus: 64 }] })
  const warm = await siteWarm(site)
  admin = warm.admin
  const { db } = site.broker
  await db
    .updateTable('host')
    .set({ tags: ['here'] })
    .where('name', '=', 'sim-1')
    .execute()
  const pool = await poolCreate(site.broker, admin, {
    name: 'many',
    kind: 'floating',
    templateId: warm.templateId,
    warm: count,
    maxSize: count,
    needs: ['here'],
  })
  poolId = pool.id
  await site.until(
    'they are warm',
    async () => (await poolGet(site.broker, admin, poolId)).counts.ready === count && (await dirty()) === 0,
  )
  for (const { name, ...host } of await db.selectFrom('host').select(['id', 'name', 'cluster_id']).execute())
    hosts[name] = host
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

const dirty = async () =>
  (await site.broker.db.selectFrom('desktop').select('id').where('dirty', '=', true).execute()).length
const hostNamed = (name: string) => hosts[name] ?? { id: '', cluster_id: '' }
// Hosts go on beating while the desktops get warm: none of that may come after it.
const lostAt = new Date(Date.now() + 60_000)

/** What stands after it in a site whose first host is lost and whose third is of another cluster. */
async function brought(ids: (all: string[]) => string[], before: (tx: Tx) => Promise<unknown> = async () => {}) {
  const undone = new Error('undone')
  let seen: Awaited<ReturnType<typeof look>> | undefined
  await site.broker.db
    .transaction()
    .execute(async tx => {
      const far = { id: newId(), name: 'far', supernet: '10.200.0.0/14' }
      const { site_id } = await tx.selectFrom('cluster').select('site_id').executeTakeFirstOrThrow()
      await tx
        .insertInto('cluster')
        .values({ ...far, site_id } as never)
        .execute()
      const third = tx.updateTable('host').where('id', '=', hostNamed('sim-3').id)
      await third.set({ cluster_id: far.id, subnet: '10.200.4.0/22' }).execute()
      const first = tx.updateTable('host').where('id', '=', hostNamed('sim-1').id)
      await first.set({ state: 'lost', state_since: lostAt }).execute()
      await tx.updateTable('pool').set({ needs: [] }).where('id', '=', poolId).execute()
      const all = (await look(tx)).map(({ id }) => id)
      await before(tx)
      await desktopsBringBack(tx, hostNamed('sim-1').id, ids(all), lostAt)
      seen = await look(tx)
      throw undone
    })
    .catch((error: unknown) => {
      if (error !== undone) throw error
    })
  return seen ?? []
}

const look = (tx: Tx) =>
  tx
    .selectFrom('desktop as d')
    .innerJoin('host as h', 'h.id', 'd.host_id')
    .leftJoin('screen_port as s', join => join.onRef('s.desktop_id', '=', 'd.id').onRef('s.host_id', '=', 'd.host_id'))
    .select(['d.id', 'd.name', 'd.address', 'd.wished_incarnation', 'd.observed_power', 'd.waits_for', 's.port'])
    .select('h.name as host')
    .select(eb => [
      eb
        .selectFrom('transition as t')
        .select(of => of.fn.countAll<number>().as('n'))
        .whereRef('t.desktop_id', '=', 'd.id')
        .where('t.became', '=', 'returned')
        .as('returned'),
      eb
        .selectFrom('placement as p')
        .select(of => of.fn.countAll<number>().as('n'))
        .whereRef('p.desktop_id', '=', 'd.id')
        .where('p.cause', '=', 'return')
        .as('reasoned'),
    ])
    .where('d.pool_id', '=', poolId)
    .orderBy('d.name')
    .execute()

describe('desktops of a lost host that come back at once', () => {
  it('are placed one after the other, each once, with a port, an address of where it is, its history and its reasons', async () => {
    const rows = await brought(all => all)
    expect(rows).toHaveLength(count)
    const near = rows.filter(({ host }) => host === 'sim-2')
    const far = rows.filter(({ host }) => host === 'sim-3')
    expect(near.length).toBeGreaterThan(0)
    expect(near.length + far.length).toBe(count)
    for (const row of rows)
      expect(row).toMatchObject({
        wished_incarnation: 2,
        observed_power: null,
        waits_for: null,
        port: expect.any(Number),
        returned: 1,
        reasoned: 1,
      })
    for (const on of [near, far]) expect(new Set(on.map(({ port }) => port)).size).toBe(on.length)
    expect(new Set(rows.map(({ address }) => address)).size).toBe(count)
    expect(near.every(({ address }) => !address.startsWith('10.200.'))).toBe(true)
    expect(far.every(({ address }) => address.startsWith('10.200.4.'))).toBe(true)
  })

  it('stay where they are when their host was heard in this very moment', async () => {
    const rows = await brought(
      all => all,
      tx => tx.updateTable('host').set({ observed_beat_at: lostAt }).where('name', '=', 'sim-1').execute(),
    )
    expect(new Set(rows.map(({ host }) => host))).toEqual(new Set(['sim-1']))
  })

  it('include one whose move broke off in this very moment', async () => {
    const [from, to] = [hostNamed('sim-1').id, hostNamed('sim-2').id]
    const rows = await brought(
      all => all.slice(0, 1),
      async tx => {
        const { id } = await tx
          .selectFrom('desktop')
          .select('id')
          .where('name', '=', 'many-001')
          .executeTakeFirstOrThrow()
        const ended = { state: 'failed' as const, ended_at: lostAt, kind: 'live' as const, cause: 'person' as const }
        const names = { from_name: 'sim-1', to_name: 'sim-2' }
        const move = { id: newId(), desktop_id: id, from_host_id: from, to_host_id: to, ...names, ...ended }
        await tx.insertInto('migration').values(move).execute()
      },
    )
    expect(rows[0]).toMatchObject({ returned: 1, wished_incarnation: 2 })
  })

  it('do not include one that is another host’s by now', async () => {
    const elsewhere = hostNamed('sim-2').id
    const rows = await brought(
      all => all.slice(0, 2),
      tx => tx.updateTable('desktop').set({ host_id: elsewhere }).where('name', '=', 'many-001').execute(),
    )
    expect(rows[0]).toMatchObject({ host: 'sim-2', wished_incarnation: 1, returned: 0 })
    expect(rows[1]).toMatchObject({ wished_incarnation: 2, returned: 1 })
    expect(rows.slice(2).every(({ host }) => host === 'sim-1')).toBe(true)
  })

  it('wait, and say for what, when a range of ports or a subnet is used up', async () => {
    const rows = await brought(
      all => all.slice(0, 50),
      async tx => {
        await tx.updateTable('cluster').set({ port_from: 20_000, port_to: 20_004 }).execute()
      },
    )
    const back = rows.filter(({ returned }) => returned === 1)
    expect(back.length).toBeGreaterThan(0)
    expect(back.length).toBeLessThan(50)
    const waiting = rows.filter(({ waits_for }) => waits_for !== null)
    expect(waiting.length + back.length).toBe(50)
    expect(waiting[0]?.waits_for).toContain('its range of screen ports is used up')
  })

  it('are forgotten when they are being removed and their host, off for certain, alone has their disks', async () => {
    const rows = await brought(
      all => all,
      async tx => {
        await tx.updateTable('host').set({ fenced_at: lostAt }).where('name', '=', 'sim-1').execute()
        await tx.updateTable('desktop').set({ wished_present: false }).where('name', '<', 'many-011').execute()
      },
    )
    expect(rows).toHaveLength(count - 10)
  })
})
