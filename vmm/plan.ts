/**
 * The next step for one machine or one image: wished against observed. Pure. The agent asks again after every step,
 * event and report, so a plan never looks further ahead than one step, and a killed agent loses nothing.
 *
 *              make disk          start            (guest answers)
 *   (nothing) ───────────▶ disk ───────────▶ runs ─────────────────▶ ready
 *       ▲                  │  ▲               │
 *       └── remove disk ───┘  └─ shut down, ──┘      another incarnation: destroy → remove disk → make disk → start
 *                                destroy
 */

import { type MachineDecision, type MachineFacts, take, wait } from './decision.ts'
import { dongleRetryAtMs, planDongles } from './dongles.ts'
import { growthLookAtMs, planGrowth } from './growing.ts'
import type { FoundMachine } from './host.ts'
import { type MachineMemory, trustEndsAtMs } from './memory.ts'
import { planMove } from './moves.ts'
import { planVolumes, volumesMissing } from './plan-volumes.ts'
import type { Trouble } from './report.ts'
import { planSnapshots } from './snapshots.ts'
import type { ImageSpec, MachineSpec } from './spec.ts'

export type { MachineDecision, MachineFacts, MachineStep } from './decision.ts'

/** A guest that is still booting does not hear the power button: it is pressed again this often. */
const shutdownRepeatMs = 5_000

export function planMachine(facts: MachineFacts, nowMs: number): MachineDecision {
  const decision = decide(facts, nowMs)
  const { retryAtMs } = facts.memory
  const held = decision.step !== null && nowMs < retryAtMs
  return held ? wait(`tried again later: ${decision.because}`, retryAtMs) : decision
}

function decide(facts: MachineFacts, nowMs: number): MachineDecision {
  const { spec, found, overlays } = facts
  if (!spec) return planUnwished(facts)
  const move = planMove(spec, facts, nowMs)
  if (move === 'end it') return planStop(spec, facts.memory, nowMs)
  if (move) return move
  if (found?.arriving) return wait('it is on its way')
  if (found && found.incarnation !== spec.incarnation) return take({ do: 'destroy' }, 'its disk is of an earlier life')
  // Lives only grow: a later disk on shared storage is another host's, and it is this host's wish that is old.
  const stale = overlays.find(incarnation => incarnation < spec.incarnation)
  if (stale !== undefined) return take({ do: 'remove disk', incarnation: stale }, 'the disk is of an earlier life')
  return found ? planRunning(spec, found, facts, nowMs) : planStanding(spec, facts)
}

/** A disk that nobody condemned stays: on shared storage it may be another host's by now. */
function planUnwished({ wishHeard, found, overlays, condemned }: MachineFacts): MachineDecision {
  if (!wishHeard) return wait('no whole wish was heard yet')
  if (found) return take({ do: 'destroy' }, 'it is not wished any more')
  const [incarnation] = overlays
  if (incarnation !== undefined && !condemned) return wait('its disk may be another host’s')
  if (incarnation !== undefined) return take({ do: 'remove disk', incarnation }, 'its machine is not wished any more')
  return wait('nothing is left of it')
}

function planRunning(spec: MachineSpec, found: FoundMachine, facts: MachineFacts, nowMs: number): MachineDecision {
  const { memory, disc = 'ready' } = facts
  if (spec.power === 'stopped') return spec.keepMemory ? planSave(spec, facts) : planStop(spec, memory, nowMs)
  const admit = planAdmit(spec, memory)
  if (admit) return admit
  if (spec.power === 'paused' && found.power === 'running') return take({ do: 'pause' }, 'it is wished paused')
  if (spec.power === 'running' && found.power === 'paused') return take({ do: 'resume' }, 'it is wished running')
  if (facts.saved) return take({ do: 'forget memory' }, 'it went on from there')
  const snapshots = planSnapshots(spec, facts)
  if (snapshots) return snapshots
  // Last of all: a disk that cannot grow, and a disc that does not come, keep nobody from anything.
  const last =
    planAnswers(spec, facts) ??
    planVolumes(spec, found, facts.volumes) ??
    planDongles(facts, nowMs) ??
    planDisc(spec, found, disc) ??
    planGrow(spec, memory) ??
    planGrowth(spec, found, memory, nowMs)
  if (last) return last
  const endsAtMs = trustEndsAtMs(memory, nowMs) ?? bootEndsAtMs(spec, memory, nowMs)
  const wakes = [endsAtMs, dongleRetryAtMs(memory, nowMs), growthLookAtMs(memory, nowMs)].filter(atMs => atMs !== null)
  return wait('as wished', wakes.length > 0 ? Math.min(...wakes) : null)
}

/** Tried once for a wish: a guest that cannot be saved runs on, and whoever wished it is told. */
function planSave({ generation }: MachineSpec, { saving }: MachineFacts): MachineDecision {
  if (saving?.trouble && saving.generation === generation) return wait('its memory could not be saved: it runs on')
  return take({ do: 'save' }, 'its memory shall be kept')
}

/** It holds passwords: it is there only for a guest that reads it, and its start makes it anew. */
function planAnswers(
  { answers: wished, power }: MachineSpec,
  { answers = null }: MachineFacts,
): MachineDecision | null {
  if (answers === null || (wished && power !== 'stopped')) return null
  return take({ do: 'take answers' }, 'its answer file is needed no more')
}

/** Where it has a drive: else its next start gives it one. */
function planDisc(
  { cdrom = null }: MachineSpec,
  found: FoundMachine,
  disc: MachineFacts['image'],
): MachineDecision | null {
  if (!found.cdrom || found.cdrom.imageId === cdrom || disc !== 'ready') return null
  return take(
    { do: 'change disc', imageId: cdrom },
    cdrom === null ? 'its drive shall be empty' : 'there is a new disc',
  )
}

/** Disks are made as large as they are wished, and only ever grow. */
function planGrow({ hardware: { diskBytes } }: MachineSpec, memory: MachineMemory): MachineDecision | null {
  if (diskBytes === null || memory.diskBytes === diskBytes) return null
  return take({ do: 'grow disk', sizeBytes: diskBytes }, 'it is wished larger')
}

function planAdmit(spec: MachineSpec, memory: MachineMemory): MachineDecision | null {
  const serial = spec.graphics?.serial ?? 0
  if (serial === memory.admittedSerial) return null
  return take({ do: 'admit', serial }, serial === 0 ? 'nobody shall get in' : 'there is a new screen password')
}

function planStop(spec: MachineSpec, memory: MachineMemory, nowMs: number): MachineDecision {
  if (spec.stopGraceMs <= 0) return take({ do: 'destroy' }, 'it is wished stopped at once')
  const { shutdownAskedAtMs: asked, shutdownLastAskedAtMs: last } = memory
  if (asked === null || last === null) return take({ do: 'shut down' }, 'it is wished stopped')
  const endsAtMs = asked + spec.stopGraceMs
  if (nowMs >= endsAtMs) return take({ do: 'destroy' }, `it did not shut down within ${spec.stopGraceMs} ms`)
  const againAtMs = last + shutdownRepeatMs
  if (nowMs >= againAtMs) return take({ do: 'shut down' }, 'it was asked and goes on')
  return wait('it was asked to shut down', Math.min(endsAtMs, againAtMs))
}

const diskMissing: Trouble = {
  code: 'not_found',
  text: 'The desktop’s disk is missing on this host. Look whether its storage is mounted; else restore a backup or reset the desktop.',
}

function planStanding(spec: MachineSpec, facts: MachineFacts): MachineDecision {
  const { overlays, image, memory } = facts
  if (!overlays.includes(spec.incarnation)) {
    // On shared storage another host may have made it since the last listing.
    if (spec.diskMade && memory.lookedGeneration !== spec.generation)
      return take({ do: 'look for disk' }, 'its disk was not there when the disks were listed')
    if (spec.diskMade) return wait('its disk is missing', null, diskMissing)
    if (image === 'ready' && spec.adopt)
      return take({ do: 'adopt disk', incarnation: spec.incarnation }, 'its disk is that of a machine of the host')
    if (image === 'ready' && spec.clone)
      return take({ do: 'copy disk', incarnation: spec.incarnation }, 'it is a copy of another one')
    if (image === 'ready') return take({ do: 'make disk', incarnation: spec.incarnation }, 'it has no disk')
    return image === 'coming' ? wait('its image is being made') : wait('its image is missing', null, image)
  }
  if (spec.power === 'stopped' && facts.saved)
    return spec.keepMemory
      ? wait('its memory is kept')
      : take({ do: 'forget memory' }, 'its memory is not wished any more')
  const snapshots = planSnapshots(spec, facts)
  if (snapshots) return snapshots
  const answers = planAnswers(spec, facts)
  if (answers) return answers
  if (spec.power === 'stopped') return planGrow(spec, memory) ?? wait('as wished')
  if (memory.stopped === 'guest' && memory.restsGeneration === spec.generation)
    return wait('the guest shut itself down: it rests until its wish changes')
  const { disc = 'ready' } = facts
  if (disc !== 'ready') return wait('its disc is being fetched', null, disc === 'coming' ? null : disc)
  if (spec.nic && !facts.networkReady) return wait('the network is being made', null, facts.networkTrouble)
  const missing = volumesMissing(spec, facts.volumes)
  if (missing) return wait(missing.because, null, missing.trouble)
  return take({ do: 'start' }, memory.stopped === 'crashed' ? 'it crashed' : 'it is wished running')
}

export const isReady = (
  spec: MachineSpec | null,
  found: FoundMachine | null,
  memory: MachineMemory,
  nowMs: number,
): boolean =>
  found !== null && (spec?.readyWhen === 'running' || memory.answered || trustEndsAtMs(memory, nowMs) !== null)

/** The moment a boot counts as failed; null when it is over, one way or the other. */
export function bootEndsAtMs(spec: MachineSpec, memory: MachineMemory, nowMs: number): number | null {
  if (memory.bootedAtMs === null || memory.answered || spec.readyWhen === 'running') return null
  const endsAtMs = memory.bootedAtMs + spec.bootTimeoutMs
  return nowMs < endsAtMs ? endsAtMs : null
}

/** Runs, and neither answered nor ran out of time: it holds one of the slots of boot.ts. */
export const isBooting = (spec: MachineSpec | null, found: FoundMachine | null, memory: MachineMemory, nowMs: number) =>
  spec !== null &&
  found?.power === 'running' &&
  trustEndsAtMs(memory, nowMs) === null &&
  bootEndsAtMs(spec, memory, nowMs) !== null

export interface ImageMemory {
  state: 'waiting' | 'making' | 'failed'
  /** The attempt that is or was made. */
  attempt: number
  progress: number
  text: string
  trouble: Trouble | null
  failures: number
  retryAtMs: number
}

export const freshImageMemory: ImageMemory = {
  state: 'waiting',
  attempt: -1,
  progress: 0,
  text: '',
  trouble: null,
  failures: 0,
  retryAtMs: 0,
}

export interface ImageFacts {
  spec: ImageSpec | null
  found: boolean
  /** A wished machine names it. */
  used: boolean
  memory: ImageMemory
  wishHeard: boolean
}

export interface ImageDecision {
  step: 'make' | 'abort' | 'remove' | null
  because: string
  wakeAtMs: number | null
}

/** Failures that pass by themselves; any other waits for a person's "try again" (`attempt`). */
const passing: readonly string[] = ['unreachable', 'timeout', 'storage_full', 'conflict', 'cancelled']

export function planImage({ spec, found, used, memory, wishHeard }: ImageFacts, nowMs: number): ImageDecision {
  const rest = (because: string, wakeAtMs: number | null = null): ImageDecision => ({ step: null, because, wakeAtMs })
  if (!wishHeard) return rest('no whole wish was heard yet')
  if (!spec) {
    if (memory.state === 'making') return { step: 'abort', because: 'it is not wished any more', wakeAtMs: null }
    if (!found) return rest('nothing is left of it')
    if (used) return rest('a wished machine stands on it')
    if (nowMs < memory.retryAtMs) return rest('an overlay stands on it', memory.retryAtMs)
    return { step: 'remove', because: 'it is not wished any more', wakeAtMs: null }
  }
  if (found) return rest('as wished')
  if (memory.state === 'making') return rest('it is being made')
  const failed = memory.state === 'failed' && memory.attempt >= spec.attempt
  if (failed && !passing.includes(memory.trouble?.code ?? '')) return rest('it failed and waits for a person')
  if (failed && nowMs < memory.retryAtMs) return rest('it is tried again later', memory.retryAtMs)
  return { step: 'make', because: failed ? 'it is tried again' : 'it is wished', wakeAtMs: null }
}
