/**
 * The machine room: hosts with power and a cable, domains, disks and their locks. It obeys whoever asks, as real hosts do,
 * and notes every disk that two domains had open at once.
 */
import { HdcsError } from '../../../lib/errors.ts'
import type { FoundMachine, FoundOverlay, Host, HostEvent } from '../../../vmm/host.ts'
import type { MachineSpec } from '../../../vmm/spec.ts'
import type { Timeline } from './timeline.ts'

export interface Storage {
  id: string
  overlays: Map<string, FoundOverlay>
  /** libvirt's lock manager: disk → host. A host without locks neither takes nor heeds them. */
  locks: Map<string, string>
  /** Who writes to each disk, in truth. */
  writers: Map<string, Set<string>>
}

export interface RoomHost {
  name: string
  storage: Storage
  locks: boolean
  on: boolean
  cut: boolean
  domains: Map<string, FoundMachine>
  /** The agent that runs there listens. */
  listener: ((event: HostEvent) => void) | null
}

export interface Room {
  hosts: Map<string, RoomHost>
  /** Two copies on one disk: there must be none. */
  doubles: string[]
}

export const makeStorage = (id: string): Storage => ({ id, overlays: new Map(), locks: new Map(), writers: new Map() })
export const diskKey = (id: string, incarnation: number) => `${id}.${incarnation}`

/** How long a guest takes until its agent answers. */
const bootMs = { least: 1_000, most: 3_000 }

export function domainEnd(host: RoomHost, id: string, because: 'wished' | 'guest' | 'crashed'): void {
  const domain = host.domains.get(id)
  if (!domain) return
  host.domains.delete(id)
  const disk = diskKey(id, domain.incarnation)
  host.storage.writers.get(disk)?.delete(host.name)
  if (host.storage.locks.get(disk) === host.name) host.storage.locks.delete(disk)
  host.listener?.({ type: 'stopped', machineId: id, because })
}

/** The plug is pulled: everything of it ends, nobody is told. */
export function powerCut(host: RoomHost): void {
  host.on = false
  host.listener = null
  for (const id of [...host.domains.keys()]) domainEnd(host, id, 'crashed')
}

/** The contract's part that the agent's steps need; every effect is at once, as the step has taken its time before. */
export function hostHands(room: Room, host: RoomHost, timeline: Timeline): Host {
  const { storage, domains } = host
  const hands: Partial<Host> = {
    async overlayMake({ id, incarnation }) {
      storage.overlays.set(diskKey(id, incarnation), { machineId: id, incarnation })
    },
    async overlayRemove({ machineId, incarnation }) {
      if (domains.get(machineId)?.incarnation === incarnation)
        throw new HdcsError('conflict', 'The machine runs on it.')
      const disk = diskKey(machineId, incarnation)
      if (storage.overlays.delete(disk) && (storage.writers.get(disk)?.size ?? 0) > 0)
        timeline.note(host.name, `${disk} is removed under its old copy, which writes to nothing from now on`)
    },
    machineStart: async spec => domainStart(room, host, spec, timeline),
    async machineDestroy(id) {
      domainEnd(host, id, 'wished')
    },
    async machineShutdown(id) {
      timeline.after(500, () => domainEnd(host, id, 'guest'))
    },
    async machinePause(id) {
      const domain = domains.get(id)
      if (domain) domains.set(id, { ...domain, power: 'paused' })
    },
    async machineResume(id) {
      const domain = domains.get(id)
      if (domain) domains.set(id, { ...domain, power: 'running' })
    },
    graphicsAdmit: async () => null,
    overlays: async () => [...storage.overlays.values()],
  }
  // The steps call nothing else; a call of anything else fails the run loudly.
  return hands as Host
}

function domainStart(room: Room, host: RoomHost, spec: MachineSpec, timeline: Timeline): FoundMachine {
  const { storage, domains } = host
  const already = domains.get(spec.id)
  if (already) return already
  const disk = diskKey(spec.id, spec.incarnation)
  if (!storage.overlays.has(disk)) throw new HdcsError('not_found', 'The machine’s disk is not there.')
  if (host.locks && (storage.locks.get(disk) ?? host.name) !== host.name)
    throw new HdcsError('disk_in_use', `${storage.locks.get(disk)} has the lock of its disk`)
  const writers = storage.writers.get(disk) ?? new Set<string>()
  if (writers.size > 0) {
    room.doubles.push(`${disk} runs on ${[...writers].join(', ')} and is started on ${host.name}`)
    timeline.note('DOUBLE', room.doubles.at(-1) ?? '')
  }
  if (host.locks) storage.locks.set(disk, host.name)
  storage.writers.set(disk, writers.add(host.name))
  const domain: FoundMachine = {
    id: spec.id,
    name: spec.name,
    incarnation: spec.incarnation,
    power: 'running',
    graphics: null,
    agentConnected: false,
    clients: 0,
    arriving: false,
  }
  domains.set(spec.id, domain)
  timeline.after(timeline.between(bootMs.least, bootMs.most), () => {
    if (domains.get(spec.id) !== domain) return
    domains.set(spec.id, { ...domain, agentConnected: true })
    host.listener?.({ type: 'agent', machineId: spec.id, connected: true })
  })
  return domain
}
