/**
 * A host without machines: everything in memory, thousands of desktops, the same contract. It ships: for trying the
 * product without libvirt, for tests and for load.
 *
 * It fails when the data asks for it:
 *   machine named …fail-disk…   its overlay is never made (`storage_full`)
 *   machine named …fail-start…  never starts (`start_failed`)
 *   machine named …no-agent…    runs, its guest never answers
 *   machine named …crash…       dies shortly after each start
 *   image named …fail-image…    is never made (`template_unavailable`)
 * and as sim-growing.ts, sim-moves.ts, sim-guest.ts, sim-dongles.ts, sim-volumes.ts and sim-saved.ts say.
 *
 * Its machines live as long as the object: an agent that restarts finds them as on a real host. Its images and disks live
 * as long as its storage, which outlives the process where that has a file (sim-file.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { HdcsError } from '../lib/errors.ts'
import { makeEventQueue } from './event-queue.ts'
import type { Departure, FoundMachine, Host, HostEvent, HostOptions, Progress } from './host.ts'
import type { ForeignMachine, HostUsage, RunningHardware } from './report.ts'
import { simConsole } from './sim-console.ts'
import { type SimDelays, shortDelays } from './sim-delays.ts'
import { simDisc, simDisks } from './sim-disks.ts'
import { type SimUsb, simDongles } from './sim-dongles.ts'
import { type SimFacts, simFacts } from './sim-facts.ts'
import { simForeignMachines } from './sim-foreign.ts'
import { simGrowing, simHardware } from './sim-growing.ts'
import { simAddresses, simGuestScript } from './sim-guest.ts'
import { type SimGuest, simJourney, simPlace, simPlaceOpen } from './sim-moves.ts'
import { simSaved } from './sim-saved.ts'
import { type SimScreen, simPicture, startSimScreen } from './sim-screen.ts'
import { simSnapshots } from './sim-snapshots.ts'
import { makeSimStorage, overlayKey, type SimStorage } from './sim-storage.ts'
import { simVolumes } from './sim-volumes.ts'
import { simXml } from './sim-xml.ts'
import type { MachineSpec, NetworkSpec, NicSpec } from './spec.ts'

export { makeSimStorage, type SimStorage }

export interface SimHostOptions
  extends Pick<HostOptions, 'installationId' | 'sendExport'>,
    Pick<SimFacts, 'bridges' | 'uefi'> {
  hostName: string
  /** Shared with other hosts; its own unless given. */
  storage?: SimStorage
  cpus?: number
  memoryBytes?: number
  /** Machines on it that are not ours. */
  foreign?: readonly ForeignMachine[]
  delays?: Partial<SimDelays>
}

interface SimMachine {
  spec: MachineSpec
  power: FoundMachine['power']
  agentConnected: boolean
  clients: number
  timers: Set<NodeJS.Timeout>
  screen: Promise<SimScreen> | null
  address: FoundMachine['graphics']
  cdrom: { imageId: string | null } | null
  hardware: RunningHardware
}

export interface SimHost extends Host, SimUsb {
  /** What the person in front of the guest, or bad luck, does. */
  guestShutdown(id: string): void
  guestCrash(id: string): void
  /** No byte can be written any more, and every guest is paused by that; or there is room again. */
  storageFill(full: boolean): void
  /** What its desktops may reach, as it was last told. */
  network(): NetworkSpec | null
  nics(): readonly NicSpec[]
  /** What the answer file says that a guest finds in its drive; undefined: it finds none. */
  medium(id: string): string | undefined
}

const refuse = (code: HdcsError['code'], text: string) => new HdcsError(code, text)

export function makeSimHost(options: SimHostOptions): SimHost {
  const delays = { ...shortDelays, ...options.delays }
  const { cpus = 8 } = options
  const memoryBytes = options.memoryBytes ?? cpus * 8 * 2 ** 30
  const storage = options.storage ?? makeSimStorage()
  const { overlays, locks, media } = storage
  const machines = new Map<string, SimMachine>()
  let network: NetworkSpec | null = null
  let nics: readonly NicSpec[] = []
  const events = makeEventQueue<HostEvent>()
  const disposed = new AbortController()

  /** Ends with the host unless another signal is given. */
  const delay = (ms: number, signal: AbortSignal = disposed.signal) =>
    sleep(ms, undefined, { signal }).catch(cause => {
      throw new HdcsError('cancelled', 'The work was cancelled.', { cause })
    })

  const running = (id: string): SimMachine => {
    const machine = machines.get(id)
    if (!machine) throw refuse('not_found', 'The machine does not run.')
    return machine
  }
  const dongles = simDongles(running)
  const consoles = simConsole(id => running(id).spec.name)
  const later = (machine: SimMachine, ms: number, act: () => void) => {
    const timer = setTimeout(() => {
      machine.timers.delete(timer)
      act()
    }, ms)
    machine.timers.add(timer)
  }
  const diskOf = ({ id, incarnation }: MachineSpec) => overlayKey({ machineId: id, incarnation })
  const unlock = ({ spec }: SimMachine) => {
    if (locks.get(diskOf(spec)) === machines) locks.delete(diskOf(spec))
  }
  /** As libvirt's lock manager: one host at a time has a disk open for a guest that is not paused. */
  const lock = (spec: MachineSpec) => {
    if ((locks.get(diskOf(spec)) ?? machines) !== machines)
      throw refuse('disk_in_use', 'Another host runs a copy of this desktop: it waits for the old copy to end.')
    locks.set(diskOf(spec), machines)
  }
  const end = (id: string, because: 'wished' | 'guest' | 'crashed') => {
    const machine = machines.get(id)
    if (!machine) return
    machines.delete(id)
    consoles.ended(id)
    dongles.ended(id)
    unlock(machine)
    for (const timer of machine.timers) clearTimeout(timer)
    void machine.screen?.then(screen => screen.close())
    events.push({ type: 'stopped', machineId: id, because })
  }
  const boot = (machine: SimMachine) => {
    const { id, name } = machine.spec
    machine.agentConnected = false
    if (name.includes('crash')) return later(machine, delays.bootMs, () => end(id, 'crashed'))
    if (name.includes('no-agent')) return
    later(machine, delays.bootMs, () => {
      machine.agentConnected = true
      events.push({ type: 'agent', machineId: id, connected: true })
    })
  }
  const screenOf = async ({ spec }: SimMachine) => {
    const screen = await startSimScreen({ name: spec.name })
    screen.onClients(clients => {
      const machine = machines.get(spec.id)
      if (machine) machine.clients = clients
      if (machine) events.push({ type: 'clients', machineId: spec.id, clients })
    })
    return screen
  }
  const found = (machine: SimMachine): FoundMachine => ({
    id: machine.spec.id,
    name: machine.spec.name,
    incarnation: machine.spec.incarnation,
    power: machine.power,
    graphics: machine.address,
    agentConnected: machine.agentConnected,
    clients: machine.clients,
    arriving: false,
    dongles: dongles.of(machine.spec.id),
    volumes: machine.spec.volumes?.map(({ id }) => id) ?? [],
    cdrom: machine.cdrom,
    hardware: machine.hardware,
  })
  const run = (spec: MachineSpec, power: FoundMachine['power'], hardware = simHardware(spec)): SimMachine => {
    const { id, incarnation } = spec
    if (!overlays.has(overlayKey({ machineId: id, incarnation })))
      throw refuse('not_found', 'The machine’s disk is not there.')
    if (power === 'running') lock(spec)
    const machine: SimMachine = {
      spec: { ...spec },
      power,
      agentConnected: false,
      clients: 0,
      timers: new Set(),
      screen: null,
      address: null,
      cdrom: spec.cdrom ? { imageId: spec.cdrom } : null,
      hardware,
    }
    machines.set(id, machine)
    events.push({ type: 'started', machineId: id })
    return machine
  }

  /** Running sendings: an agent that was killed finds its own again. */
  const sendings = new Map<string, { done: Promise<void>; controller: AbortController; told: Progress }>()
  const place = simPlaceOpen(options.installationId, options.hostName, {
    receive({ spec, power, agentConnected, content, hardware }: SimGuest, kind) {
      if (machines.has(spec.id)) throw refuse('conflict', `libvirt: domain '${spec.name}' is already active`)
      const disk = overlays.get(diskOf(spec))
      if (!disk) throw refuse('internal', 'libvirt: Cannot access storage file: No such file or directory')
      if (kind === 'storage') disk.content = content
      const machine = run(spec, power, hardware)
      machine.agentConnected = agentConnected
      if (!agentConnected) boot(machine)
      return storage.keep()
    },
  })

  async function send(machine: SimMachine, departure: Departure, progress: Progress, signal: AbortSignal) {
    const { spec } = machine
    const ended = AbortSignal.any([signal, disposed.signal])
    simPlace(options.installationId, departure.targetUri)
    await simJourney(spec, delays.moveMs, progress, ms => delay(ms, ended))
    const target = simPlace(options.installationId, departure.targetUri)
    if (machines.get(spec.id) !== machine) throw refuse('conflict', 'libvirt: domain is not running')
    unlock(machine)
    let kept: Promise<void>
    try {
      const content = overlays.get(diskOf(spec))?.content ?? ''
      kept = target.receive(
        { spec, power: machine.power, agentConnected: machine.agentConnected, content, hardware: machine.hardware },
        departure.kind,
      )
    } catch (error) {
      lock(spec)
      throw error
    }
    end(spec.id, 'wished')
    await kept
  }

  return {
    facts: async () => simFacts({ ...options, cpus, memoryBytes, storageId: storage.id }),
    async usage(): Promise<HostUsage> {
      const used = [...machines.values()].reduce((sum, { hardware }) => sum + hardware.memoryBytes, 0)
      return {
        cpu: Math.min(1, machines.size / (cpus * 8)),
        memoryUsedBytes: used,
        storageTotalBytes: 2 ** 40,
        storageFreeBytes: storage.full ? 0 : 2 ** 40 - overlays.size * 200 * 1024,
      }
    },
    machines: async () => [...machines.values()].map(found),
    ...simDisks({
      storage,
      delays,
      delay,
      inUse: disk => machines.get(disk.machineId)?.spec.incarnation === disk.incarnation,
      ...(options.sendExport && { sendExport: options.sendExport }),
    }),

    ...simSnapshots({ storage, running: id => machines.get(id)?.spec.name }),
    ...simSaved({
      storage,
      delayMs: delays.moveMs,
      delay: (ms, signal) => delay(ms, AbortSignal.any([signal, disposed.signal])),
      running: id => machines.get(id),
      end: id => end(id, 'wished'),
      goOn: (spec, agentConnected, hardware) => {
        const machine = machines.get(spec.id) ?? run(spec, 'running', hardware)
        machine.agentConnected = agentConnected
        if (agentConnected) events.push({ type: 'agent', machineId: spec.id, connected: true })
        else boot(machine)
        return found(machine)
      },
    }),
    ...simXml({ running: id => machines.get(id)?.spec, node: { cpus, memoryKib: memoryBytes / 1024 } }),
    ...consoles.host,
    ...simGrowing(running),
    ...simForeignMachines({ storage, foreign: options.foreign, delay: signal => delay(delays.overlayMs, signal) }),

    ...dongles.host,
    ...simVolumes({
      storage,
      delay: () => delay(delays.overlayMs),
      machine: id => machines.get(id)?.spec ?? null,
    }),
    async networkEnsure(spec) {
      network = spec
    },
    async guestsEnsure(wished) {
      nics = wished
      return []
    },
    async sweep() {},
    async leave() {
      const names = [...machines.values()].map(({ spec }) => spec.name)
      for (const id of [...machines.keys()]) end(id, 'wished')
      network = null
      nics = []
      return names
    },

    async machineSend(id, departure, progress, signal) {
      let sending = sendings.get(id)
      if (!sending) {
        const controller = new AbortController()
        const told: Progress = (percent, text) => sending?.told(percent, text)
        const done = send(running(id), departure, told, controller.signal).finally(() => sendings.delete(id))
        sending = { done, controller, told: progress }
        sendings.set(id, sending)
      }
      sending.told = progress
      const { controller } = sending
      const cancel = () => controller.abort()
      if (signal.aborted) cancel()
      signal.addEventListener('abort', cancel, { once: true })
      await sending.done
    },
    async machineStart(spec) {
      const already = machines.get(spec.id)
      if (already) return found(already)
      await delay(delays.startMs)
      if (!overlays.has(diskOf(spec))) throw refuse('not_found', 'The machine’s disk is not there.')
      if (spec.name.includes('fail-start')) throw refuse('start_failed', 'QEMU refused to start, as its name asked.')
      const machine = run(spec, 'running')
      if (spec.answers) media.set(diskOf(spec), spec.answers.text)
      else media.delete(diskOf(spec))
      // It writes to its disk: what was saved over that is nobody's memory any more.
      Object.assign(overlays.get(diskOf(spec)) ?? {}, { memory: undefined })
      boot(machine)
      return found(machine)
    },
    async machineDestroy(id) {
      await delay(delays.startMs)
      end(id, 'wished')
    },
    async machineShutdown(id) {
      later(running(id), delays.shutdownMs, () => end(id, 'guest'))
    },
    async machinePause(id) {
      const machine = running(id)
      if (machine.power === 'paused') return
      machine.power = 'paused'
      // libvirt's too: a paused guest gives its lease back.
      unlock(machine)
      events.push({ type: 'paused', machineId: id })
    },
    async machineResume(id) {
      const machine = running(id)
      if (machine.power === 'running') return
      if (storage.full) throw refuse('storage_full', 'Its storage is full: make room, and it goes on by itself.')
      lock(machine.spec)
      machine.power = 'running'
      events.push({ type: 'resumed', machineId: id })
    },
    async machineReboot(id) {
      const machine = running(id)
      if (machine.agentConnected) events.push({ type: 'agent', machineId: id, connected: false })
      boot(machine)
    },
    async machineReset(id) {
      return this.machineReboot(id)
    },
    machineDisc: async (id, imageId) => simDisc(running(id), imageId),
    async machineScreenshot(id) {
      const machine = running(id)
      return simPicture(machine.spec.name, (await machine.screen) ?? null)
    },
    async guestScript(id, script) {
      const guest = running(id)
      return simGuestScript(overlays.get(diskOf(guest.spec))?.content ?? id, guest, script)
    },
    guestAddresses: async id => simAddresses(running(id)),
    agentPing: async id => machines.get(id)?.agentConnected ?? false,
    async graphicsAdmit(id, password, validUntil) {
      const machine = running(id)
      // Thousands of screens nobody looks at would be thousands of open ports.
      if (!machine.screen && validUntil.getTime() <= Date.now()) return null
      machine.screen ??= screenOf(machine)
      const screen = await machine.screen
      screen.setPassword(password, validUntil)
      machine.address = { host: screen.host, port: screen.port }
      return machine.address
    },

    guestShutdown: id => end(id, 'guest'),
    network: () => network,
    nics: () => nics,
    medium: id => media.get(diskOf(running(id).spec)),
    guestCrash: id => end(id, 'crashed'),
    storageFill(full) {
      storage.full = full
      for (const [machineId, machine] of full ? machines : []) {
        machine.power = 'paused'
        unlock(machine)
        events.push({ type: 'paused', machineId, full })
      }
    },
    events: () => events.consume(),
    async [Symbol.asyncDispose]() {
      disposed.abort()
      place[Symbol.dispose]()
      for (const machine of machines.values()) {
        for (const timer of machine.timers) clearTimeout(timer)
        unlock(machine)
      }
      const screens = [...machines.values()].flatMap(machine => machine.screen ?? [])
      machines.clear()
      events.end()
      for (const screen of await Promise.allSettled(screens))
        if (screen.status === 'fulfilled') await screen.value.close()
      await storage.keep()
    },
  }
}
