/**
 * All the agent knows: wished and observed, machine by machine. These functions change it and answer which machines
 * are touched; they start nothing (agent.ts does).
 */
import type { MachineKnown } from './agent-report.ts'
import type { FoundImage, FoundMachine, FoundOverlay, HostEvent } from './host.ts'
import { freshMemory, memoryAdopted, memoryArrived, memoryPausedItself, memoryStopped, memoryWished } from './memory.ts'
import { freshImageMemory, type ImageMemory } from './plan.ts'
import type { ToAgent } from './protocol.ts'
import type { HostSpec, ImageSpec, MachineSpec, NetworkSpec } from './spec.ts'

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
  /** What was heard while the start was still in flight. */
  heard: { stopped: 'wished' | 'guest' | 'crashed' | null; agent: boolean }
  /** Work of a move in flight. */
  moving: { moveId: string; controller: AbortController } | null
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
  /** Grows with every change of any machine's NIC. */
  nicsVersion: number
  machines: Map<string, KnownMachine>
  images: Map<string, KnownImage>
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
  nicsVersion: 0,
  machines: new Map(),
  images: new Map(),
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
    storageId: world.storageId,
    moving: null,
    version: 0,
    missing: false,
    pinging: null,
    pingFailures: 0,
    nicVersion: 0,
    heard: { stopped: null, agent: false },
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
  if (known.busy === 'start') {
    if (event.type === 'stopped') known.heard.stopped = event.because
    if (event.type === 'agent') known.heard.agent = event.connected
  }
  if (!known.found) return null
  known.version++
  if (event.type === 'stopped') machineStopped(known, event.because, nowMs)
  else if (event.type === 'agent') known.found = { ...known.found, agentConnected: event.connected }
  else if (event.type === 'clients') known.memory = { ...known.memory, clients: event.clients }
  else {
    const power = event.type === 'paused' ? 'paused' : 'running'
    if (known.found.power === power) return null
    known.found = { ...known.found, power }
    const itself = power === 'paused' && known.busy === null && known.spec?.power === 'running'
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
