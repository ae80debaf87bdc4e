/** A real host: machines are transient domains of libvirt, disks and images files in a folder. */
import { mkdir } from 'node:fs/promises'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import { hardwareFull } from '../lib/hardware.ts'
import { answersXml, libvirtAnswers, mediaSweep, mediumForget, mediumMake, withMedia } from './answer-medium.ts'
import { bridgesRead } from './bridges.ts'
import { type DesktopNetworkOptions, makeDesktopNetwork } from './desktop-network.ts'
import { exists, imagePath, isAsLarge, makeDisks, overlayPath, qcow2Header } from './disks.ts'
import { domainXml, graphicsXml } from './domain-xml.ts'
import { fileSystemOf } from './file-system.ts'
import { ovmfFile, ovmfNeeded } from './firmware.ts'
import { foldersMake, foldersOf, foldersReachable, foldersSweep, roomToGoOn } from './folders.ts'
import type { FoundMachine, Host, HostOptions } from './host.ts'
import { diskLocksOf, migrationUriOf } from './host-place.ts'
import { makeImageStore } from './image-store.ts'
import { probeAcceleration } from './kvm-probe.ts'
import { hostLeave } from './leaving.ts'
import { connectDaemon, type DaemonOptions } from './libvirt/daemon.ts'
import { isLibvirt } from './libvirt/errors.ts'
import { affectFlags } from './libvirt/flags.ts'
import { libvirtGuestAddresses } from './libvirt-addresses.ts'
import { libvirtConsole } from './libvirt-console.ts'
import { domainEnd, libvirtDomains } from './libvirt-domains.ts'
import { libvirtDongles } from './libvirt-dongles.ts'
import { refOf, startMachineEvents } from './libvirt-events.ts'
import { cardOf, qemuVersion, readFacts, readHypervisor } from './libvirt-facts.ts'
import { libvirtForeign } from './libvirt-foreign.ts'
import { libvirtGrowing } from './libvirt-growing.ts'
import { libvirtGuestScript } from './libvirt-guest.ts'
import { libvirtMaking } from './libvirt-making.ts'
import { libvirtSend } from './libvirt-moves.ts'
import { libvirtSave } from './libvirt-save.ts'
import { libvirtSnapshots } from './libvirt-snapshots.ts'
import { type LibvirtVolumesOptions, libvirtVolumes } from './libvirt-volumes.ts'
import { libvirtXml } from './libvirt-xml.ts'
import { machineNotes } from './machine-notes.ts'
import { type DiskExchange, makeMovedDisks } from './moved-disks.ts'
import { memoriesSweep, memoryForget, withMemories } from './saved-memory.ts'
import type { MachineSpec } from './spec.ts'
import { makeUsage } from './storage.ts'
import { storageKnown, storageMeet } from './storage-identity.ts'
import { importUpload } from './upload.ts'

export interface LibvirtHostOptions extends HostOptions, DesktopNetworkOptions, LibvirtVolumesOptions {
  daemon?: DaemonOptions
  /** Packages and probes, this host's own; in the folder unless told otherwise. */
  cacheFolder?: string
  /** Where it keeps which storage it works on, this host's own too; nowhere: it takes the one it finds at its start. */
  storageNote?: string
  /** Where SPICE listens: only the gateway may reach it. */
  spiceListen?: string
  /** How other hosts send it guests, when it is not where libvirt listens with TLS. */
  migrationUri?: string | null
  /** Stopped disks go to hosts of another storage this way; none: they stay. */
  diskExchange?: DiskExchange
  /** A busy guest may go on at its new host before all of its memory came. */
  postCopy?: boolean
  /** Where UEFI firmware for guests lies; the places of the usual packages unless given. */
  ovmfFiles?: readonly string[]
  /** `tcg` skips the probe of KVM. */
  accelerator?: 'tcg'
}

/** libvirt answers such questions in milliseconds; a QEMU that hangs must not hold a person longer. */
const askMs = 10_000
/** A start takes half a second; on a full host some. Shorter: starts that succeed are called failed and asked again. */
const startMs = 60_000
/** VIR_DOMAIN_BLOCK_RESIZE_BYTES */
const inBytes = 1

/** @throws HdcsError `unreachable` (libvirt), `invalid` or `conflict` (the folder). */
export async function openLibvirtHost(options: LibvirtHostOptions): Promise<Host> {
  const { installationId, spiceListen = '127.0.0.1' } = options
  const { folder, cacheFolder, storageNote: note = null } = options
  const known = await storageKnown(folder, note)
  // Nothing is made in a folder that waits for its storage: every step on it fails, and says so, until it is mounted.
  const mounted = (await known?.check().catch((error: HdcsError) => error)) === undefined
  const folders = mounted ? await foldersMake(folder, installationId, cacheFolder) : foldersOf(folder, cacheFolder)
  if (cacheFolder) await mkdir(cacheFolder, { recursive: true })
  const storage = known ?? (await storageMeet(folder, note))
  await using opened = new AsyncDisposableStack()
  const daemon = opened.use(await connectDaemon(options.daemon))
  const { emulator, owner } = await readHypervisor(daemon)
  if (owner.uid !== 0 && mounted) await foldersReachable(folders.root)
  // Only root may give files away; else libvirt (which is root) does at each start.
  const ownersReady = process.getuid?.() === 0
  const locks = (await diskLocksOf())?.folder ?? null
  const disks = makeDisks(folders, ownersReady ? owner : null, locks)
  const moved = makeMovedDisks(folders, disks, ownersReady ? owner : null, options.diskExchange ?? null)
  const images = makeImageStore(folders, disks, importUpload(folders, options.fetchImage), options, {
    emulator,
    accelerator: async () => (await knownFacts()).accelerator,
  })
  const notes = machineNotes(folders)
  const usage = makeUsage(folders.root, storage.check)
  /** Work on the storage: only while it is there. */
  const onStorage =
    <A extends unknown[], R>(work: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await storage.check()
      return work(...args)
    }
  /** Asked anew each time: certificates and bridges come while we run. */
  const place = async () => ({
    address: spiceListen,
    mac: cardOf(spiceListen),
    storageId: storage.id,
    // Not that of the folder under it, while it is not mounted.
    fileSystem: await storage.check().then(
      () => fileSystemOf(folders.root),
      () => null,
    ),
    diskLocks: (await diskLocksOf()) !== null,
    migrationUri: await migrationUriOf(spiceListen, options.migrationUri ?? null),
    bridges: await bridgesRead(options.enter).catch(() => []), // no `ip` here: then no pool can name one
    uefi: (await ovmfFile(options.ovmfFiles)) !== null,
  })
  const machineEvents = opened.use(await startMachineEvents(daemon, id => domains.owns(id)))
  const domains = libvirtDomains(daemon.actions, installationId, machineEvents.clients)
  const network = opened.use(makeDesktopNetwork(daemon.networks, options))
  const disksHeld = async (id: string) => (await domains.find(id))?.disks ?? null
  const { disksOf, poolFolders, ...volumes } = libvirtVolumes(
    daemon,
    options,
    Object.values(folders),
    owner.uid === 0,
    disksHeld,
  )
  const saving = libvirtSave({ daemon, domains, folders, spiceListen, startFailure })
  let facts: ReturnType<typeof readFacts> | null = null
  const all = opened.move()

  /** The machine's own name, or one with a piece of its id while a stranger's domain on this host has that name. */
  async function freeName({ id, name }: MachineSpec): Promise<string> {
    try {
      const { uuid } = await daemon.actions.domainLookupByName({ name }, { timeoutMs: askMs })
      return uuid === id ? name : `${name}-${id.slice(-8)}`
    } catch (error) {
      if (isLibvirt(error, 'noDomain')) return name
      throw error
    }
  }

  /** @param answers the medium with its answer file. */
  async function xmlOf(spec: MachineSpec, answers: string | null = null): Promise<string> {
    const disk = overlayPath(folders, { machineId: spec.id, incarnation: spec.incarnation })
    if (!(await exists(disk))) throw new HdcsError('not_found', 'The machine’s disk is not there.')
    const { backing } = await qcow2Header(disk)
    const { accelerator } = await knownFacts()
    const domainName = await freeName(spec)
    const parts = {
      spec,
      domainName,
      installationId,
      accelerator,
      disk,
      image: backing,
      disc: spec.cdrom ? imagePath(folders, spec.cdrom) : null,
      nicSource: spec.nic && (await network.sourceOf(spec.nic)),
      spiceListen,
      ownersReady,
      volumes: disksOf(spec.volumes ?? []),
      answers: answers === null ? null : answersXml(answers, ownersReady),
      ovmf: hardwareFull(spec.hardware).firmware === 'uefi' ? await ovmfNeeded(options.ovmfFiles) : null,
    }
    return domainXml(parts)
  }

  async function start(spec: MachineSpec): Promise<FoundMachine> {
    const xml = await xmlOf(spec, await mediumMake(folders, ownersReady ? owner : null, spec))
    const create = () => daemon.actions.domainCreateXml({ xml }, { timeoutMs: startMs, lane: 'start' })
    try {
      await create().catch(thrown => (endedUnheard(thrown) ? create() : Promise.reject(thrown)))
    } catch (thrown) {
      // Asked before, by us or by an agent that was killed: it runs, which is what is wished.
      const already = isLibvirt(thrown, 'domainExists', 'operationInvalid') ? await domains.settled(spec.id) : null
      if (already) return already
      throw startFailure(thrown)
    }
    await notes.started(spec, xml)
    return domains.get(spec.id)
  }

  const knownFacts = () => {
    facts ??= readFacts(daemon, () => probe()).catch(error => {
      facts = null // libvirt was away: asked again at the next call
      throw error
    })
    return facts
  }
  const probe = async () => {
    if (options.accelerator === 'tcg') return { accelerator: 'tcg' as const, reason: 'Emulation was chosen.' }
    const runAs = ownersReady && owner.uid !== 0 ? owner : null
    return probeAcceleration({ folder: folders.cache, emulator, runAs, qemuVersion: await qemuVersion(daemon) })
  }

  return {
    facts: async () => ({ ...(await knownFacts()), ...(await place()) }),
    usage,
    ...volumes,
    overlays: onStorage(async () => withMedia(folders, await withMemories(folders, await disks.overlays()))),
    overlayMake: onStorage(disks.overlayMake),
    overlayRemove: onStorage(async overlay => {
      await memoryForget(folders, overlay)
      await mediumForget(folders, overlay)
      await disks.overlayRemove(overlay)
      await notes.removed(overlay.machineId)
    }),
    answersRemove: onStorage(libvirtAnswers({ daemon, domains, folders })),
    ...libvirtMaking({ daemon, domains, folders, owner: ownersReady ? owner : null, onStorage }),
    overlayGrow: onStorage(async (overlay, sizeBytes) => {
      const { machineId } = overlay
      if (!(await domains.find(machineId))) return disks.overlayGrow(overlay, sizeBytes)
      if (await isAsLarge(overlayPath(folders, overlay), sizeBytes)) return
      const resize = {
        domain: refOf(machineId),
        disk: overlayPath(folders, overlay),
        size: BigInt(sizeBytes),
        flags: inBytes,
      }
      await daemon.actions.domainBlockResize(resize, { timeoutMs: askMs, lane: machineId })
    }),
    images: onStorage(images.images),
    imageMake: onStorage(images.imageMake),
    imageRemove: onStorage(images.imageRemove),
    overlaySend: onStorage(moved.overlaySend),
    overlayFetch: onStorage(moved.overlayFetch),
    arrivalPrepare: onStorage(async (machine, arrival) => {
      // A bridge of the site is made when it is not there, before libvirt plugs the guest in.
      if (machine.nic) await network.sourceOf(machine.nic)
      await moved.arrivalPrepare(machine, arrival)
    }),
    ...libvirtXml(daemon, domains, spec => xmlOf(spec)),
    ...libvirtConsole(daemon, domains),
    ...libvirtForeign(daemon.statistics, folders, ownersReady ? owner : null, options.ovmfFiles),
    machineSave: onStorage(saving.machineSave),
    machineRestore: onStorage(async spec => {
      machineEvents.own(spec.id)
      // A bridge of the site is made when it is not there, as before any start.
      if (spec.nic) await network.sourceOf(spec.nic)
      return saving.machineRestore(spec)
    }),
    memoryForget: onStorage(saving.memoryForget),
    machineSend: libvirtSend(daemon, domains, options, async id => {
      const { incarnation } = await domains.get(id)
      return (await qcow2Header(overlayPath(folders, { machineId: id, incarnation }))).backing === null
    }),
    ...libvirtSnapshots(daemon, domains, folders),
    sweep: onStorage(async wishedImages => {
      await foldersSweep(folders)
      await memoriesSweep(folders, async id => (await domains.find(id)) !== null)
      await mediaSweep(folders)
      await images.leftSweep(wishedImages)
      await notes.sweep(new Set((await disks.overlays()).map(({ machineId }) => machineId)))
    }),
    leave: () => hostLeave(daemon, options),

    machines: domains.list,
    ...libvirtDongles(daemon.actions, domains),

    networkEnsure: network.ensure,
    guestsEnsure: network.guestsEnsure,

    machineStart: onStorage(async spec => {
      machineEvents.own(spec.id)
      return start(spec)
    }),
    async machineDestroy(id) {
      if (await domains.find(id)) await domainEnd(daemon.actions, id)
    },
    async machineShutdown(id) {
      await domains.get(id)
      await daemon.statistics.domainShutdownFlags({ domain: refOf(id) }, { timeoutMs: askMs, lane: id })
    },
    async machinePause(id) {
      if ((await domains.get(id)).power === 'paused') return
      await daemon.actions.domainSuspend({ domain: refOf(id) }, { timeoutMs: askMs, lane: id })
    },
    async machineResume(id) {
      const paused = await domains.get(id)
      if (paused.power === 'running') return
      if (paused.full) await roomToGoOn([folders.root, ...poolFolders()])
      try {
        await daemon.actions.domainResume({ domain: refOf(id) }, { timeoutMs: askMs, lane: id })
      } catch (error) {
        // Resumed in this moment by somebody else: as wished. And a paused guest holds its disk no more: another may by now.
        if (!isLibvirt(error, 'operationInvalid')) throw lockFailure(error) ?? error
        if ((await domains.get(id)).power !== 'running') throw error
      }
    },
    async machineReboot(id) {
      await domains.get(id)
      await daemon.statistics.domainReboot({ domain: refOf(id) }, { timeoutMs: askMs, lane: id })
    },
    async machineReset(id) {
      await domains.get(id)
      await daemon.actions.domainReset({ domain: refOf(id) }, { timeoutMs: askMs, lane: id })
    },
    async machineScreenshot(id) {
      await domains.get(id)
      await using client = await daemon.streamClient()
      await using picture = await client.domainScreenshot({ domain: refOf(id) }, { timeoutMs: askMs })
      const chunks: Uint8Array[] = []
      for await (const chunk of picture) chunks.push(chunk)
      return new Uint8Array(Buffer.concat(chunks))
    },

    async agentPing(id, timeoutMs) {
      const command = JSON.stringify({ execute: 'guest-ping' })
      const timeoutSeconds = Math.max(1, Math.ceil(timeoutMs / 1000))
      try {
        // A connection of its own: silent guests hold no start and no person up.
        const options = { timeoutMs: timeoutMs + 1_000, lane: 'ping' }
        await daemon.statistics.domainQemuAgentCommand({ domain: refOf(id), command, timeoutSeconds }, options)
        return true
      } catch (error) {
        if (asHdcsError(error).code === 'unreachable') throw error
        return false // not there, not answering, not speaking: all say "not ready"
      }
    },

    async graphicsAdmit(id, password, validUntil) {
      const machine = await domains.settled(id)
      const graphics = machine?.graphics
      if (!graphics) throw new HdcsError('not_found', 'The machine does not run.')
      const { screenFixed: fixed } = machine
      const { xml } = graphicsXml({ listen: graphics.host, port: graphics.port, fixed, password, validUntil })
      await daemon.actions.domainUpdateDeviceFlags(
        { domain: refOf(id), xml, flags: affectFlags.live },
        { timeoutMs: askMs, lane: id },
      )
      return graphics
    },

    ...libvirtGrowing(daemon, domains),
    guestScript: libvirtGuestScript(daemon, domains),
    guestAddresses: libvirtGuestAddresses(daemon, domains),

    events: machineEvents.events,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

/** QEMU's own locks speak before libvirt's lock manager does, and only in words. */
const lockTaken = /Failed to get "(write|consistent read)" lock|Lockspace resource '[^']*' is locked/

/**
 * On a busy host a QEMU that refuses to start may have ended before libvirt was connected to it; then its reason stands
 * in its log alone. Asked once more it is mostly told: a lock that is held must not look like a broken machine.
 */
export const endedUnheard = (thrown: unknown): boolean =>
  asHdcsError(thrown).message.includes('failed to connect to monitor socket')

/** Another host, or another QEMU of this one, has its disk open; null: something else. */
function lockFailure(thrown: unknown): HdcsError | null {
  const { message } = asHdcsError(thrown)
  if (!isLibvirt(thrown, 'resourceBusy') && !lockTaken.test(message)) return null
  return new HdcsError('disk_in_use', `Its disk is in use elsewhere. ${message}`, { cause: thrown })
}

/** QEMU's own words are what an administrator needs; being late or away is told apart. */
function startFailure(thrown: unknown): HdcsError {
  const error = lockFailure(thrown) ?? asHdcsError(thrown)
  if (['disk_in_use', 'timeout', 'unreachable', 'storage_full', 'not_found'].includes(error.code)) return error
  return new HdcsError('start_failed', `The machine could not be started. ${error.message}`, { cause: thrown })
}
