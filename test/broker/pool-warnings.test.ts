import { describe, expect, it } from 'vitest'
import type { HostFacts } from '../../broker/placement.ts'
import { poolWarnings } from '../../broker/pool-warnings.ts'

const GiB = 2 ** 30
const host: HostFacts = {
  id: 'a',
  name: 'a',
  clusterId: 'main',
  clusterName: 'main',
  clusterPlacement: 'spread',
  state: 'maintenance',
  wishedOff: false,
  offered: { vcpus: 100, memoryBytes: 1000 * GiB },
  taken: { vcpus: 90, memoryBytes: 0 },
  cpus: 64,
  maxVcpus: 64,
  personReserve: 0.1,
  images: new Set(),
  tags: [],
  bridges: [],
  networks: [],
  uefi: true,
  addressesFree: 1000,
  portsFree: 1000,
  poolDesktops: new Map(),
  poolComing: new Map(),
  storageLeftBytes: null,
  storageTotalBytes: null,
  trouble: null,
}
const pool = {
  id: 'class',
  warm: 45,
  cluster_ids: [],
  placement: null,
  affinity: 'none' as const,
  needs: [],
  network: { mode: 'nat' as const },
  template_hardware: { vcpus: 2, memoryBytes: GiB, video: 'vga' as const, diskBytes: null, sound: false },
  hardware: {},
}

describe('a pool’s warnings', () => {
  it('are none while its warm desktops find room on empty hosts, whatever is there now', () => {
    expect(poolWarnings(pool, [host])).toEqual([])
  })

  it('tell of more warm desktops than the hosts could ever hold beside what is kept for persons', () => {
    expect(poolWarnings({ ...pool, warm: 46 }, [host])).toEqual([
      '46 warm desktops are wished, and its hosts hold 45 with nothing else on them (up to 10 % are kept for persons who wait): other pools may find no room.',
    ])
  })

  it('tell of more warm desktops than hosts, where no two may share one', () => {
    const hosts = [host, { ...host, id: 'b' }]
    expect(poolWarnings({ ...pool, warm: 2, affinity: 'onlyApart' }, hosts)).toEqual([])
    expect(poolWarnings({ ...pool, warm: 3, affinity: 'onlyApart' }, hosts)).toEqual([
      '3 warm desktops are wished, and its hosts hold 2 with one on each host, as the pool demands.',
    ])
    expect(poolWarnings({ ...pool, warm: 46, affinity: 'onlyTogether' }, hosts)).toHaveLength(1)
  })

  it('tell that no host has what it needs', () => {
    expect(poolWarnings({ ...pool, needs: ['gpu'] }, [host])).toEqual([
      'No host can ever take a desktop of it: the host has no gpu.',
    ])
  })
})
