/**
 * The next step of a desktop on its way to another host. Pure: the move's row, what both hosts say of it and how they
 * are go in; one step with its reason comes out (docs/decisions/0006).
 *
 *     queued ──admitted──▶ preparing ──target ready──▶ moving ──runs on the target──▶ done
 *        │                     │                          │
 *        └──── cancelled ◀─────┴──── failed ◀─────────────┘   (the desktop stays where it was)
 *
 * Until `moving` the source has been told nothing: a move may end there at any time. From then on only the hosts know
 * where the guest is, so the move ends by what they say: `arrived` (target), `left` or `failed` (source). A host that
 * is lost is believed to have ended its half when the other one is there to contradict; while both are lost nobody
 * knows, and nothing is decided.
 */
import type { HostState, Phase, Power, TroubleValue } from '../db/schema.ts'
import type { MigrationKind, MoveValue } from '../db/schema-hosts.ts'

type Said = Pick<MoveValue, 'state' | 'trouble' | 'progress' | 'text' | 'at'>

export interface MoveFacts {
  state: 'queued' | 'preparing' | 'moving'
  kind: MigrationKind
  cancel: boolean
  /** Why it shall stop although nobody cancelled it. */
  trouble: TroubleValue | null
  startedAt: Date | null
  desktop: {
    present: boolean
    wishedPower: Power
    /** What its own host reports. */
    power: Power | null
    /** That host has heard of the newest wish, the move included. */
    heard: boolean
    /** Its disk is the one that is wished: it is not being made anew. */
    settled: boolean
  }
  source: { name: string; state: HostState; said: Said | null }
  target: { name: string; state: HostState; wished: 'online' | 'maintenance'; said: Said | null }
  /** Both hosts have the same disks. */
  shared: boolean
  /** What kind of move its state of today asks for, or why none is possible now. */
  fits: { kind: MigrationKind } | { waits: string } | { refused: string }
  /** Why its turn has not come; null: it has. */
  turn: string | null
}

export type MoveStep =
  | { do: 'wait'; text: string; progress: number }
  /** Takes its turn and its screen port; the target is told. */
  | { do: 'admit'; kind: MigrationKind }
  /** The source is told to send. */
  | { do: 'send' }
  /** The desktop is at home on the target. */
  | { do: 'arrive'; because: string }
  /** Both hosts are asked to stop; where the guest is then ends the move. */
  | { do: 'call off'; trouble: TroubleValue }
  | { do: 'fail'; trouble: TroubleValue }
  | { do: 'cancel'; because: string }

/** A target that makes an image first takes minutes. Longer: a move that never begins keeps its turn; shorter: such a one fails. */
const prepareMs = 15 * 60_000
/** The agent aborts a guest that outruns the network long before. Longer: a hung move keeps its turn; shorter: 500 GiB of disk do not arrive. */
const moveMs = 12 * 3_600_000
/** The source's word comes before the target's by a report or two. Longer: a guest that died on arrival is noticed late. */
const arrivalMs = 10_000

const fail = (code: TroubleValue['code'], text: string): MoveStep => ({ do: 'fail', trouble: { code, text } })
/** 100 is said when it is over. */
const wait = (text: string, progress = 0): MoveStep => ({ do: 'wait', text, progress: Math.min(99, progress) })

export function planMove(facts: MoveFacts, now: Date): MoveStep {
  if (!facts.desktop.present) return { do: 'cancel', because: 'the desktop was removed' }
  return phases[facts.state](facts, now.getTime())
}

const phases = { queued, preparing, moving } satisfies Record<
  MoveFacts['state'],
  (facts: MoveFacts, nowMs: number) => MoveStep
>

function queued({ cancel, source, target, fits, turn }: MoveFacts): MoveStep {
  if (cancel) return { do: 'cancel', because: 'it was cancelled before it began' }
  if (source.state === 'lost') return fail('unreachable', `${source.name} is lost: nothing can leave it.`)
  if (target.state === 'lost') return fail('unreachable', `${target.name} is lost: choose another host.`)
  if (target.wished === 'maintenance')
    return fail('conflict', `${target.name} is in maintenance: choose another host, or end the maintenance first.`)
  if (target.state !== 'online') return wait(`${target.name} is ${target.state}`)
  if (source.state === 'suspect') return wait(`${source.name} is silent`)
  if ('refused' in fits) return fail('conflict', `${fits.refused}.`)
  if ('waits' in fits) return wait(fits.waits)
  return turn === null ? { do: 'admit', kind: fits.kind } : wait(turn)
}

function preparing(facts: MoveFacts, nowMs: number): MoveStep {
  const { cancel, source, target, desktop, kind, startedAt } = facts
  if (cancel) return { do: 'cancel', because: 'it was cancelled before anything was sent' }
  if (source.state === 'lost') return fail('unreachable', `${source.name} was lost before anything was sent.`)
  if (target.state === 'lost') return fail('unreachable', `${target.name} was lost before anything was sent.`)
  if (target.wished === 'maintenance') return fail('conflict', `${target.name} went into maintenance.`)
  const complaint = [target, source].find(({ said }) => said?.state === 'failed')
  if (complaint) return failedBy(complaint)
  const changed = changedMeanwhile(facts)
  if (changed !== undefined) return { do: 'cancel', because: changed }
  if (kind !== 'offline' && desktop.heard && desktop.power === 'stopped')
    return { do: 'cancel', because: 'it stopped meanwhile' }
  if (startedAt && nowMs - startedAt.getTime() > prepareMs)
    return fail('timeout', `${target.name} did not get ready within ${prepareMs / 60_000} minutes.`)
  // A disk that both have is "arrived" as soon as the target is ready for it.
  const ready = target.said?.state === 'ready' || (kind === 'offline' && target.said?.state === 'arrived')
  return ready ? { do: 'send' } : wait(target.said?.text || `${target.name} gets ready`)
}

function moving(facts: MoveFacts, nowMs: number): MoveStep {
  const { cancel, trouble, source, target, startedAt, kind } = facts
  const here = source.said
  const arrived = arrival(facts, nowMs)
  if (arrived) return arrived
  if (here?.state === 'failed') {
    if (trouble) return { do: 'fail', trouble }
    return cancel ? { do: 'cancel', because: 'it was cancelled: the desktop stays where it was' } : failedBy(source)
  }
  if (source.state === 'lost') return withoutSource(facts)
  if (cancel) return wait('is being called off', here?.progress)
  if (target.state === 'lost') return callOff('unreachable', `${target.name} was lost before the desktop had arrived.`)
  if (target.said?.state === 'failed') return { do: 'call off', trouble: troubleOf(target) }
  const changed = changedMeanwhile(facts)
  if (changed !== undefined) return callOff('cancelled', `The move was called off: ${changed}.`)
  if (startedAt && nowMs - startedAt.getTime() > moveMs)
    return callOff('timeout', `It did not end within ${moveMs / 3_600_000} hours.`)
  return wait(here?.text || (kind === 'offline' ? 'its disk is handed over' : 'the guest is sent'), here?.progress)
}

/** Only the target speaks: a guest that is coming arrives, or is gone from there with the host that sent it. */
function withoutSource({ source, target }: MoveFacts): MoveStep {
  const sent = source.said?.progress
  if (target.state === 'lost')
    return wait(`${source.name} and ${target.name} are lost: nobody knows where the desktop is`, sent)
  if (target.said?.state === 'moving') return wait(`${source.name} is lost; ${target.said.text}`, sent)
  return fail('unreachable', `${source.name} was lost before the desktop had left it.`)
}

/** Whether it is over there, or on its way without return. */
function arrival({ source, target, kind, shared }: MoveFacts, nowMs: number): MoveStep | undefined {
  const left = source.said?.state === 'left'
  // A disk that both have was always there: there the source's word alone says that nothing of it runs any more.
  const there = target.said?.state === 'arrived' && !(kind === 'offline' && shared)
  if (there) return { do: 'arrive', because: kind === 'offline' ? 'its disk is there' : 'it runs there' }
  if (!left) return
  if (kind === 'offline' && shared) return { do: 'arrive', because: 'both hosts have its disk' }
  if (target.state === 'lost') return { do: 'arrive', because: `it left ${source.name}; ${target.name} was lost` }
  if (kind === 'offline')
    return target.said?.state === 'failed' ? failedBy(target) : wait(target.said?.text || 'its disk is checked', 99)
  // It died as it arrived: at home there, it is started again.
  const leftMs = nowMs - Date.parse(source.said?.at ?? '')
  return leftMs > arrivalMs
    ? { do: 'arrive', because: `it left ${source.name} and did not come: it is started there` }
    : wait('the target takes over', 99)
}

/** What was wished of the desktop since the move was asked for, and makes it pointless. */
function changedMeanwhile({ desktop, kind }: MoveFacts): string | undefined {
  if (!desktop.settled) return 'it was given back meanwhile and gets a new disk'
  if (kind !== 'offline' && desktop.wishedPower === 'stopped') return 'it shall be shut down'
  return undefined
}

const callOff = (code: TroubleValue['code'], text: string): MoveStep => ({ do: 'call off', trouble: { code, text } })
const troubleOf = ({ name, said }: { name: string; said: Said | null }): TroubleValue =>
  said?.trouble ?? { code: 'internal', text: `${name} could not go on and did not say why: its agent’s log may.` }
const failedBy = (host: { name: string; said: Said | null }): MoveStep => ({ do: 'fail', trouble: troubleOf(host) })

/** Of a desktop and the two hosts, what decides how it can move. */
export interface MoveWay {
  phase: Phase
  /** It may be shut down for it and is started again there. */
  restart: boolean
  /** Its disk has snapshots. */
  snapshots?: boolean
  /** What it has that its host alone has; null: nothing. */
  pinned: string | null
  /** A template version is being made of its disk, where that lies. */
  captured: boolean
  /** Its card is plugged in under another name there (nics.ts). */
  otherNetwork?: boolean
  source: MoveEnd
  target: MoveEnd
}

/** Null: it has not told its facts; it takes no part in live migrations. */
export interface MoveEnd {
  name: string
  storageId: string | null
  migrationUri: string | null
}

export const storageShared = ({ source, target }: Pick<MoveWay, 'source' | 'target'>) =>
  source.storageId !== null && source.storageId === target.storageId

/** Its disk must stay where it is read. */
export const capturedWaits = 'a template version is being made of it: until that is done'

/** How it would move now. */
export function moveFits(way: MoveWay): MoveFacts['fits'] {
  const { phase, restart, pinned, captured, source, target } = way
  if (pinned !== null) return { refused: pinned }
  if (captured) return { waits: capturedWaits }
  const rule = phaseRules[phase]
  if (rule !== 'live') return rule
  const shut = [source, target].find(host => !host.migrationUri)
  // QEMU sends what the disk holds now, and nothing of its past.
  if (way.snapshots && !storageShared(way))
    return restart
      ? { kind: 'offline' }
      : {
          refused:
            'its snapshots go to another storage only while it stands still: shut it down, or let it be restarted',
        }
  // QEMU sends it with its card where that is plugged in: no libvirt there knows of it.
  if (way.otherNetwork)
    return restart
      ? { kind: 'offline' }
      : { refused: 'its network has another name there: shut it down, or let it be restarted' }
  if (shut === undefined) return { kind: storageShared(way) ? 'live' : 'storage' }
  if (restart) return { kind: 'offline' }
  return { refused: `${shut.name} cannot take part in a live migration: shut the desktop down, or let it be restarted` }
}

const phaseRules = {
  ready: 'live',
  paused: 'live',
  stopped: { kind: 'offline' },
  failed: { kind: 'offline' },
  starting: { waits: 'it is being started' },
  stopping: { waits: 'it is being stopped' },
  making: { waits: 'its disk is being made' },
  recycling: { waits: 'its disk is being made anew' },
  removing: { refused: 'it is being removed' },
  unknown: { refused: 'its host is lost' },
} satisfies Record<Phase, 'live' | MoveFacts['fits']>
