/** Storage pools and volumes of a real host: libvirt's own, named with our mark. */
import { rm, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pause } from '../lib/clock.ts'
import { HdcsError } from '../lib/errors.ts'
import { sizeText } from '../lib/sizes.ts'
import type { Xml } from '../lib/xml.ts'
import { fileSystemOf } from './file-system.ts'
import { foldersReachable } from './folders.ts'
import type { FoundStoragePool, FoundVolume, StorageHost } from './host-storage.ts'
import type { LibvirtDaemon } from './libvirt/daemon.ts'
import { isLibvirt, LibvirtError } from './libvirt/errors.ts'
import { affectFlags } from './libvirt/flags.ts'
import { refOf } from './libvirt-events.ts'
import { storageHere, storageKnown } from './storage-identity.ts'
import { placeMake, placesOf } from './storage-places.ts'
import {
  aliasOf,
  checkPool,
  poolPlace,
  poolPrefix,
  poolXml,
  secretXml,
  volumeDiskXml,
  volumeFile,
  volumeXml,
} from './storage-pool-xml.ts'
import type { MachineVolume, StoragePoolSpec, VolumeSpec } from './storage-spec.ts'

/** libvirt answers such questions in milliseconds. */
const askMs = 10_000
/** A server that does not answer is given up by mount.nfs and Ceph's client within about so long. */
const mountMs = 180_000
/** A thin disk is made in milliseconds; on a slow network it takes some seconds. */
const makeMs = 60_000
/** A new volume's first bytes, rounded up: what the space check asks for. */
const volumeBytes = 2 ** 20
/** A guest lets go within a second, if it does at all: it is looked at so often, so many times. */
const detachLookMs = 200
const detachLooks = 25
/** VIR_DOMAIN_BLOCK_RESIZE_BYTES */
const inBytes = 1
/** VIR_SECRET_USAGE_TYPE_CEPH */
const cephUsage = 2

export interface LibvirtVolumesOptions {
  installationId: string
  /** Where pools may be; the usual places unless given. */
  storagePlaces?: readonly string[]
  /** Beside it is kept which storage each pool lies on. */
  storageNote?: string
}

export interface LibvirtVolumes extends StorageHost {
  /** The disks of a machine that is about to start. @throws HdcsError `not_found` for a pool that was not ensured. */
  disksOf(volumes: readonly MachineVolume[]): Xml[]
  /** Where volumes lie on this host. */
  poolFolders(): string[]
}

/**
 * @param own folders that no pool may be in.
 * @param isRoot QEMU runs as root, and reaches every folder.
 * @param volumesOf what a machine that runs has; null: it does not run.
 */
export function libvirtVolumes(
  daemon: LibvirtDaemon,
  options: LibvirtVolumesOptions,
  own: readonly string[],
  isRoot: boolean,
  volumesOf: (machineId: string) => Promise<{ id: string; device: string }[] | null>,
): LibvirtVolumes {
  const { storage } = daemon
  const places = placesOf(options.storagePlaces)
  const prefix = poolPrefix(options.installationId)
  const known = new Map<string, StoragePoolSpec>()
  const noteOf = (id: string) => (options.storageNote ? join(dirname(options.storageNote), 'storage-pools', id) : null)
  const refOfPool = (id: string) => ({ name: `${prefix}${id}`, uuid: id })

  const poolOf = (id: string): StoragePoolSpec => {
    const pool = known.get(id)
    if (!pool) throw new HdcsError('not_found', 'The volume’s storage pool is not ready on this host.')
    return pool
  }

  async function find(id: string) {
    try {
      return await storage.storagePoolLookupByName({ name: `${prefix}${id}` }, { timeoutMs: askMs })
    } catch (error) {
      if (isLibvirt(error, 'noStoragePool')) return null
      throw error
    }
  }

  async function ensure(pool: StoragePoolSpec): Promise<FoundStoragePool> {
    checkPool(pool)
    const before = await find(pool.id)
    // Another place is given only to a pool on which nothing lies: it is forgotten, with what was known of its old folder.
    if (before?.uuid === pool.id && !(await isDefinedAs(before, pool))) await remove(pool.id)
    // NFS is mounted further down.
    if (pool.source.type === 'dir') await checkMounted(pool)
    if (pool.target !== null) await placeMake(pool.target, places, own)
    if (pool.target !== null && !isRoot) await foldersReachable(pool.target)
    if (pool.source.type === 'rbd' && pool.secret !== null) await secretKeep(pool, pool.secret)
    const there = await find(pool.id)
    if (there && there.uuid !== pool.id)
      throw new HdcsError(
        'conflict',
        `A storage pool that is not ours has the name ${there.name}: remove it on the host.`,
      )
    const defined =
      there ??
      (await storage.storagePoolDefineXml({ xml: poolXml(pool, options.installationId) }, { timeoutMs: askMs }))
    if (!(await storage.storagePoolIsActive({ pool: defined }, { timeoutMs: askMs })))
      await storage.storagePoolCreate({ pool: defined }, { timeoutMs: mountMs, lane: 'pools' })
    // After the host's own restart it is there for `virsh` before we are.
    await storage.storagePoolSetAutostart({ pool: defined, autostart: true }, { timeoutMs: askMs })
    await storage.storagePoolRefresh({ pool: defined }, { timeoutMs: mountMs, lane: 'pools' })
    const found = await look(pool)
    known.set(pool.id, pool)
    return found
  }

  async function isDefinedAs(ref: Parameters<typeof storage.storagePoolIsActive>[0]['pool'], pool: StoragePoolSpec) {
    const text = await storage.storagePoolGetXmlDesc({ pool: ref }, { timeoutMs: askMs })
    return poolPlace(text) === poolPlace(poolXml(pool, options.installationId))
  }

  /** @throws HdcsError `unreachable` where another storage, or none, is in its folder than was there before. */
  async function checkMounted({ id, target }: StoragePoolSpec): Promise<void> {
    if (target !== null) await (await storageKnown(target, noteOf(id)))?.check()
  }

  async function secretKeep(pool: StoragePoolSpec, key: string): Promise<void> {
    const secret = await daemon.actions.secretDefineXml({ xml: secretXml(pool) }, { timeoutMs: askMs })
    await daemon.actions.secretSetValue({ secret, value: Buffer.from(key, 'base64') }, { timeoutMs: askMs })
  }

  async function look(pool: StoragePoolSpec): Promise<FoundStoragePool> {
    const { target } = pool
    const ref = refOfPool(pool.id)
    if (!(await storage.storagePoolIsActive({ pool: ref }, { timeoutMs: askMs })))
      throw new HdcsError('unreachable', `The storage pool ${pool.name} is not active on this host.`)
    if (target === null) {
      await storage.storagePoolRefresh({ pool: ref }, { timeoutMs: mountMs, lane: 'pools' })
      const info = await storage.storagePoolGetInfo({ pool: ref }, { timeoutMs: askMs })
      return {
        storageId: pool.id,
        fileSystem: null,
        capacityBytes: Number(info.capacityBytes),
        allocationBytes: Number(info.allocationBytes),
        freeBytes: Number(info.availableBytes),
      }
    }
    // libvirt's own figures are those of its last refresh, which reads every volume.
    const id = await storageHere(target, noteOf(pool.id))
    const { bsize, blocks, bavail, bfree } = await statfs(target)
    return {
      storageId: id,
      fileSystem: await fileSystemOf(target),
      capacityBytes: bsize * blocks,
      allocationBytes: bsize * (blocks - bfree),
      freeBytes: bsize * bavail,
    }
  }

  async function remove(id: string): Promise<void> {
    known.delete(id)
    const note = noteOf(id)
    if (note) await rm(note, { force: true })
    const pool = await find(id)
    if (pool && pool.uuid !== id) return
    try {
      if (pool && (await storage.storagePoolIsActive({ pool }, { timeoutMs: askMs })))
        await storage.storagePoolDestroy({ pool }, { timeoutMs: mountMs, lane: 'pools' })
      if (pool) await storage.storagePoolUndefine({ pool }, { timeoutMs: askMs })
      const secret = { uuid: id, usageType: cephUsage, usageId: `hdcs ${id}` }
      await daemon.actions.secretUndefine({ secret }, { timeoutMs: askMs })
    } catch (error) {
      // Gone in this moment, or it never had a secret.
      if (!isLibvirt(error, 'noStoragePool', 'noSecret')) throw error
    }
  }

  /** libvirt goes by what it read last: another host made it since, or somebody took it away. Then it reads anew. */
  async function findVolume(volume: VolumeSpec) {
    const pool = refOfPool(volume.poolId)
    for (const again of [true, false]) {
      try {
        const found = await storage.storageVolLookupByName({ pool, name: volumeFile(volume) }, { timeoutMs: askMs })
        return { found, info: await storage.storageVolGetInfo({ volume: found }, { timeoutMs: askMs }) }
      } catch (error) {
        if (!isLibvirt(error, 'noStorageVolume')) throw error
        if (again) await storage.storagePoolRefresh({ pool }, { timeoutMs: mountMs, lane: 'pools' })
      }
    }
    return null
  }

  async function room(pool: StoragePoolSpec, neededBytes: number): Promise<void> {
    const { capacityBytes, freeBytes } = await look(pool)
    const kept = Math.ceil(capacityBytes * pool.reserve)
    if (freeBytes - neededBytes >= kept) return
    throw new HdcsError(
      'storage_full',
      `The storage pool ${pool.name} is full: ${sizeText(freeBytes)} of ${sizeText(capacityBytes)} are free and ${sizeText(kept)} are its reserve. Remove volumes, enlarge it, or lower its reserve; it goes on by itself then.`,
    )
  }

  async function volumeMake(volume: VolumeSpec, pool: StoragePoolSpec) {
    if (volume.made)
      throw new HdcsError(
        'not_found',
        `${volumeFile(volume)} is missing in the storage pool ${pool.name}. Look whether its storage is mounted; else put a copy of it back, or delete the volume.`,
      )
    await room(pool, volumeBytes)
    const making = { pool: refOfPool(pool.id), xml: volumeXml(volume, pool) }
    await storage.storageVolCreateXml(making, { timeoutMs: makeMs, lane: 'pools' }).catch(error => {
      // Another host, or an agent that was killed, made it in this moment.
      if (!isLibvirt(error, 'volumeExists')) throw error
    })
    const made = await findVolume(volume)
    if (!made) throw new HdcsError('conflict', `${volumeFile(volume)} was taken away in this moment: it is made again.`)
    return made
  }

  async function volumeEnsure(volume: VolumeSpec, usedBy: string | null): Promise<FoundVolume> {
    const pool = poolOf(volume.poolId)
    await checkMounted(pool)
    const there = (await findVolume(volume)) ?? (await volumeMake(volume, pool))
    const { found } = there
    let { info } = there
    if (Number(info.capacityBytes) < volume.sizeBytes) {
      const runs = usedBy ? await volumesOf(usedBy) : null
      const disk = runs?.find(({ id }) => id === volume.id)?.device
      const size = BigInt(volume.sizeBytes)
      if (usedBy && disk) {
        const resize = { domain: refOf(usedBy), disk, size, flags: inBytes }
        await daemon.actions.domainBlockResize(resize, { timeoutMs: askMs, lane: usedBy })
      } else
        await storage.storageVolResize({ volume: found, capacityBytes: size }, { timeoutMs: makeMs, lane: 'pools' })
      info = await storage.storageVolGetInfo({ volume: found }, { timeoutMs: askMs })
    }
    return { sizeBytes: Number(info.capacityBytes), storedBytes: Number(info.allocationBytes) }
  }

  return {
    storagePoolEnsure: pool => ensure(pool).catch(error => Promise.reject(poolFailure(pool, error))),
    storagePoolLook: look,
    storagePoolRemove: remove,
    async storagePools() {
      const pools = await storage.connectListAllStoragePools({}, { timeoutMs: askMs })
      return pools.filter(({ name, uuid }) => name === `${prefix}${uuid}`).map(({ uuid }) => uuid)
    },
    volumeEnsure,
    async volumeRemove(volume) {
      poolOf(volume.poolId)
      const there = await findVolume(volume)
      if (there) await storage.storageVolDelete({ volume: there.found }, { timeoutMs: makeMs, lane: 'pools' })
    },
    async volumeAttach(machineId, volume) {
      const runs = await volumesOf(machineId)
      if (!runs) throw new HdcsError('not_found', 'The machine does not run.')
      if (runs.some(({ id }) => id === volume.id)) return
      const attach = { domain: refOf(machineId), xml: volumeDiskXml(volume, poolOf(volume.poolId)).xml }
      await daemon.actions.domainAttachDeviceFlags(
        { ...attach, flags: affectFlags.live },
        { timeoutMs: makeMs, lane: machineId },
      )
    },
    async volumeDetach(machineId, volumeId) {
      const runs = await volumesOf(machineId)
      if (!runs?.some(({ id }) => id === volumeId)) return
      const detach = { domain: refOf(machineId), alias: aliasOf(volumeId), flags: affectFlags.live }
      await daemon.actions.domainDetachDeviceAlias(detach, { timeoutMs: makeMs, lane: machineId })
      // libvirt asks the guest, waits a little and answers "done" either way.
      for (let look = 0; look < detachLooks; look++) {
        if (!(await volumesOf(machineId))?.some(({ id }) => id === volumeId)) return
        await pause(detachLookMs)
      }
      throw new HdcsError(
        'timeout',
        'The guest has not let go of the disk: unmount it there. It is asked again, and at its next start it is without it.',
      )
    },
    poolFolders: () => [...known.values()].flatMap(({ target }) => target ?? []),
    disksOf: volumes => volumes.map(volume => volumeDiskXml(volume, poolOf(volume.poolId))),
  }
}

/** What to do about what libvirt says of a pool. */
function poolFailure({ name, source, target }: StoragePoolSpec, thrown: unknown): unknown {
  if (!(thrown instanceof HdcsError) || !(thrown.cause instanceof LibvirtError)) return thrown
  const ways = {
    dir: `Look at ${target} on this host.`,
    netfs:
      'Look whether the server exports this path to this host (showmount -e), and whether nfs-common is installed here.',
    rbd: 'Look whether the monitors are reached from this host, the user’s key is right, and libvirt’s part for Ceph is installed here (Debian: libvirt-daemon-driver-storage-rbd, qemu-block-extra).',
  }
  const text = `The storage pool ${name} could not be made ready. ${thrown.message} ${ways[source.type]}`
  return new HdcsError(thrown.code, text, { cause: thrown })
}
