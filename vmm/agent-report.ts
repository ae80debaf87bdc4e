/** What the agent says of a machine or an image, from what it knows. Pure. */

import { setupOf, setupShown, setupTrouble } from './agent-setup.ts'
import type { KnownMemory, Saving, UsbSeen } from './decision.ts'
import { dongleReports } from './dongles.ts'
import { growthText } from './growing.ts'
import type { FoundImage, FoundMachine } from './host.ts'
import type { MachineMemory } from './memory.ts'
import { moveReport } from './moves.ts'
import { type ImageMemory, isBooting, isReady, type MachineDecision, type MachineStep } from './plan.ts'
import type { ImageReport, MachineReport, MoveReport, SetupReport, Trouble } from './report.ts'
import { type SnapshotsKnown, snapshotsReport } from './snapshots.ts'
import type { ImageSpec, MachineSpec } from './spec.ts'

export interface MachineKnown {
  id: string
  spec: MachineSpec | null
  found: FoundMachine | null
  overlays: readonly number[]
  memory: MachineMemory
  /** The step in flight. */
  busy: MachineStep['do'] | null
  decision: MachineDecision | null
  /** Its place among those that wait for a boot; null when it does not. */
  place: number | null
  /** Its disks shall be destroyed: said by name (docs/decisions/0006). */
  condemned: boolean
  /** How far its move came in this process. */
  move: MoveReport | null
  saved: KnownMemory | null
  saving: Saving | null
  snapshots?: SnapshotsKnown
  /** Of this host's storage. */
  storageId: string
  /** How the customisation of its guest stands, in this process. */
  setup?: SetupReport | null
  usb?: UsbSeen
  /** How far long work of the step in flight is. */
  work?: MachineReport['work']
}

const shownSteps = {
  'make disk': 'making disk',
  'adopt disk': 'making disk',
  'remove disk': 'removing',
  start: 'starting',
  destroy: 'stopping',
  'shut down': 'stopping',
  pause: null,
  resume: 'starting',
  admit: null,
  'look for disk': null,
  'grow disk': null,
  grow: null,
  'use all': null,
  'attach volume': null,
  'detach volume': null,
  save: 'stopping',
  'forget memory': null,
  'copy disk': 'making disk',
  'change disc': null,
  'take answers': null,
  'look at snapshots': null,
  'take snapshot': null,
  'remove snapshot': null,
  revert: null,
  'await guest': null,
  'fetch disk': null,
  'send guest': null,
  'send disk': null,
  'attach dongle': null,
  'detach dongle': null,
} satisfies Record<MachineStep['do'], MachineReport['step']>

export function machineReport(known: MachineKnown, nowMs: number): MachineReport {
  const { id, spec, found, memory } = known
  const setup = setupOf(known)
  const ready = isReady(spec, found, memory, nowMs)
  const dongles = dongleReports(known)
  return {
    id,
    generation: spec?.generation ?? 0,
    incarnation: found?.incarnation ?? incarnationOf(known),
    power: found?.power ?? 'stopped',
    stopped: found ? null : memory.stopped,
    ready,
    step: stepOf(known, nowMs),
    ...(found?.hardware && { hardware: { ...found.hardware, text: spec ? growthText(spec, memory.growth) : '' } }),
    cdrom: found?.cdrom ?? null,
    queuePlace: lockedOut(known) ? null : known.place,
    graphics: found?.graphics ? { ...found.graphics, serial: memory.admittedSerial ?? 0 } : null,
    clients: found ? memory.clients : 0,
    move: moveReport(known, known.decision),
    ...(known.work && { work: known.work }),
    ...savedReport(known),
    ...snapshotsReport(spec, known.snapshots),
    trouble: troubleOf(known, ready, nowMs),
    ...(setup && { setup: setupShown(setup) }),
    ...(dongles && { dongles }),
  }
}

/** Nothing for the many whose memory is nobody's wish. */
function savedReport({ spec, found, saved, saving }: MachineKnown): Pick<MachineReport, 'saved'> {
  if (!found && saved) return { saved: { state: 'saved', bytes: saved.bytes, savedAt: saved.savedAt } }
  if (!spec?.keepMemory || !saving || saving.generation !== spec.generation) return {}
  const { trouble, progress } = saving
  return { saved: trouble ? { state: 'failed', trouble } : { state: 'saving', progress } }
}

function incarnationOf({ spec, overlays }: MachineKnown): number | null {
  if (spec && overlays.includes(spec.incarnation)) return spec.incarnation
  return overlays[0] ?? null
}

/** Another host has its disk: it is tried again and again, and each try is over at once. */
const lockedOut = ({ found, memory }: Pick<MachineKnown, 'found' | 'memory'>) =>
  found?.power !== 'running' && memory.trouble?.code === 'disk_in_use'

function stepOf(known: MachineKnown, nowMs: number): MachineReport['step'] {
  const { spec, found, memory, busy, place } = known
  if (lockedOut(known)) return null
  if (busy && shownSteps[busy]) return shownSteps[busy]
  if (place !== null) return 'queued'
  if (found && spec?.power === 'stopped') return 'stopping'
  return isBooting(spec, found, memory, nowMs) ? 'booting' : null
}

function troubleOf(known: MachineKnown, ready: boolean, nowMs: number): Trouble | null {
  const { spec, found, memory, decision } = known
  // It runs: the disk is its own again.
  if (memory.trouble && !(found?.power === 'running' && memory.trouble.code === 'disk_in_use')) return memory.trouble
  if (decision?.trouble) return decision.trouble
  const setup = setupTrouble(known)
  if (setup) return setup
  const silent = spec && found?.power === 'running' && spec.power === 'running' && !ready
  if (!silent || isBooting(spec, found, memory, nowMs)) return null
  const seconds = Math.round(spec.bootTimeoutMs / 1000)
  const text = `The guest did not answer within ${seconds} s of its start. Its image may lack a guest agent, or it hangs.`
  return { code: 'timeout', text }
}

export function imageReport(
  id: string,
  spec: ImageSpec | null,
  found: FoundImage | null,
  memory: ImageMemory,
): ImageReport {
  return {
    id,
    attempt: spec?.attempt ?? 0,
    state: found ? 'ready' : memory.state,
    progress: found ? 100 : memory.progress,
    text: found ? '' : memory.text,
    virtualBytes: found?.virtualBytes ?? null,
    storedBytes: found?.storedBytes ?? null,
    sha256: found?.sha256 ?? null,
    trouble: found ? null : memory.trouble,
  }
}
