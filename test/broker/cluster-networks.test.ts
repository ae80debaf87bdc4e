/** Networks that pools name, as clusters have them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { clusterNetworksChecked } from '../../broker/cluster-networks.ts'
import { clusterCreate, clusterGet, clusterUpdate } from '../../broker/clusters.ts'
import { desktopGet, desktopList } from '../../broker/desktops.ts'
import { desktopMove, desktopMovePlan } from '../../broker/migrations.ts'
import { cardDiffers, networkIn } from '../../broker/nics.ts'
import { poolCreate } from '../../broker/pools.ts'
import { taskGet } from '../../broker/tasks.ts'
import { asHdcsError } from '../../lib/errors.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

describe('a network that a pool names', () => {
  const office = { mode: 'bridge', interface: 'office' } as const
  it.each([
    ['is looked for under its own name where nothing is said of it', office, [], office],
    [
      'is the interface that the cluster says',
      office,
      [{ name: 'office', interface: 'br7' }],
      { mode: 'bridge', interface: 'br7' },
    ],
    [
      'keeps the pool’s VLAN',
      { ...office, vlan: 5 },
      [{ name: 'office', interface: 'eth1' }],
      { mode: 'bridge', interface: 'eth1', vlan: 5 },
    ],
    [
      'has the cluster’s VLAN in place of the pool’s',
      { ...office, vlan: 5 },
      [{ name: 'office', interface: 'eth1', vlan: 9 }],
      { mode: 'bridge', interface: 'eth1', vlan: 9 },
    ],
    [
      'has no VLAN where the cluster says none',
      { ...office, vlan: 5 },
      [{ name: 'office', interface: 'br7', vlan: null }],
      { mode: 'bridge', interface: 'br7' },
    ],
    ['is nothing to a pool behind NAT', { mode: 'nat' }, [{ name: 'office', interface: 'br7' }], { mode: 'nat' }],
  ] as const)('%s', (_title, network, networks, here) => {
    expect(networkIn(network, networks)).toEqual(here)
  })

  it('is another card between clusters only where its interface or VLAN is another', () => {
    const br7 = [{ name: 'office', interface: 'br7' }]
    expect(cardDiffers(office, [], br7)).toBe(true)
    expect(cardDiffers(office, br7, br7)).toBe(false)
    expect(cardDiffers(office, br7, [{ name: 'office', interface: 'br7', vlan: 3 }])).toBe(true)
    expect(cardDiffers({ mode: 'nat' }, [], br7)).toBe(false)
  })

  it('is said once, by a name that Linux takes', () => {
    const refused = (asked: Parameters<typeof clusterNetworksChecked>[0]) => {
      try {
        return clusterNetworksChecked(asked)
      } catch (error) {
        return asHdcsError(error).fields.map(({ field }) => field)
      }
    }
    expect(
      refused([
        { name: 'a', interface: 'br1' },
        { name: 'a', interface: 'br2' },
      ]),
    ).toEqual(['body.networks.1.name'])
    expect(refused([{ name: 'a', interface: 'enp10s0f0np1', vlan: 4000 }])).toEqual(['body.networks.0.interface'])
    expect(
      refused([
        { name: 'b', interface: 'br1', vlan: undefined },
        { name: 'a', interface: 'br2', vlan: null },
      ]),
    ).toEqual([
      { name: 'a', interface: 'br2', vlan: null },
      { name: 'b', interface: 'br1' },
    ])
  })
})

describe('desktops of a pool on a network of the site', () => {
  const forever = new AbortController().signal
  let site: TestSite
  let admin: Principal
  let second: string
  let poolId: string
  let farHost: string

  beforeAll(async () => {
    site = await startSite({ sim: [{ bridges: ['office'] }, { bridges: ['br7'] }] })
    const { templateId, ...warm } = await siteWarm(site)
    admin = warm.admin
    const { db } = site.broker
    const { site_id: siteId } = await db.selectFrom('cluster').select('site_id').executeTakeFirstOrThrow()
    second = (await clusterCreate(site.broker, admin, { name: 'second', siteId })).id
    farHost = (await db.selectFrom('host').select('id').where('name', '=', 'sim-2').executeTakeFirstOrThrow()).id
    await site.agentStop(1)
    await db.updateTable('host').set({ cluster_id: second }).where('id', '=', farHost).execute()
    await site.agentStart(1)
    const network = { mode: 'bridge', interface: 'office' } as const
    const pool = await poolCreate(site.broker, admin, {
      name: 'office',
      kind: 'floating',
      templateId,
      warm: 1,
      network,
    })
    poolId = pool.id
    await site.until('it is ready', async () => (await own())?.phase === 'ready')
  }, 60_000)
  afterAll(() => site?.[Symbol.asyncDispose]())

  const own = async () =>
    (await desktopList(site.broker, admin, { poolId, limit: 10 })).items.find(({ phase }) => phase !== 'removing')
  const cards = (host: number) => (site.hosts[host]?.nics() ?? []).filter(({ mode }) => mode === 'bridge')
  const move = async (restart: boolean) =>
    desktopMovePlan(site.broker, admin, (await own())?.id ?? '', { hostId: farHost, restart })

  it('are placed where a host has it, and the others say why not', async () => {
    expect((await own())?.hostName).toBe('sim-1')
    expect(cards(0).map(card => card.interface)).toEqual(['office'])
    expect(JSON.stringify(await move(false))).toContain('the host has no network office')
    await clusterUpdate(site.broker, admin, second, { networks: [{ name: 'office', interface: 'br9' }] })
    expect(JSON.stringify(await move(true))).toContain('the host has no br9, which the network office is in second')
  })

  it('move to another cluster with another card only standing still', async () => {
    await clusterUpdate(site.broker, admin, second, { networks: [{ name: 'office', interface: 'br7', vlan: null }] })
    expect((await clusterGet(site.broker, admin, second)).networks).toEqual([
      { name: 'office', interface: 'br7', vlan: null },
    ])
    expect(JSON.stringify(await move(false))).toContain('its network has another name there')
    const desktop = await own()
    const ask = { hostId: farHost, restart: true }
    const { task } = await desktopMove(site.broker, admin, desktop?.id ?? '', ask)
    expect(await taskGet(site.broker, admin, task.id, 20_000, forever)).toMatchObject({ state: 'succeeded' })
    expect((await desktopGet(site.broker, admin, desktop?.id ?? '')).hostName).toBe('sim-2')
    await site.until('it is plugged in there', async () => cards(1).some(card => card.interface === 'br7'))
  })

  it('are told of another interface as soon as the cluster says it, and no others are', async () => {
    const generations = () => site.broker.db.selectFrom('desktop').select(['pool_id', 'generation']).execute()
    const before = await generations()
    await clusterUpdate(site.broker, admin, second, { networks: [{ name: 'office', interface: 'br7', vlan: 12 }] })
    await site.until('told', async () => cards(1).every(card => card.interface === 'br7.12') && cards(1).length > 0)
    const after = await generations()
    const changed = after.filter(({ generation }) => !before.some(row => row.generation === generation))
    expect(new Set(changed.map(({ pool_id }) => pool_id))).toEqual(new Set([poolId]))
  })
})
