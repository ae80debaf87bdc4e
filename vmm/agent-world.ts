/**
 * All the agent knows: wished and observed, machine by machine. These functions change it and answer which machines
 * are touched; they start nothing (agent.ts does).
 */
import type { MachineKnown } from './agent-report.ts'
import type { KnownMemory, UsbSeen } from './decision.ts'
import type { FoundImage, FoundMachine, FoundOverlay, HostEvent } from './host.ts'
import { freshMemory, memoryAdopted, memoryArrived, memoryPausedItself, memoryStopped, memoryWished } from './memory.ts'
import { freshImageMemory, type ImageMemory } from './plan.ts'
import type { ToAgent } from './protocol.ts'
import { noSnapshots } from './snapshots.ts'
import type { HostSpec, ImageSpec, MachineSpec, NetworkSpec, StorageSpec } from './spec.ts'

export interface KnownMachine extends MachineKnown {
  /** Grows with every change of what is observed: a listing begun before does not overwrite what came after. */
  version: number
  /** The last listing did not have it, and no event said why. */
  missing: boolean
  /** The life (`memory.stops`) whose guest is being asked, or waits to be asked again. */
  pinging: number | null
  pingFailures: number
  /** `World.nicsVersion` since which its NIC is as it is: it starts once rules of that version are in force. */
  nicVersion: number
  /** What was heard while the start, or the saving, was still in flight. */
  heard: { stopped: 'wished' | 'guest' | 'crashed' | null; agent: boolean }
  /** Its customisation in flight: of which life (`memory.stops`), by which wish. */
  settingUp: { life: number; key: string; controller: AbortController } | null
  /** Work of a move in flight. */
  moving: { moveId: string; controller: AbortController } | null
  /** The life beside whose disk a medium with an answer file lies. */
  answers: number | null
  /** The copying of a stranger's disk in flight. */
  adopting: AbortController | null
  /** Ends the saving in flight. */
  savingEnds: AbortController | null
  /** A copy of another machine's disk in flight. */
  copying: AbortController | null
}

export interface KnownImage {
  id: string
  spec: ImageSpec | null
  found: FoundImage | null
  memory: ImageMemory
  making: AbortController | null
  busy: boolean
}

export interface World {
  wishHeard: boolean
  storageId: string
  network: NetworkSpec | null
  /** Null: nothing was heard of it, and what is here is left alone. */
  storage: StorageSpec | null
  /** Grows with every change of any machine's NIC. */
  nicsVersion: number
  machines: Map<string, KnownMachine>
  images: Map<string, KnownImage>
  usb: UsbSeen
}

export interface Listing {
  machines: FoundMachine[]
  overlays: FoundOverlay[]
  images: FoundImage[]
}

export const emptyWorld = (storageId: string): World => ({
  wishHeard: false,
  storageId,
  network: null,
  storage: null,
  nicsVersion: 0,
  machines: new Map(),
  images: new Map(),
  usb: { devices: null },
})

export function machineOf(world: World, id: string): KnownMachine {
  const known = world.machines.get(id)
  if (known) return known
  const fresh: KnownMachine = {
    id,
    spec: null,
    found: null,
    overlays: [],
    memory: freshMemory,
    busy: null,
    decision: null,
    place: null,
    condemned: false,
    move: null,
    saved: null,
    answers: null,
    saving: null,
    storageId: world.storageId,
    usb: world.usb,
    moving: null,
    adopting: null,
    work: null,
    savingEnds: null,
    copying: null,
    version: 0,
    missing: false,
    pinging: null,
    pingFailures: 0,
    nicVersion: 0,
    heard: { stopped: null, agent: false },
    setup: null,
    settingUp: null,
  }
  world.machines.set(id, fresh)
  return fresh
}

export function imageOf(world: World, id: string): KnownImage {
  const known = world.images.get(id)
  if (known) return known
  const fresh: KnownImage = { id, spec: null, found: null, memory: freshImageMemory, making: null, busy: false }
  world.images.set(id, fresh)
  return fresh
}

/** @returns the machines it touched. */
export function worldWish(world: World, spec: HostSpec): Set<string> {
  world.wishHeard = true
  world.network = spec.network
  const wished = new Set([...spec.machines, ...spec.images].map(({ id }) => id))
  const gone = [...world.machines.keys(), ...world.images.keys()].filter(id => !wished.has(id))
  worldChange(world, { ...spec, type: 'change', gone })
  // Everything: what was not judged before the first wish (orphans, images) is judged now.
  return new Set(world.machines.keys())
}

/** @returns the machines it touched. */
export function worldChange(world: World, change: Extract<ToAgent, { type: 'change' }>): Set<string> {
  const touched = new Set<string>()
  for (const id of change.gone) {
    const image = world.images.get(id)
    if (image) image.spec = null
    // A machine never heard of is touched too: it is then reported gone, which is what was asked.
    if (!image) setSpec(world, machineOf(world, id), null)
    if (!image) touched.add(id)
  }
  for (const id of change.remove) {
    const known = machineOf(world, id)
    setSpec(world, known, null)
    known.condemned = true
    touched.add(id)
  }
  if (change.storage) world.storage = change.storage
  for (const spec of change.images) imageOf(world, spec.id).spec = spec
  for (const spec of change.machines) {
    const known = machineOf(world, spec.id)
    setSpec(world, known, spec)
    known.condemned = false
    touched.add(spec.id)
  }
  return touched
}

function setSpec(world: World, known: KnownMachine, spec: MachineSpec | null): void {
  if (JSON.stringify(known.spec?.nic) !== JSON.stringify(spec?.nic)) known.nicVersion = ++world.nicsVersion
  const changed = known.spec?.generation !== spec?.generation
  known.spec = spec
  if (known.move?.id !== spec?.move?.id) known.move = null
  if (changed) known.memory = memoryWished(known.memory)
  // What could not be done is tried under a new wish; whose disk comes or goes is looked at anew.
  if (changed && known.snapshots)
    known.snapshots = spec?.snapshots && !spec.move ? { ...known.snapshots, failed: {} } : noSnapshots
}

/** @returns the machine it touched; `reread` when only a listing can tell what is. */
export function worldEvent(world: World, event: HostEvent, nowMs: number): string | 'reread' | null {
  if (event.type === 'reread') return 'reread'
  const known = world.machines.get(event.machineId)
  // Known already, unless it was found in the middle of its start: where its screen is, is told only then.
  if (event.type === 'started') return known?.busy === 'start' || known?.found?.graphics ? null : 'reread'
  if (!known) return null
  if (event.type === 'resumed' && known.found?.arriving) return guestArrived(known, nowMs)
  // A guest from elsewhere that ran before a listing told of it; one that is being listed now may have been too early.
  if (event.type === 'resumed' && !known.found && known.busy !== 'start') return 'reread'
  // The end that a saving makes is told before the saving is answered: until then nobody knows whether its memory is kept.
  if (known.busy === 'save' && event.type === 'stopped') {
    known.heard.stopped = event.because
    return null
  }
  if (known.busy === 'start') {
    if (event.type === 'stopped') known.heard.stopped = event.because
    if (event.type === 'agent') known.heard.agent = event.connected
  }
  if (!known.found) return null
  known.version++
  if (event.type === 'stopped') machineStopped(known, event.because, nowMs)
  else if (event.type === 'agent') {
    known.found = { ...known.found, agentConnected: event.connected }
    // Its system may start anew, and leave aside what was plugged in.
    if (!event.connected) known.memory = { ...known.memory, growth: { ...known.memory.growth, used: null } }
  } else if (event.type === 'clients') known.memory = { ...known.memory, clients: event.clients }
  else {
    const power = event.type === 'paused' ? 'paused' : 'running'
    if (known.found.power === power) return null
    known.found = { ...known.found, power }
    const full = event.type === 'paused' && event.full === true
    const itself = full || (power === 'paused' && known.busy === null && known.spec?.power === 'running')
    if (itself) known.memory = memoryPausedItself(known.memory, nowMs)
  }
  return known.id
}

/** It runs here from this moment on: no listing is waited for, unless it was found before it had a screen. */
function guestArrived(known: KnownMachine, nowMs: number): string | 'reread' {
  known.version++
  if (!known.found?.graphics) return 'reread'
  known.found = { ...known.found, arriving: false, power: 'running' }
  known.memory = memoryArrived(known.memory, nowMs)
  return known.id
}

export function machineStopped(known: KnownMachine, because: 'wished' | 'guest' | 'crashed', nowMs: number): void {
  // What was still coming ran elsewhere: its end here is none of the machine.
  const asked =
    known.found?.arriving || known.busy === 'destroy' || known.spec === null || known.spec.power === 'stopped'
  known.found = null
  known.missing = false
  known.version++
  known.memory = memoryStopped(known.memory, asked ? 'wished' : because, known.spec?.generation ?? 0, nowMs)
}

/** Seen here for the first time, and running: it ran elsewhere until now. */
const comesHere = ({ spec }: KnownMachine, { arriving }: FoundMachine) =>
  !arriving && spec?.move?.role === 'arrive' && spec.move.kind !== 'offline'

/** Of the life that is wished; without a wish of any: it goes with its disk. */
function savedOf({ spec }: KnownMachine, overlays: readonly FoundOverlay[]): KnownMemory | null {
  const found = overlays.find(({ memory, incarnation }) => memory && (!spec || incarnation === spec.incarnation))
  return found?.memory ? { ...found.memory, incarnation: found.incarnation } : null
}

/** Before a listing: which version of each machine it may overwrite. */
export const worldVersions = (world: World) => new Map([...world.machines].map(([id, { version }]) => [id, version]))

/**
 * Takes over what the host says exists, except where something changed while it was asked.
 * @returns the machines it touched, and whether some are missing of which a second listing must tell.
 */
export function worldListing(
  world: World,
  listing: Listing,
  before: Map<string, number>,
  nowMs: number,
): { touched: Set<string>; missing: boolean } {
  const found = new Map(listing.machines.map(machine => [machine.id, machine]))
  const overlays = Map.groupBy(listing.overlays, overlay => overlay.machineId)
  const touched = new Set<string>()
  let missing = false
  for (const id of new Set([...world.machines.keys(), ...found.keys(), ...overlays.keys()])) {
    const known = machineOf(world, id)
    if (known.busy || known.version !== (before.get(id) ?? 0)) continue
    const now = found.get(id) ?? null
    const came = now && (!known.found || (known.found.arriving && !now.arriving))
    if (came) known.memory = (comesHere(known, now) ? memoryArrived : memoryAdopted)(known.memory, nowMs)
    if (known.found && !now && !known.missing) {
      known.missing = missing = true
      continue
    }
    if (known.found && !now) machineStopped(known, 'crashed', nowMs)
    known.missing = false
    known.found = now
    if (now) known.memory = { ...known.memory, clients: now.clients }
    known.overlays = (overlays.get(id) ?? []).map(({ incarnation }) => incarnation)
    known.saved = savedOf(known, overlays.get(id) ?? [])
    known.answers = overlays.get(id)?.find(({ answers }) => answers)?.incarnation ?? null
    known.version++
    touched.add(id)
  }
  const images = new Map(listing.images.map(image => [image.id, image]))
  for (const id of new Set([...world.images.keys(), ...images.keys()])) {
    const known = imageOf(world, id)
    if (!known.busy) known.found = images.get(id) ?? null
  }
  return { touched, missing }
}
