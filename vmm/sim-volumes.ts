/**
 * Storage pools and volumes of a simulated host. A folder is the storage's own, as the disks are; what is on the network
 * is there for every host of the process.
 *
 * They fail when their name asks for it:
 *   pool named …fail-pool…      is never made ready (`unreachable`)
 *   source or folder …fail-place…  the same, until it is given another place
 *   volume named …fail-volume…  is never made (`storage_full`)
 *   volume named …fail-attach…  is not plugged into a machine that runs (`conflict`)
 *   volume named …no-detach…    is not let go by its guest (`timeout`)
 */
import { HdcsError } from '../lib/errors.ts'
import type { FoundVolume, StorageHost } from './host-storage.ts'
import type { SimStorage } from './sim-storage.ts'
import type { MachineSpec, StoragePoolSpec } from './spec.ts'

const poolBytes = 2 ** 40
const newBytes = 2 ** 20

/** On the network, by pool. */
const shared = new Map<string, Map<string, FoundVolume>>()

interface SimVolumesOptions {
  storage: SimStorage
  delay: () => Promise<void>
  /** The spec of a machine that runs; null: it does not. What is plugged in is kept there. */
  machine(id: string): MachineSpec | null
}

export function simVolumes({ storage, delay, machine }: SimVolumesOptions): StorageHost {
  const pools = new Map<string, StoragePoolSpec>()
  const poolOf = (id: string) => {
    const pool = pools.get(id)
    if (!pool) throw new HdcsError('not_found', 'The volume’s storage pool is not ready on this host.')
    return pool
  }
  /** What is on the network is kept by every host that has the pool: each brings what it knew when it comes back. */
  const volumesOf = ({ id, source }: StoragePoolSpec): Map<string, FoundVolume> => {
    const kept = storage.volumes.get(id) ?? new Map<string, FoundVolume>()
    const found = source.type === 'dir' ? kept : (shared.get(id) ?? kept)
    if (found !== kept) for (const [volumeId, volume] of kept) found.set(volumeId, found.get(volumeId) ?? volume)
    if (source.type !== 'dir') shared.set(id, found)
    storage.volumes.set(id, found)
    return found
  }
  const look = (pool: StoragePoolSpec) => {
    const allocationBytes = [...volumesOf(pool).values()].reduce((sum, { storedBytes }) => sum + storedBytes, 0)
    const storageId = pool.source.type === 'dir' ? storage.id : pool.id
    return {
      storageId,
      fileSystem: storageId,
      capacityBytes: poolBytes,
      allocationBytes,
      freeBytes: poolBytes - allocationBytes,
    }
  }
  const running = (id: string): MachineSpec => {
    const spec = machine(id)
    if (!spec) throw new HdcsError('not_found', 'The machine does not run.')
    return spec
  }

  return {
    async storagePoolEnsure(pool) {
      await delay()
      if (pool.name.includes('fail-pool') || JSON.stringify([pool.source, pool.target]).includes('fail-place'))
        throw new HdcsError('unreachable', 'The pool’s server does not answer, as its name asked.')
      pools.set(pool.id, pool)
      return look(pool)
    },
    storagePoolLook: async pool => look(poolOf(pool.id)),
    async storagePoolRemove(id) {
      pools.delete(id)
    },
    storagePools: async () => [...pools.keys()],
    async volumeEnsure({ id, name, poolId, sizeBytes, made }) {
      const volumes = volumesOf(poolOf(poolId))
      const there = volumes.get(id)
      if (!there && made) throw new HdcsError('not_found', 'The volume is missing in its storage pool.')
      if (name.includes('fail-volume'))
        throw new HdcsError('storage_full', 'No space for the volume, as its name asked.')
      if (there && there.sizeBytes >= sizeBytes) return there
      await delay()
      const found = { sizeBytes, storedBytes: there?.storedBytes ?? newBytes }
      volumes.set(id, found)
      await storage.keep()
      return found
    },
    async volumeRemove({ id, poolId }) {
      volumesOf(poolOf(poolId)).delete(id)
      await storage.keep()
    },
    async volumeAttach(machineId, volume) {
      const spec = running(machineId)
      const volumes = spec.volumes ?? []
      if (volumes.some(({ id }) => id === volume.id)) return
      poolOf(volume.poolId)
      if (volume.name.includes('fail-attach'))
        throw new HdcsError('conflict', 'No more available PCI slots, as its name asked.')
      spec.volumes = [...volumes, volume]
    },
    async volumeDetach(machineId, volumeId) {
      const spec = running(machineId)
      const volume = spec.volumes?.find(({ id }) => id === volumeId)
      if (volume?.name.includes('no-detach'))
        throw new HdcsError('timeout', 'The guest has not let go of the disk, as its name asked.')
      spec.volumes = spec.volumes?.filter(({ id }) => id !== volumeId) ?? []
    },
  }
}
