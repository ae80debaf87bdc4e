import { describe, expect, it } from 'vitest'
import { type Demand, type HostFacts, placeDesktop } from '../../broker/placement.ts'

const GiB = 2 ** 30
const host = (id: string, facts: Partial<HostFacts> = {}): HostFacts => ({
  id,
  name: `host-${id}`,
  state: 'online',
  total: { vcpus: 4, memoryBytes: 16 * GiB },
  taken: { vcpus: 0, memoryBytes: 0 },
  images: new Set(['debian']),
  storageFreeBytes: 100 * GiB,
  trouble: null,
  ...facts,
})
const demand: Demand = { vcpus: 2, memoryBytes: 4 * GiB, imageId: 'debian' }

describe('placement', () => {
  it('counts what is wished to run, reported or not, and keeps a reserve for the host', () => {
    const busy = host('a', { taken: { vcpus: 2, memoryBytes: 11 * GiB } })
    expect(placeDesktop([busy], demand)).toEqual({
      hostId: undefined,
      why: 'no host fits',
      rejected: [{ hostName: 'host-a', reason: '3481 MiB memory left, 4096 MiB wanted' }],
    })
  })

  it('says why each host was refused', () => {
    const { hostId, rejected } = placeDesktop(
      [
        host('a', { state: 'maintenance' }),
        host('b', { images: new Set() }),
        host('c', { storageFreeBytes: 1000 }),
        host('d', { state: 'suspect' }),
        host('f', { trouble: 'the network cannot be made' }),
        host('e'),
      ],
      demand,
    )
    expect(hostId).toBe('e')
    expect(rejected.map(({ reason }) => reason)).toEqual([
      'the host is in maintenance',
      'the template version is not ready there',
      'its storage is nearly full',
      'the host is suspect',
      'the network cannot be made',
    ])
  })

  it('spreads by memory left, and answers the same for the same facts', () => {
    const hosts = [host('b'), host('a'), host('c', { taken: { vcpus: 0, memoryBytes: GiB } })]
    expect(placeDesktop(hosts, demand).hostId).toBe('a')
    expect(placeDesktop(hosts.toReversed(), demand).hostId).toBe('a')
  })
})
