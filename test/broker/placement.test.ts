import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Demand,
  decisionText,
  type HostFacts,
  placeAll,
  placeDesktop,
  placementFilters,
  resourcesLeft,
  withDesktop,
} from '../../broker/placement.ts'

const GiB = 2 ** 30
const host = (id: string, facts: Partial<HostFacts> = {}): HostFacts => ({
  id,
  name: `host-${id}`,
  clusterId: 'main',
  clusterName: 'main',
  clusterPlacement: 'spread',
  state: 'online',
  wishedOff: false,
  offered: { vcpus: 40, memoryBytes: 16 * GiB },
  taken: { vcpus: 0, memoryBytes: 0 },
  cpus: 64,
  maxVcpus: 64,
  personReserve: 0,
  images: new Set(['debian']),
  tags: [],
  bridges: [],
  networks: [],
  uefi: true,
  addressesFree: 1000,
  portsFree: 1000,
  poolDesktops: new Map(),
  poolComing: new Map(),
  storageLeftBytes: 100 * GiB,
  storageTotalBytes: null,
  trouble: null,
  ...facts,
})
const demand: Demand = {
  vcpus: 2,
  memoryBytes: 4 * GiB,
  imageId: 'debian',
  poolId: 'class',
  clusterIds: [],
  placement: null,
  affinity: 'none',
  needs: [],
  network: { mode: 'nat' },
  addressClusterId: null,
  hostId: null,
  priority: 'person',
}
const other = (id: string, facts: Partial<HostFacts> = {}) =>
  host(id, { clusterId: 'second', clusterName: 'second', ...facts })
const used = (memory: number, vcpus = 0) => ({ taken: { vcpus, memoryBytes: memory * GiB } })
const mates = (count: number) => ({ poolDesktops: new Map([['class', count]]) })

describe('placement', () => {
  it.each<[string, Partial<HostFacts>, Partial<Demand>]>([
    ['the host is in maintenance', { state: 'maintenance' }, {}],
    ['the host is suspect', { state: 'suspect' }, {}],
    ['the host is switched off to save power', { wishedOff: true }, {}],
    ['the network cannot be made', { trouble: 'the network cannot be made' }, {}],
    ['the pool does not use the cluster main', {}, { clusterIds: ['second'] }],
    ['the host has no gpu', { tags: ['dongle'] }, { needs: ['gpu', 'dongle'] }],
    ['the template version is not ready there', { images: new Set() }, {}],
    ['the host has no network br5', { bridges: ['br0'] }, { network: { mode: 'bridge', interface: 'br5' } }],
    ['it has no UEFI firmware: install the Debian package ovmf there', { uefi: false }, { firmware: 'uefi' }],
    ['its agent is too old for this firmware or disk bus: update it', { uefi: null }, { firmware: 'uefi' }],
    ['its agent is too old for this firmware or disk bus: update it', { uefi: null }, { diskBus: 'sata' }],
    ['a machine may have 1 vCPU there, 2 wanted', { maxVcpus: 1 }, {}],
    ['1 vCPU left, 2 wanted', used(0, 39), {}],
    ['3072 MiB memory left, 4096 MiB wanted', used(13), {}],
    [
      '3072 MiB memory left (besides 25 % kept for persons), 4096 MiB wanted',
      { ...used(9), personReserve: 0.25 },
      { priority: 'prewarm' },
    ],
    ['its storage is nearly full', { storageLeftBytes: 0 }, {}],
    ['its subnet has no address left', { addressesFree: 0 }, {}],
    ['its range of screen ports is used up', { portsFree: 0 }, {}],
    ['2 of the pool there, which keeps its desktops apart', mates(2), { affinity: 'onlyApart' }],
    [
      '1 of the pool there, which keeps its desktops apart',
      { poolComing: new Map([['class', 1]]) },
      { affinity: 'onlyApart' },
    ],
  ])('refuses a host, and says: %s', (reason, facts, wish) => {
    const decision = placeDesktop([host('a', facts), other('z', { images: new Set() })], { ...demand, ...wish })
    expect(decision.hostId).toBeUndefined()
    expect(decision.hosts.find(({ hostId }) => hostId === 'a')).toEqual({
      hostId: 'a',
      hostName: 'host-a',
      clusterName: 'main',
      fits: false,
      score: null,
      reason,
    })
    expect(decisionText(decision)).toContain(`host-a: ${reason}`)
  })

  it.each<[string, HostFacts[], Partial<Demand>, string]>([
    ['spreads: the most room first', [host('a', used(8)), host('b', used(4))], {}, 'b'],
    [
      'packs: the fullest that still fits first',
      [host('a', used(4)), host('b', used(8)), host('c', used(13))],
      { placement: 'pack' },
      'b',
    ],
    [
      'balances: cores and memory used up evenly',
      [host('a', used(0, 30)), host('b', used(6, 14))],
      { placement: 'balanced' },
      'b',
    ],
    [
      'does as its cluster does unless the pool says otherwise',
      [host('a', { ...used(8), clusterPlacement: 'pack' }), host('b', { clusterPlacement: 'pack' })],
      {},
      'a',
    ],
    [
      'keeps a pool together while there is room',
      [host('a'), host('b', { ...used(8), ...mates(3) })],
      { affinity: 'together' },
      'b',
    ],
    [
      'lets what shall be together go on where there is room',
      [host('a'), host('b', { ...used(15), ...mates(3) })],
      { affinity: 'together' },
      'a',
    ],
    [
      'keeps a pool apart: where the fewest of it are',
      [host('a', mates(2)), host('b', { ...used(8), ...mates(1) })],
      { affinity: 'apart' },
      'b',
    ],
    [
      'chooses the cluster first: the one with more room',
      [host('a', used(2)), host('b', used(11)), other('c', used(4))],
      {},
      'c',
    ],
    [
      'stays in the cluster where its pool is',
      [host('a'), other('b', { ...used(8), ...mates(1) })],
      { affinity: 'together' },
      'b',
    ],
    [
      'keeps a pool on one host where it must be together',
      [host('a'), host('b', { ...used(8), ...mates(3) })],
      { affinity: 'onlyTogether' },
      'b',
    ],
    [
      'begins where the most room is what must be together',
      [host('a', used(4)), host('b')],
      { affinity: 'onlyTogether' },
      'b',
    ],
    [
      'lets what must be together leave a host in maintenance',
      [host('a', { state: 'maintenance', ...mates(3) }), host('b')],
      { affinity: 'onlyTogether', hostId: 'a' },
      'b',
    ],
    [
      'counts a desktop that moves as no neighbour of itself',
      [host('a', { trouble: 'the desktop is there', ...mates(1) }), host('b')],
      { affinity: 'onlyTogether', hostId: 'a' },
      'b',
    ],
    [
      'needs no new address in the cluster of the one it has',
      [host('a', { addressesFree: 0 })],
      { addressClusterId: 'main' },
      'a',
    ],
  ])('%s', (_title, hosts, wish, expected) => {
    expect(placeDesktop(hosts, { ...demand, ...wish }).hostId).toBe(expected)
    expect(placeDesktop(hosts.toReversed(), { ...demand, ...wish }).hostId).toBe(expected)
  })

  it('lists every host, best first, with score and reason, and why another cluster was not chosen', () => {
    const { hosts, why } = placeDesktop([host('a', { state: 'lost' }), other('b', used(8)), host('c')], demand)
    expect(hosts.map(({ hostId, fits, score }) => [hostId, fits, score])).toEqual([
      ['c', true, 75],
      ['b', true, 25],
      ['a', false, null],
    ])
    expect(hosts[1]?.reason).toBe('spread: 95 % vCPU and 25 % memory left after it; the cluster main was preferred')
    expect(why).toBe('spread: 95 % vCPU and 75 % memory left after it; best of 2 that fit in 2 clusters')
  })

  it('says where the others are when its pool must stay together and there is no room', () => {
    const hosts = [host('a'), host('b', { ...used(15), ...mates(3) })]
    const decision = placeDesktop(hosts, { ...demand, affinity: 'onlyTogether' })
    expect(decision.hostId).toBeUndefined()
    expect(decisionText(decision)).toBe(
      'no host fits: host-a: the pool keeps its desktops together, and they are on host-b; host-b: 1024 MiB memory left, 4096 MiB wanted',
    )
  })

  it('says that no host has joined when there is none', () => {
    expect(decisionText(placeDesktop([], demand))).toBe('no host has joined')
  })
})

const someHost = fc
  .record({
    state: fc.constantFrom<HostFacts['state']>('online', 'online', 'online', 'maintenance', 'lost'),
    cluster: fc.constantFrom('main', 'second'),
    vcpus: fc.nat(40),
    memory: fc.nat(16),
    image: fc.boolean(),
    tags: fc.subarray(['gpu', 'dongle']),
    mates: fc.nat(4),
    reserve: fc.constantFrom(0, 0.1, 0.5),
    addresses: fc.nat(3),
    ports: fc.nat(3),
  })
  .map(({ state, cluster, vcpus, memory, image, tags, mates: count, reserve, addresses, ports }) => ({
    state,
    clusterId: cluster,
    clusterName: cluster,
    ...used(memory, vcpus),
    images: new Set(image ? ['debian'] : []),
    tags,
    ...mates(count),
    personReserve: reserve,
    addressesFree: addresses,
    portsFree: ports,
  }))
const someHosts = fc.array(someHost, { maxLength: 8 }).map(list => list.map((facts, n) => host(`h${n}`, facts)))
const someDemand = fc
  .record({
    vcpus: fc.integer({ min: 1, max: 8 }),
    memory: fc.integer({ min: 1, max: 8 }),
    placement: fc.constantFrom<Demand['placement']>('spread', 'pack', 'balanced', null),
    affinity: fc.constantFrom<Demand['affinity']>('none', 'together', 'apart', 'onlyTogether', 'onlyApart'),
    needs: fc.subarray(['gpu', 'dongle']),
    clusterIds: fc.subarray(['main', 'second']),
    priority: fc.constantFrom<Demand['priority']>('person', 'prewarm'),
  })
  .map(({ memory, ...wish }): Demand => ({ ...demand, ...wish, memoryBytes: memory * GiB }))

describe('placements in any order of any hosts', () => {
  it('never put more on a host than it offers, and nothing on one that is refused', () => {
    fc.assert(
      fc.property(someHosts, fc.array(someDemand, { maxLength: 12 }), (hosts, demands) => {
        const decisions = placeAll(hosts, demands)
        const now = new Map(hosts.map(facts => [facts.id, facts]))
        decisions.forEach((decision, index) => {
          const asked = demands[index]
          const chosen = decision.hostId === undefined ? undefined : now.get(decision.hostId)
          expect(decision.hosts).toHaveLength(hosts.length)
          expect(decision.hosts.some(({ fits }) => fits)).toBe(chosen !== undefined)
          if (!chosen || !asked) return
          for (const filter of Object.values(placementFilters)) expect(filter(chosen, asked)).toBeUndefined()
          const after = withDesktop(chosen, asked)
          expect(resourcesLeft(after).vcpus).toBeGreaterThanOrEqual(0)
          expect(resourcesLeft(after).memoryBytes).toBeGreaterThanOrEqual(0)
          expect(Math.min(after.addressesFree, after.portsFree)).toBeGreaterThanOrEqual(0)
          now.set(after.id, after)
        })
      }),
    )
  })

  it('never part what must be together, nor join what must be apart', () => {
    fc.assert(
      fc.property(someHosts, someDemand, fc.nat(12), fc.boolean(), (some, asked, count, together) => {
        const hosts = some.map(facts => ({ ...facts, ...mates(0) }))
        const affinity = together ? ('onlyTogether' as const) : ('onlyApart' as const)
        const decisions = placeAll(hosts, Array<Demand>(count).fill({ ...asked, affinity }))
        const placed = decisions.flatMap(({ hostId }) => (hostId === undefined ? [] : [hostId]))
        expect(new Set(placed).size).toBe(together ? Math.min(1, placed.length) : placed.length)
      }),
    )
  })

  it('are the same for the same facts, in whatever order hosts come', () => {
    fc.assert(
      fc.property(someHosts, someDemand, (hosts, asked) => {
        expect(placeDesktop(hosts.toReversed(), asked)).toEqual(placeDesktop(hosts, asked))
      }),
    )
  })

  it('count many at once as one after the other', () => {
    fc.assert(
      fc.property(someHosts, someDemand, fc.nat(20), (hosts, asked, count) => {
        let now = hosts
        const single = Array.from({ length: count }, () => {
          const decision = placeDesktop(now, asked)
          now = now.map(facts => (facts.id === decision.hostId ? withDesktop(facts, asked) : facts))
          return decision
        })
        expect(placeAll(hosts, Array<Demand>(count).fill(asked))).toEqual(single)
      }),
    )
  })

  it('lose no host when less is asked', () => {
    const fitting = (hosts: HostFacts[], asked: Demand) =>
      placeDesktop(hosts, asked)
        .hosts.filter(({ fits }) => fits)
        .map(({ hostId }) => hostId)
    const relaxed: ((asked: Demand) => Partial<Demand>)[] = [
      () => ({ clusterIds: [] }),
      () => ({ needs: [] }),
      () => ({ priority: 'person' }),
      asked => ({ vcpus: Math.max(1, asked.vcpus - 1) }),
      asked => ({ memoryBytes: asked.memoryBytes / 2 }),
      () => ({ affinity: 'none' }),
      () => ({ placement: 'pack' }),
    ]
    fc.assert(
      fc.property(someHosts, someDemand, fc.constantFrom(...relaxed), (hosts, asked, relax) => {
        const before = fitting(hosts, asked)
        const after = fitting(hosts, { ...asked, ...relax(asked) })
        expect(before.filter(id => !after.includes(id))).toEqual([])
      }),
    )
  })

  it('leave to persons what prewarming may not take', () => {
    const hosts = [host('a', { personReserve: 0.25 })]
    const prewarm = { ...demand, priority: 'prewarm' as const }
    const warm = placeAll(hosts, Array<Demand>(6).fill(prewarm)).filter(({ hostId }) => hostId !== undefined)
    expect(warm).toHaveLength(3)
    const filled = warm.reduce(facts => withDesktop(facts, prewarm), hosts[0] ?? host('a'))
    expect(placeDesktop([filled], demand).hostId).toBe('a')
  })
})
