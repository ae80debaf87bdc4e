/** Sums of desktops, kept by triggers, against counting them. */
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { poolCreate, poolDelete, poolGet, poolList, poolUpdate } from '../../broker/pools.ts'
import { talliesFold } from '../../db/tallies.ts'
import { startSite, type TestSite } from '../support/site.ts'

let site: TestSite
beforeAll(async () => {
  site = await startSite({ sim: [{ cpus: 32 }, { cpus: 32 }] })
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

/** Both in one statement: the site goes on meanwhile. */
async function difference() {
  const kinds = sql`pool_id, host_id, version_id, phase, wished_power, wished_present`
  const { rows } = await sql`
    with counted as (
      select ${kinds}, user_id is null as free, coalesce(session_state = 'connected', false) as connected,
        network(set_masklen(address, 22)) as subnet, count(*) as n, sum(vcpus) as vcpus, sum(memory_bytes) as memory_bytes
      from desktop group by 1, 2, 3, 4, 5, 6, 7, 8, 9
    ), summed as (
      select ${kinds}, free, connected, subnet, sum(n) as n, sum(vcpus) as vcpus, sum(memory_bytes) as memory_bytes
      from tally group by 1, 2, 3, 4, 5, 6, 7, 8, 9 having sum(n) <> 0
    ) (table counted except table summed) union all (table summed except table counted)`.execute(site.broker.db)
  return rows
}

describe('the sums of desktops', () => {
  it('are what counting gives, while pools grow, change, are folded and go', async () => {
    const { broker } = site
    const admin = await site.person('root', ['userAdministrator', 'infrastructureAdministrator', 'person'])
    const templateId = (await poolList(broker, admin, { limit: 1 })).items[0]?.templateId ?? ''
    const pool = await poolCreate(broker, admin, {
      name: 'summed',
      kind: 'floating',
      templateId,
      warm: 40,
      maxSize: 80,
    })
    const ready = (count: number) =>
      site.until(`${count} are ready`, async () => {
        expect(await difference()).toEqual([])
        await talliesFold(broker.db)
        expect(await difference()).toEqual([])
        return (await poolGet(broker, admin, pool.id)).counts.ready === count
      })
    await ready(40)
    await sql`update desktop set hardware = hardware || '{"vcpus": 3}' where pool_id = ${pool.id}`.execute(broker.db)
    expect(await difference()).toEqual([])
    await poolUpdate(broker, admin, pool.id, { warm: 10 })
    await ready(10)
    await poolDelete(broker, admin, pool.id, true)
    await site.until('it is gone', async () => {
      expect(await difference()).toEqual([])
      const { items } = await poolList(broker, admin, { limit: 10, name: 'summed' })
      return items.length === 0
    })
  }, 60_000)

  it('are folded into one row for each kind once there are many', async () => {
    // In one transaction: the site's own reconciler folds as well.
    await site.broker.db.transaction().execute(async tx => {
      await sql`
        insert into tally select pool_id, host_id, version_id, subnet, phase, free, connected, wished_power, wished_present,
          n * sign, vcpus * sign, memory_bytes * sign
        from tally, generate_series(1, 400), (values (1), (-1)) s(sign)`.execute(tx)
      const rows = async () => (await sql`select from tally`.execute(tx)).rows.length
      const before = await rows()
      expect(await talliesFold(tx)).toBe(true)
      expect(await rows()).toBeLessThan(before / 10)
      expect(await talliesFold(tx)).toBe(false)
    })
    expect(await difference()).toEqual([])
  })
})
