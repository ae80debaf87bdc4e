/** What no host has that could start a desktop. */
import { expect, it } from 'vitest'
import { hardwareTooMuch } from '../../broker/hardware-limits.ts'
import type { HostFacts } from '../../broker/placement.ts'
import type { HostEnd } from '../../db/host-ends.ts'
import type { HardwareValue } from '../../db/schema.ts'
import { hardwareFull } from '../../lib/hardware.ts'

const GiB = 2 ** 30
const host = (id: string, more: Partial<HostFacts> = {}): HostFacts => ({
  id,
  name: id,
  clusterId: 'c1',
  clusterName: 'main',
  clusterPlacement: 'spread',
  state: 'online',
  wishedOff: false,
  offered: { vcpus: 80, memoryBytes: 58 * GiB },
  taken: { vcpus: 80, memoryBytes: 58 * GiB },
  cpus: 8,
  maxVcpus: 32,
  personReserve: 0,
  images: new Set(),
  tags: [],
  bridges: [],
  networks: [],
  uefi: true,
  addressesFree: 0,
  portsFree: 0,
  poolDesktops: new Map(),
  poolComing: new Map(),
  storageLeftBytes: 0,
  storageTotalBytes: 100 * GiB,
  trouble: null,
  ...more,
})
const large = { maxVcpus: 64, offered: { vcpus: 160, memoryBytes: 120 * GiB } }
const has = hardwareFull<HardwareValue>({
  vcpus: 2,
  memoryBytes: 4 * GiB,
  video: 'virtio',
  diskBytes: 10 * GiB,
  sound: false,
})

/** @param storages on which each host's disks lie. */
function asked(given: Partial<typeof has>, hosts: HostFacts[], storages: (string | null)[], before = has) {
  const ends = hosts.map(({ id, name, clusterId, state }, at): HostEnd => {
    return { id, name, state, clusterId, storageId: storages[at] ?? null, migrationUri: null }
  })
  return hardwareTooMuch('h1', before, { ...before, ...given }, hosts, new Map(ends.map(end => [end.id, end])))
}

it.each<[string, Parameters<typeof asked>, ReturnType<typeof asked>]>([
  ['what the host has, however full it is', [{ vcpus: 32, memoryBytes: 57 * GiB }, [host('h1')], ['s1']], undefined],
  [
    'no more vCPUs than one machine has there',
    [{ vcpus: 33 }, [host('h1')], ['s1']],
    { name: 'vcpus', message: 'The host h1 has 32 vCPU for a desktop in all.' },
  ],
  [
    'no more memory than it has for desktops, where the disk lies there alone',
    [{ memoryBytes: 58 * GiB }, [host('h1'), host('h2', large)], ['s1', 's2']],
    { name: 'memoryBytes', message: 'The host h1 has 57.9 GiB of memory for a desktop in all.' },
  ],
  [
    'what another has that has its disk too',
    [{ vcpus: 64, memoryBytes: 100 * GiB }, [host('h1'), host('h2', large)], ['s1', 's1']],
    undefined,
  ],
  [
    'not what is of another cluster',
    [{ vcpus: 64 }, [host('h1'), host('h2', { ...large, clusterId: 'c2' })], ['s1', 's1']],
    { name: 'vcpus', message: 'The host h1 has 32 vCPU for a desktop in all.' },
  ],
  [
    'not what only two together have',
    [
      { vcpus: 64, memoryBytes: 100 * GiB },
      [host('h1', { maxVcpus: 64 }), host('h2', { ...large, maxVcpus: 8 })],
      ['s', 's'],
    ],
    { name: 'memoryBytes', message: 'The host h1 has 57.9 GiB of memory for a desktop in all.' },
  ],
  [
    'no disk larger than all of its storage',
    [{ diskBytes: 101 * GiB }, [host('h1')], ['s1']],
    { name: 'diskBytes', message: 'The host h1 has 100 GiB of storage in all: a disk there is no larger.' },
  ],
  [
    'anything, while the host has told nothing of itself',
    [{ vcpus: 500, diskBytes: 101 * GiB }, [host('h1', { cpus: 0, storageTotalBytes: null })], [null]],
    undefined,
  ],
  [
    'less than before, though it is still too much',
    [{ vcpus: 90 }, [host('h1')], ['s1'], { ...has, vcpus: 100 }],
    undefined,
  ],
])('takes %s', (_title, ask, is) => expect(asked(...ask)).toEqual(is))
