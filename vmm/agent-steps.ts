/** How each step of plan.ts is taken: one call of the host, then what it proved is noted. */
import { randomBytes } from 'node:crypto'
import { HdcsError } from '../lib/errors.ts'
import { dongleSteps } from './agent-dongles.ts'
import { growthSteps } from './agent-growing.ts'
import { type KnownMachine, machineStopped } from './agent-world.ts'
import type { Host, Progress } from './host.ts'
import { memoryStarted, memoryStopped } from './memory.ts'
import { diskShared, freshMove } from './moves.ts'
import type { MachineStep } from './plan.ts'
import { noSnapshots } from './snapshots.ts'
import type { MachineSpec } from './spec.ts'

type Take<K extends MachineStep['do']> = (
  host: Host,
  known: KnownMachine,
  step: Extract<MachineStep, { do: K | string }> & { do: K },
  now: () => number,
  /** What is said of the machine changed while the step goes on. */
  told: () => void,
) => Promise<void>

const specOf = (known: KnownMachine): MachineSpec => {
  if (!known.spec) throw new HdcsError('cancelled', 'The machine is not wished any more.')
  return known.spec
}

const diskOf = (known: KnownMachine) => ({ machineId: known.id, incarnation: specOf(known).incarnation })

export const machineSteps = {
  async 'make disk'(host, known, { incarnation }) {
    await host.overlayMake({ ...specOf(known), incarnation })
    known.overlays = [...known.overlays.filter(other => other !== incarnation), incarnation]
    known.memory = { ...known.memory, diskBytes: specOf(known).hardware.diskBytes }
  },
  async 'adopt disk'(host, known, { incarnation }, _now, told) {
    const spec = specOf(known)
    if (!spec.adopt) return
    const { foreignId } = spec.adopt
    const controller = new AbortController()
    known.adopting = controller
    const progress: Progress = (percent, text) => {
      known.work = { progress: Math.round(Math.min(100, Math.max(0, percent))), text }
      told()
    }
    try {
      await host.foreignAdopt({ ...spec, incarnation }, foreignId, progress, controller.signal)
    } finally {
      known.adopting = null
      known.work = null
    }
    known.overlays = [...known.overlays.filter(other => other !== incarnation), incarnation]
  },
  async 'grow disk'(host, known, { sizeBytes }) {
    await host.overlayGrow({ machineId: known.id, incarnation: specOf(known).incarnation }, sizeBytes)
    known.memory = { ...known.memory, diskBytes: sizeBytes }
  },
  async 'attach volume'(host, known, { volumeId }) {
    const volume = specOf(known).volumes?.find(({ id }) => id === volumeId)
    if (!volume) return
    await host.volumeAttach(known.id, volume)
    if (known.found) known.found = { ...known.found, volumes: [...(known.found.volumes ?? []), volumeId] }
  },
  async 'detach volume'(host, known, { volumeId }) {
    await host.volumeDetach(known.id, volumeId)
    const { found } = known
    if (found) known.found = { ...found, volumes: found.volumes?.filter(id => id !== volumeId) ?? [] }
  },
  async 'copy disk'(host, known, { incarnation }, _now, told) {
    const spec = specOf(known)
    if (!spec.clone) return
    const controller = new AbortController()
    known.copying = controller
    try {
      const progress: Progress = (percent, text) => {
        known.work = { progress: Math.round(Math.min(100, Math.max(0, percent))), text }
        told()
      }
      await host.overlayClone({ ...spec, incarnation }, spec.clone, progress, controller.signal)
    } finally {
      known.copying = null
      known.work = null
    }
    known.overlays = [...known.overlays.filter(other => other !== incarnation), incarnation]
  },
  async 'change disc'(host, known, { imageId }) {
    await host.machineDisc(known.id, imageId)
    if (known.found) known.found = { ...known.found, cdrom: { imageId } }
  },
  async 'take answers'(host, known) {
    if (known.answers !== null) await host.answersRemove({ machineId: known.id, incarnation: known.answers })
    known.answers = null
  },
  async 'remove disk'(host, known, { incarnation }) {
    await host.overlayRemove({ machineId: known.id, incarnation })
    known.overlays = known.overlays.filter(other => other !== incarnation)
    if (known.saved?.incarnation === incarnation) known.saved = null
    if (known.answers === incarnation) known.answers = null
  },
  async save(host, known, _step, now, told) {
    const { generation, incarnation } = specOf(known)
    const controller = new AbortController()
    const say = (percent: number) => {
      known.saving = { generation, progress: Math.round(Math.min(100, Math.max(0, percent))), trouble: null }
      told()
    }
    known.savingEnds = controller
    known.heard = { stopped: null, agent: false }
    say(0)
    try {
      const memory = await host.machineSave(known.id, { machineId: known.id, incarnation }, say, controller.signal)
      known.saved = { ...memory, incarnation }
      known.heard.stopped = 'wished'
    } finally {
      known.savingEnds = null
      if (known.found && known.heard.stopped) machineStopped(known, known.heard.stopped, now())
    }
  },
  async 'forget memory'(host, known) {
    if (known.saved) await host.memoryForget({ machineId: known.id, incarnation: known.saved.incarnation })
    known.saved = null
  },
  async 'look at snapshots'(host, known) {
    const frozenThen = new Map(known.snapshots?.found?.map(({ id, frozen }) => [id, frozen]))
    const found = await host.snapshots(diskOf(known))
    const told = found.map(one => ({ ...one, frozen: frozenThen.get(one.id) ?? null }))
    known.snapshots = { ...(known.snapshots ?? noSnapshots), found: told }
  },
  async 'take snapshot'(host, known, { snapshotId: id }) {
    const { frozen } = await host.snapshotTake(diskOf(known), id)
    const found = await host.snapshots(diskOf(known))
    const before = new Map(known.snapshots?.found?.map(one => [one.id, one.frozen]))
    const told = found.map(one => ({ ...one, frozen: one.id === id ? frozen : (before.get(one.id) ?? null) }))
    known.snapshots = { ...(known.snapshots ?? noSnapshots), found: told }
  },
  async 'remove snapshot'(host, known, { snapshotId: id }) {
    await host.snapshotRemove(diskOf(known), id)
    const known_ = known.snapshots ?? noSnapshots
    known.snapshots = { ...known_, found: known_.found?.filter(one => one.id !== id) ?? null }
  },
  async revert(host, known, { snapshotId, revertId }) {
    await host.snapshotRevert(diskOf(known), snapshotId)
    // It may be smaller than it was by now: it grows again.
    known.memory = { ...known.memory, diskBytes: null }
    known.snapshots = { ...(known.snapshots ?? noSnapshots), reverted: revertId }
  },
  async start(host, known, _step, now) {
    known.heard = { stopped: null, agent: false }
    const spec = specOf(known)
    const kept = known.saved?.incarnation === spec.incarnation
    if (!kept && spec.answers) known.answers = spec.incarnation
    const found = await (kept ? host.machineRestore(spec) : host.machineStart(spec))
    known.memory = memoryStarted(known.memory, now())
    if (known.heard.stopped) {
      // It died before its start was answered: the event came first.
      known.memory = memoryStopped(known.memory, known.heard.stopped, spec.generation, now())
      return
    }
    known.found = { ...found, agentConnected: found.agentConnected || known.heard.agent }
    known.pingFailures = 0
  },
  async destroy(host, known, _step, now) {
    await host.machineDestroy(known.id)
    if (known.found) machineStopped(known, 'wished', now())
  },
  async 'shut down'(host, known, _step, now) {
    const { memory } = known
    // Noted before it is asked: a guest that is asked and ends at once was not asked by itself.
    known.memory = { ...memory, shutdownAskedAtMs: memory.shutdownAskedAtMs ?? now(), shutdownLastAskedAtMs: now() }
    await host.machineShutdown(known.id)
  },
  async pause(host, known) {
    await host.machinePause(known.id)
    if (known.found) known.found = { ...known.found, power: 'paused' }
  },
  async resume(host, known) {
    await host.machineResume(known.id)
    if (known.found) known.found = { ...known.found, power: 'running' }
  },
  async admit(host, known, { serial }) {
    const { stops } = known.memory
    const wished = known.spec?.graphics
    const graphics =
      wished && wished.serial === serial
        ? await host.graphicsAdmit(known.id, wished.password, new Date(wished.validUntil))
        : await host.graphicsAdmit(known.id, randomBytes(24).toString('base64url'), new Date(0))
    // Another life since: its QEMU has not heard of this password.
    if (!known.found || known.memory.stops !== stops) return
    known.memory = { ...known.memory, admittedSerial: serial }
    if (graphics) known.found = { ...known.found, graphics }
  },
  async 'look for disk'(host, known) {
    const generation = known.spec?.generation ?? null
    const mine = (await host.overlays()).filter(({ machineId }) => machineId === known.id)
    known.overlays = mine.map(({ incarnation }) => incarnation)
    known.memory = { ...known.memory, lookedGeneration: generation }
  },
  async 'await guest'(host, known, { moveId }) {
    const spec = specOf(known)
    if (spec.move?.id !== moveId) return
    await host.arrivalPrepare(spec, { moveId, shared: diskShared(spec.move, known.storageId) })
    known.overlays = [...known.overlays.filter(other => other !== spec.incarnation), spec.incarnation]
    known.move = freshMove(moveId, 'ready')
  },
  async 'fetch disk'(host, known, { moveId }, _now, told) {
    const spec = specOf(known)
    await moveWork(known, moveId, 'ready', told, (progress, signal) =>
      host.overlayFetch(spec, moveId, progress, signal),
    )
    known.overlays = [...known.overlays.filter(other => other !== spec.incarnation), spec.incarnation]
    known.move = freshMove(moveId, 'arrived')
  },
  async 'send guest'(host, known, { moveId }, now, told) {
    const { move } = specOf(known)
    if (move?.role !== 'leave' || move.kind === 'offline' || move.id !== moveId) return
    if (move.targetUri === null)
      throw new HdcsError('unsupported', 'The target host takes no running guests: set up libvirt’s TLS there.')
    const { kind, targetUri, targetAddress: address, targetPort: port } = move
    const departure = { moveId, kind, targetUri, screen: { address, port } }
    await moveWork(known, moveId, 'moving', told, (progress, signal) =>
      host.machineSend(known.id, departure, progress, signal),
    )
    if (known.found) machineStopped(known, 'wished', now())
    known.move = freshMove(moveId, 'left')
  },
  async 'send disk'(host, known, { moveId }, _now, told) {
    const { id: machineId, incarnation } = specOf(known)
    await moveWork(known, moveId, 'moving', told, (progress, signal) =>
      host.overlaySend({ machineId, incarnation }, moveId, progress, signal),
    )
    known.move = freshMove(moveId, 'left')
  },
  ...dongleSteps,
  ...growthSteps,
} satisfies { [K in MachineStep['do']]: Take<K> }

/** Long work of a move: what comes of it is told on the way, and it can be aborted (agent.ts, when its wish ends). */
async function moveWork(
  known: KnownMachine,
  moveId: string,
  before: 'ready' | 'moving',
  told: () => void,
  work: (progress: Progress, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const controller = new AbortController()
  known.moving = { moveId, controller }
  known.move = freshMove(moveId, before)
  told()
  const progress: Progress = (percent, text) => {
    const rounded = Math.round(Math.min(100, Math.max(0, percent)))
    known.move = { ...freshMove(moveId, 'moving', text), progress: rounded }
    told()
  }
  try {
    await work(progress, controller.signal)
  } finally {
    known.moving = null
  }
}

/** Which lane a step runs in: widths in agent.ts. */
export const stepLanes = {
  'make disk': 'disk',
  'adopt disk': 'move',
  'remove disk': 'disk',
  start: 'start',
  destroy: 'stop',
  'shut down': 'quick',
  pause: 'quick',
  resume: 'quick',
  admit: 'quick',
  'look for disk': 'quick',
  'grow disk': 'disk',
  grow: 'quick',
  'use all': 'quick',
  'attach dongle': 'quick',
  'detach dongle': 'quick',
  'attach volume': 'quick',
  'detach volume': 'quick',
  save: 'move',
  'forget memory': 'quick',
  'copy disk': 'move',
  'change disc': 'quick',
  'take answers': 'quick',
  'look at snapshots': 'disk',
  'take snapshot': 'disk',
  'remove snapshot': 'disk',
  revert: 'disk',
  'await guest': 'disk',
  'fetch disk': 'move',
  'send guest': 'move',
  'send disk': 'move',
} satisfies Record<MachineStep['do'], 'disk' | 'start' | 'stop' | 'quick' | 'move'>

/** A failure of these is the move's, not the machine's. */
const moveSteps: readonly MachineStep['do'][] = ['await guest', 'fetch disk', 'send guest', 'send disk']
export const isMoveStep = (step: MachineStep) => moveSteps.includes(step.do)

export function takeStep(
  host: Host,
  known: KnownMachine,
  step: MachineStep,
  now: () => number,
  told: () => void,
): Promise<void> {
  const take = machineSteps[step.do] as Take<MachineStep['do']>
  return take(host, known, step as never, now, told)
}
