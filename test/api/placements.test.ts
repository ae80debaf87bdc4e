/** Where desktops go and why, over HTTP on three simulated hosts; and the ports they show their screens on. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Client } from '../../api/client.ts'
import { startApi, type TestApi } from '../support/api.ts'
import { refusal } from '../support/refusal.ts'
import { startSite, type TestSite } from '../support/site.ts'

let site: TestSite
let api: TestApi
let admin: Client
let templateId = ''
beforeAll(async () => {
  site = await startSite({ sim: [{}, {}, {}] })
  api = await startApi({ broker: site.broker })
  admin = (await api.person('chief', ['userAdministrator', 'infrastructureAdministrator', 'person'])).client
  templateId = (await admin.templateList()).items[0]?.id ?? ''
  await site.until('every host has the template', async () => {
    const { short, desktops } = await admin
      .placementDryRun({ body: { templateId, count: 1 } })
      .catch(() => ({ short: 1, desktops: [] }))
    return short === 0 && desktops[0]?.hosts.every(({ fits }) => fits)
  })
}, 60_000)
afterAll(async () => {
  await api?.[Symbol.asyncDispose]()
  await site?.[Symbol.asyncDispose]()
})

const poolOf = (name: string, wish: Partial<Parameters<Client['poolCreate']>[0]['body']> = {}) =>
  admin.poolCreate({ body: { name, kind: 'floating', templateId, warm: 0, ...wish } })
const warm = (id: string, count: number) =>
  site.until(
    `${count} are warm`,
    async () => (await admin.poolGet({ params: { id } })).counts.ready === count && { poolId: id },
  )
const hostsOf = async (poolId: string) => {
  const { items } = await admin.desktopList({ query: { poolId, limit: 500 } })
  return Map.groupBy(items, ({ hostName }) => hostName)
}

describe('a pool’s desktops', () => {
  it('spread over the hosts, and say why here and why not there', async () => {
    const pool = await poolOf('spreading', { warm: 12, maxSize: 12 })
    await warm(pool.id, 12)
    const byHost = await hostsOf(pool.id)
    // The two of the first pool are counted as well.
    for (const list of byHost.values()) expect(list.length).toBeGreaterThanOrEqual(3)
    expect(byHost.size).toBe(3)
    for (const desktop of [...byHost.values()].flat()) {
      const { items } = await admin.placementList({ params: { id: desktop.id } })
      expect(items).toMatchObject([{ cause: 'make', hostId: desktop.hostId, hostName: desktop.hostName }])
      expect(items[0]?.hosts).toHaveLength(3)
      expect(items[0]?.hosts[0]).toMatchObject({ hostId: desktop.hostId, fits: true })
      expect(items[0]?.why).toMatch(/^spread: \d+ % vCPU and \d+ % memory left after it; best of 3 that fit$/)
    }
  })

  it('stay together when they shall, and go where a tag is that they need', async () => {
    const together = await poolOf('together', { warm: 4, affinity: 'together' })
    await warm(together.id, 4)
    expect([...(await hostsOf(together.id)).values()].map(list => list.length)).toEqual([4])
    await site.broker.db
      .updateTable('host')
      .set({ tags: ['gpu'] })
      .where('name', '=', 'sim-2')
      .execute()
    const gpu = await poolOf('drawing', { warm: 3, needs: ['gpu'] })
    await warm(gpu.id, 3)
    expect([...(await hostsOf(gpu.id)).keys()]).toEqual(['sim-2'])
  })

  it('are never two on one host, or never on two, where their pool demands it, and it says why there are no more', async () => {
    const apart = await poolOf('one-each', { warm: 4, affinity: 'onlyApart' })
    expect(apart.warnings).toEqual([
      '4 warm desktops are wished, and its hosts hold 3 with one on each host, as the pool demands.',
    ])
    await warm(apart.id, 3)
    expect((await hostsOf(apart.id)).size).toBe(3)
    await site.until('it says why', async () =>
      (await admin.poolGet({ params: { id: apart.id } })).statusText.includes(
        'sim-1: 1 of the pool there, which keeps its desktops apart',
      ),
    )
    const together = await poolOf('all-on-one', { warm: 3, affinity: 'onlyTogether' })
    await warm(together.id, 3)
    const [home = ''] = (await hostsOf(together.id)).keys()
    expect((await hostsOf(together.id)).size).toBe(1)
    const run = await admin.poolPlace({ params: { id: together.id }, body: { count: 1 } })
    const refused = run.desktops[0]?.hosts.filter(({ fits }) => !fits)
    expect(refused?.map(({ reason }) => reason)).toEqual(
      Array(2).fill(`the pool keeps its desktops together, and they are on ${home}`),
    )
  })

  it('that no host can take are not made, and the pool says why', async () => {
    const pool = await poolOf('nowhere', { warm: 1, needs: ['dongle'] })
    expect(pool.warnings).toEqual(['No host can ever take a desktop of it: the host has no dongle.'])
    await site.until('it says why', async () =>
      (await admin.poolGet({ params: { id: pool.id } })).statusText.includes('sim-1: the host has no dongle'),
    )
  })
})

describe('a dry run', () => {
  it('of a pool says where its next desktops would go, and makes none', async () => {
    const pool = await poolOf('planned', { maxSize: 5, affinity: 'apart' })
    const run = await admin.poolPlace({ params: { id: pool.id }, body: { count: 6 } })
    expect(run).toMatchObject({ short: 1, shortReason: 'the pool is at its largest size, 5' })
    expect(new Set(run.desktops.slice(0, 3).map(({ hostName }) => hostName)).size).toBe(3)
    expect(run.desktops).toHaveLength(5)
    expect(run.desktops[0]?.hosts).toHaveLength(3)
    expect((await admin.poolGet({ params: { id: pool.id } })).counts.total).toBe(0)
    const after = await poolOf('planned-again', { affinity: 'apart' })
    expect((await admin.poolPlace({ params: { id: after.id }, body: { count: 5 } })).desktops).toEqual(run.desktops)
  })

  it('of a machine that nobody has wished yet says why it finds no host', async () => {
    const run = await admin.placementDryRun({ body: { templateId, hardware: { memoryBytes: 2 ** 40 }, count: 2 } })
    expect(run.desktops).toEqual([])
    expect(run.short).toBe(2)
    expect(run.shortReason).toMatch(/^no host fits: sim-1: \d+ MiB memory left, 1048704 MiB wanted; sim-2: /)
    const bridged = await admin.placementDryRun({
      body: { templateId, network: { mode: 'bridge', interface: 'br7' } },
    })
    expect(bridged.shortReason).toContain('the host has no network br7')
  })

  it('is refused in words for what is not there', async () => {
    const body = { templateId: crypto.randomUUID() }
    expect(await refusal(admin.placementDryRun({ body }))).toMatchObject({ code: 'not_found' })
    expect(
      await refusal(
        admin.poolUpdate({ params: { id: (await poolOf('wrong')).id }, body: { clusterIds: [body.templateId] } }),
      ),
    ).toMatchObject({ code: 'invalid' })
  })
})

describe('a host’s boot queue', () => {
  it('shows what boots and what waits, pools in turns', async () => {
    const [host] = (await admin.hostList({ query: { name: 'sim-3' } })).items
    const queue = () => admin.bootQueueGet({ params: { id: host?.id ?? '' } })
    await site.broker.db
      .updateTable('host')
      .set({ tags: ['queue'] })
      .where('name', '=', 'sim-3')
      .execute()
    // Guests without an agent boot until their time is out: the host's eight slots stay taken.
    const wish = { warm: 10, maxSize: 10, needs: ['queue'] }
    const [one, other] = await Promise.all([poolOf('no-agent-a', wish), poolOf('no-agent-b', wish)])
    const seen = await site.until('both pools wait', async () => {
      const now = await queue()
      return now.booting === 8 && now.items.length === 20 && now
    })
    const waiting = seen.items.filter(({ step }) => step === 'queued')
    expect(waiting.map(({ place }) => place)).toEqual(waiting.map((_, index) => index + 1))
    const bootingOf = (name: string | undefined) =>
      seen.items.filter(({ step, poolName }) => step === 'booting' && poolName === name).length
    expect(bootingOf(waiting[0]?.poolName)).toBeLessThanOrEqual(4)
    for (const pool of [one, other]) await admin.poolDelete({ params: { id: pool.id } })
    await site.until('nothing waits', async () => (await queue()).items.length === 0)
  })
})

describe('screen ports', () => {
  const ports = (poolId: string) =>
    site.broker.db
      .selectFrom('screen_port')
      .innerJoin('desktop', 'desktop.id', 'screen_port.desktop_id')
      .select(['screen_port.host_id', 'port', 'desktop.host_id as desktop_host_id'])
      .where('pool_id', '=', poolId)
      .execute()

  it('come with every desktop, from the cluster’s range, none twice on a host', async () => {
    const [one, other] = await Promise.all([
      poolOf('screens-a', { warm: 12, maxSize: 20 }),
      poolOf('screens-b', { warm: 12, maxSize: 20 }),
    ])
    await Promise.all([warm(one.id, 12), warm(other.id, 12)])
    const taken = [...(await ports(one.id)), ...(await ports(other.id))]
    expect(taken).toHaveLength(24)
    expect(taken.every(row => row.host_id === row.desktop_host_id && row.port >= 16_000)).toBe(true)
    expect(new Set(taken.map(row => `${row.host_id}:${row.port}`)).size).toBe(24)
  })

  it('that are used up are a refusal in words', async () => {
    const { db } = site.broker
    const { port_to } = await db.selectFrom('cluster').select('port_to').executeTakeFirstOrThrow()
    const most = await db
      .selectFrom('screen_port')
      .select(eb => eb.fn.max('port').as('port'))
      .executeTakeFirstOrThrow()
    const pool = await poolOf('no-screens', { maxSize: 500 })
    await db.updateTable('cluster').set({ port_to: most.port }).execute()
    const run = await admin.poolPlace({ params: { id: pool.id }, body: { count: 200 } })
    expect(run.shortReason).toContain('its range of screen ports is used up')
    await db.updateTable('cluster').set({ port_to }).execute()
  })
})
