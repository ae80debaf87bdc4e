import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nicSpec } from '../../broker/nics.ts'
import { poolUpdate } from '../../broker/pools.ts'
import { startSite, type TestSite } from '../support/site.ts'

const poolId = '018f0000-0000-7000-8000-0000000000aa'

describe('a desktop’s card', () => {
  it.each([
    [{ mode: 'nat' } as const, { mode: 'nat', interface: null, neighbourGroup: null, allow: null }],
    [{ mode: 'nat', neighbours: true, allow: [] } as const, { neighbourGroup: poolId, allow: null }],
    [
      { mode: 'isolated', allow: [{ cidr: '10.0.0.0/8' }] },
      { mode: 'isolated', allow: [{ cidr: '10.0.0.0/8' }] },
    ],
    [{ mode: 'bridge', interface: 'br0' } as const, { mode: 'bridge', interface: 'br0' }],
    [{ mode: 'bridge', interface: 'eth0', vlan: 100 } as const, { mode: 'bridge', interface: 'eth0.100' }],
  ] as const)('of a pool with %j says so to its host', (network, said) => {
    const nic = nicSpec(
      '10.128.4.7',
      { ...network, allow: 'allow' in network ? [...network.allow] : undefined } as never,
      poolId,
    )
    expect(nic).toMatchObject({ mac: '52:54:0a:80:04:07', address: '10.128.4.7', ...said })
  })
})

describe('what desktops may reach', () => {
  let site: TestSite
  beforeAll(async () => {
    site = await startSite({ sim: [{}, {}] })
  })
  afterAll(() => site?.[Symbol.asyncDispose]())
  const cards = () => site.hosts.flatMap(host => host.nics())

  it('is told to their hosts with their address, the same gateway’s network everywhere', async () => {
    await site.until('cards', async () => cards().length >= 2)
    const networks = site.hosts.map(host => host.network())
    expect(new Set(networks.map(network => network?.supernet)).size).toBe(1)
    expect(new Set(networks.map(network => network?.subnet)).size).toBe(2)
    expect(new Set(cards().map(({ mac }) => mac)).size).toBe(cards().length)
  })

  it('changes for those that run as soon as their pool’s network does, and for no others', async () => {
    const admin = await site.person('root', ['infrastructureAdministrator'])
    const { id } = await site.broker.db
      .selectFrom('pool')
      .select('id')
      .where('name', '=', 'demo')
      .executeTakeFirstOrThrow()
    const generations = () => site.broker.db.selectFrom('desktop').select(['id', 'generation']).orderBy('id').execute()
    await site.until('cards', async () => cards().length >= 2)
    await poolUpdate(site.broker, admin, id, { description: 'the same network' })
    expect(cards().every(({ mode }) => mode === 'nat')).toBe(true)
    const before = await generations()
    await poolUpdate(site.broker, admin, id, { network: { mode: 'isolated' } })
    await site.until('isolated', async () => cards().every(({ mode }) => mode === 'isolated'))
    const after = new Map((await generations()).map(row => [row.id, row.generation]))
    for (const { id: desktop, generation } of before) expect(after.get(desktop)).toBeGreaterThan(generation)
  })

  it('is never a host: each is told the addresses of all, and hears of a new one', async () => {
    const host = await site.broker.db
      .selectFrom('host')
      .select(['id', 'observed_facts'])
      .limit(1)
      .executeTakeFirstOrThrow()
    const facts = { ...host.observed_facts, address: '192.0.2.44' }
    await site.broker.db
      .updateTable('host')
      .set({ observed_facts: JSON.stringify(facts) })
      .where('id', '=', host.id)
      .execute()
    await site.until('told', async () => site.hosts.every(sim => sim.network()?.closed?.includes('192.0.2.44')))
  })
})
