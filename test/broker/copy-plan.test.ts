import { describe, expect, it } from 'vitest'
import { type CopyFacts, copyPlanned } from '../../broker/copy-plan.ts'

const MiB = 2 ** 20
const host = (id: string, some: Partial<CopyFacts['hosts'][number]> = {}) => ({
  id,
  name: id,
  state: 'online' as const,
  observed_state: null,
  observed_progress: null,
  bridges: [] as string[],
  ...some,
})
const storage = (ids: string[], freeBytes: number) => ({
  storageId: ids.join('+'),
  hosts: ids.map(id => ({ id, name: id })),
  capacityBytes: 10_000 * MiB,
  freeBytes,
  keptBytes: 1_000 * MiB,
})
const source = (state: 'online' | 'lost') => ({ id: 'far', name: 'far', cluster_name: 'main', state })
const facts = (some: Partial<CopyFacts> = {}): CopyFacts => ({
  clusterId: 'c2',
  clusterName: 'second',
  networks: [],
  sizeBytes: 980 * MiB,
  limit: null,
  pace: null,
  hosts: [host('a')],
  storages: [storage(['a'], 5_000 * MiB)],
  sources: [source('online')],
  pools: [],
  ...some,
})
const wrong = (some: Partial<CopyFacts>) =>
  copyPlanned(facts(some))
    .checks.filter(({ ok }) => !ok)
    .map(({ name }) => name)

describe('a copy that is planned', () => {
  it('says the room before and after, once for hosts that share a storage', () => {
    const hosts = [host('a'), host('b'), host('c')]
    const storages = [storage(['a', 'b'], 5_000 * MiB), storage(['c'], 1_500 * MiB)]
    const plan = copyPlanned(facts({ hosts, storages }))
    expect(plan.bytesToSend).toBe(2 * 980 * MiB)
    expect(plan.storages.map(one => [one.hosts.length, one.freeAfterBytes / MiB, one.fits])).toEqual([
      [2, 4_020, true],
      [1, 520, false],
    ])
    expect(plan.checks.find(({ name }) => name === 'room')).toMatchObject({
      ok: false,
      text: expect.stringContaining('480 MiB are missing beside its reserve'),
    })
  })

  it('sends what a cut left over, and nothing to who has it', () => {
    const half = copyPlanned(facts({ hosts: [host('a', { observed_state: 'failed', observed_progress: 49 })] }))
    expect(half.storages[0]).toMatchObject({ state: 'partly', bytesToSend: 490 * MiB })
    const there = copyPlanned(facts({ hosts: [host('a', { observed_state: 'ready', observed_progress: 100 })] }))
    expect(there.storages[0]).toMatchObject({ state: 'there', bytesToSend: 0, fits: true })
    expect(there).toMatchObject({ bytesToSend: 0, ms: 0 })
  })

  it.each([
    ['is not known before there was one', null, null, null, null, null],
    ['is the limit', 98 * MiB, null, 98 * MiB, 'limit', 10_000],
    ['is that of the last copies', null, 49 * MiB, 49 * MiB, 'past', 20_000],
    ['is the slower of both', 98 * MiB, 49 * MiB, 49 * MiB, 'past', 20_000],
    ['is the limit where the line is faster', 49 * MiB, 98 * MiB, 49 * MiB, 'limit', 20_000],
  ] as const)('its pace %s', (_title, limit, pace, bytesPerSecond, paceBy, ms) => {
    expect(copyPlanned(facts({ limit, pace }))).toMatchObject({ bytesPerSecond, paceBy, ms })
  })

  it('waits for hosts, and says for which', () => {
    expect(wrong({})).toEqual([])
    expect(wrong({ hosts: [host('a', { state: 'lost' as const })] })).toEqual(['hosts'])
    expect(wrong({ sources: [source('lost')] })).toEqual(['source'])
    expect(wrong({ sources: [] })).toEqual(['source'])
    expect(copyPlanned(facts({ storages: [] })).hostsUnknown).toEqual(['a'])
    // Where nothing is known, nothing is said to be there.
    const unknown = copyPlanned(facts({ storages: [], hosts: [], limit: MiB }))
    expect(unknown).toMatchObject({ bytesToSend: 0, ms: null })
    expect(unknown.checks.map(({ text }) => text).join(' ')).toMatch(/It comes from far .*|not known yet/)
    expect(unknown.checks.map(({ text }) => text).join(' ')).not.toContain('there already')
  })

  it('says of each pool on a network of the site what that is there', () => {
    const pool = (name: string, at: string | null, cluster_ids: string[] = []) => ({
      id: name,
      name,
      cluster_ids,
      network: at === null ? { mode: 'nat' as const } : { mode: 'bridge' as const, interface: at, vlan: 5 },
    })
    const hosts = [host('a', { bridges: ['br7'] }), host('b')]
    const pools = [pool('nat', null), pool('office', 'office', ['c1']), pool('lab', 'lab')]
    const plan = copyPlanned(facts({ hosts, pools, networks: [{ name: 'office', interface: 'br7', vlan: null }] }))
    expect(plan.networks).toMatchObject([
      {
        poolName: 'office',
        network: 'office.5',
        here: 'br7',
        mapped: true,
        hosts: ['a'],
        hostsWithout: ['b'],
        usesCluster: false,
      },
      { poolName: 'lab', network: 'lab.5', here: 'lab.5', mapped: false, hosts: [], usesCluster: true },
    ])
    expect(plan.checks.find(({ name }) => name === 'networks')?.text).toContain('has the network of lab (lab.5)')
  })
})
