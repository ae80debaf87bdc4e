/**
 * A machine's way from one host to another, as each of the two plans and tells it (docs/decisions/0006). Pure.
 *
 *   target   preparing ──image, network, disk──▶ ready ──(the guest comes)──▶ moving ──▶ arrived
 *   source   preparing ──told to send──▶ moving ──gone from here──▶ left
 *
 * What one of them said stays said as long as the move is wished; only the control plane ends a move.
 */
import { type MachineDecision, type MachineFacts, type MachineStep, take, wait } from './decision.ts'
import { trustEndsAtMs } from './memory.ts'
import type { MoveReport, Trouble } from './report.ts'
import type { MachineSpec, MoveSpec } from './spec.ts'

type Arriving = Extract<MoveSpec, { role: 'arrive' }>
type Leaving = Extract<MoveSpec, { role: 'leave' }>

export const freshMove = (id: string, state: MoveReport['state'], text = ''): MoveReport => ({
  id,
  state,
  progress: state === 'arrived' || state === 'left' ? 100 : 0,
  text,
  trouble: null,
})

/** What this process said of this very move. */
const saidOf = ({ move }: Pick<MachineFacts, 'move'>, { id }: MoveSpec) => (move?.id === id ? move : null)

/** Whether both hosts use one storage, so that no disk has to be sent. */
export const diskShared = (move: MoveSpec, storageId: string) =>
  (move.role === 'arrive' ? move.sourceStorageId : move.targetStorageId) === storageId

/** @returns null when the machine is at home here: everything is as ever. */
export function planMove(spec: MachineSpec, facts: MachineFacts, nowMs: number): MachineDecision | 'end it' | null {
  if (spec.move?.role === 'arrive') return planArriving(spec, spec.move, facts, nowMs)
  return spec.move?.role === 'leave' ? planLeaving(spec, spec.move, facts) : null
}

/** Nothing of the guest is touched: it belongs to its source until the control plane says otherwise. */
function planArriving(spec: MachineSpec, move: Arriving, facts: MachineFacts, nowMs: number): MachineDecision {
  const { found, image, storageId } = facts
  if (found?.arriving) return wait('it is on its way')
  // What runs here on an earlier disk came from no move of now; it would stand in the guest's way.
  if (found && found.incarnation !== spec.incarnation) return take({ do: 'destroy' }, 'its disk is of an earlier life')
  if (found) return wait('it has arrived', trustEndsAtMs(facts.memory, nowMs))
  const said = saidOf(facts, move)
  if (said?.state === 'failed') return wait('it cannot come here')
  if (image !== 'ready') return wait('its image is being made', null, image === 'coming' ? null : image)
  if (spec.nic && !facts.networkReady) return wait('the network is being made', null, facts.networkTrouble)
  const shared = diskShared(move, storageId)
  if (!shared && move.imageSha256 !== null && move.imageSha256 !== facts.imageSha256)
    return wait('its image is another one', null, otherImage)
  const fetched = move.kind === 'offline' && !shared
  if (said?.state === 'arrived' || (said?.state === 'ready' && !fetched)) return wait('ready for it')
  return take({ do: fetched ? 'fetch disk' : 'await guest', moveId: move.id }, 'it will come')
}

const otherImage: Trouble = {
  code: 'conflict',
  text: 'The template’s image has another content on this host: a disk made on the other one would be broken here. Build or upload the template as a new version, so that every host gets the same bytes.',
}

function planLeaving(spec: MachineSpec, move: Leaving, facts: MachineFacts): MachineDecision | 'end it' | null {
  const { found } = facts
  const said = saidOf(facts, move)
  if (!move.send) return null
  if (found) {
    if (move.cancel || said?.state === 'failed' || found.incarnation !== spec.incarnation) return null
    if (move.kind === 'offline') return 'end it'
    return spec.power === 'stopped' ? null : take({ do: 'send guest', moveId: move.id }, 'its new host is ready')
  }
  // Whether it left or died, this host must not start it while it may run there.
  if (move.kind !== 'offline') return wait('it was sent')
  if (move.cancel && said?.state !== 'left') return null
  if (said?.state === 'failed' || said?.state === 'left' || diskShared(move, facts.storageId))
    return wait('its disk is released')
  return take({ do: 'send disk', moveId: move.id }, 'its new host waits for its disk')
}

/**
 * Whether the work in flight is still what is wished; else it is aborted. A machine that is not wished here any more while
 * its guest is sent has mostly just arrived at home there: its last moments here need no help.
 */
export function moveHolds(spec: MachineSpec | null, moveId: string, step: MachineStep['do'] | null): boolean {
  if (!spec) return step === 'send guest'
  const { move } = spec
  if (move?.id !== moveId) return false
  return move.role === 'arrive' || (move.send && !move.cancel && (move.kind === 'offline' || spec.power !== 'stopped'))
}

/** @param decision of planMachine, for what it waits for. @returns null without a move. */
export function moveReport(
  facts: Pick<MachineFacts, 'spec' | 'found' | 'memory' | 'move' | 'storageId' | 'overlays'>,
  decision: MachineDecision | null,
): MoveReport | null {
  const { spec } = facts
  if (!spec?.move) return null
  return spec.move.role === 'arrive'
    ? arrivingReport(spec, spec.move, facts, decision)
    : leavingReport(spec, spec.move, facts)
}

function arrivingReport(
  spec: MachineSpec,
  move: Arriving,
  facts: Pick<MachineFacts, 'found' | 'memory' | 'move' | 'storageId' | 'overlays'>,
  decision: MachineDecision | null,
): MoveReport {
  const { found, memory } = facts
  const said = saidOf(facts, move)
  if (found?.arriving) return freshMove(move.id, 'moving', 'the guest is coming')
  const here = found?.incarnation === spec.incarnation
  if (here && move.kind !== 'offline') return freshMove(move.id, 'arrived')
  if (said?.state === 'ready' && move.kind === 'offline' && diskShared(move, facts.storageId))
    return freshMove(move.id, 'arrived', 'its disk is here')
  if (said) return said
  const trouble = decision?.trouble ?? memory.trouble
  return { ...freshMove(move.id, 'preparing', decision?.because ?? ''), trouble }
}

function leavingReport(
  spec: MachineSpec,
  move: Leaving,
  facts: Pick<MachineFacts, 'found' | 'memory' | 'move' | 'storageId'>,
): MoveReport {
  const { found, memory } = facts
  const said = saidOf(facts, move)
  if (said?.state === 'failed' || said?.state === 'left') return said
  if (move.cancel && (found || !move.send || move.kind === 'offline')) return failedMove(move.id, cancelled)
  if (!move.send) return freshMove(move.id, 'preparing', 'its new host gets ready')
  if (found) return said ?? freshMove(move.id, 'moving', move.kind === 'offline' ? 'the guest shuts down' : 'it begins')
  if (move.kind === 'offline')
    return diskShared(move, facts.storageId) ? freshMove(move.id, 'left') : (said ?? freshMove(move.id, 'moving'))
  // An agent that was killed while it sent finds nothing here: then it left. One that saw the guest end knows better.
  const ended = spec.power === 'stopped' || memory.stopped === 'guest' || memory.stopped === 'crashed'
  return ended ? failedMove(move.id, notRunning) : freshMove(move.id, 'left')
}

export const failedMove = (id: string, trouble: Trouble): MoveReport => ({ ...freshMove(id, 'failed'), trouble })

const cancelled: Trouble = { code: 'cancelled', text: 'The move was cancelled; the desktop stays where it was.' }
const notRunning: Trouble = {
  code: 'conflict',
  text: 'The desktop does not run any more, so it cannot be moved running. Move it again: it goes as it is.',
}
