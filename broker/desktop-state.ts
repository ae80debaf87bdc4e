/**
 * What a desktop is, worked out from what is wished and what its host reports. Pure.
 *
 *             make              start             guest answers
 *   making ────────▶ stopped ─────────▶ starting ───────────────▶ ready ──claim──▶ (assigned: same phases, with a person)
 *     │                 ▲                   │  ▲                    │
 *     │                 └──── stopping ◀────┼──┴──── crash ─────────┤ pause ▶ paused
 *     ▼                                     ▼                       │
 *   failed ◀────────────────────────── start failed                 │ release (floating), or the guest shut itself down
 *     │                                                             ▼
 *     └──▶ removing ──▶ (row deleted)          recycling: overlay destroyed, a new one made ──▶ stopped
 *
 *   unknown: the host is lost; the desktop may or may not run there, so nobody gets it and nothing is started twice.
 */
import type { Phase, Power, SavedValue, TroubleValue } from '../db/schema.ts'
import type { MigrationKind } from '../db/schema-hosts.ts'
import type { HostAbility } from '../vmm/report.ts'

export interface DesktopFacts {
  kind: 'floating' | 'persistent'
  hostState: 'joining' | 'online' | 'suspect' | 'lost' | 'maintenance'
  assigned: boolean
  /** The claim that gave it to its person is still waiting for it to become ready. */
  claimOpen: boolean
  /** It is being sent to another host right now (docs/decisions/0006): how. Only that host's word ends it. */
  moving: MigrationKind | null
  /** The disk that is wished existed before. */
  diskMade: boolean
  /** Scripts are still to be run in its guest before anybody gets it (docs/decisions/0008). */
  customising?: boolean
  /** What keeps it from returning elsewhere while its host is lost (returning.ts). */
  waitsFor: string | null
  wished: { present: boolean; power: Power; saved: boolean; incarnation: number; generation: number }
  observed: {
    generation: number | null
    incarnation: number | null
    power: Power | null
    stopped: 'wished' | 'guest' | 'crashed' | null
    ready: boolean
    step: string | null
    trouble: TroubleValue | null
    saved: SavedValue | null
    gone: boolean
  }
}

export function desktopPhase(facts: DesktopFacts): { phase: Phase; reason: string } {
  const { hostState, wished, observed } = facts
  if (!wished.present) return { phase: 'removing', reason: 'shall be removed' }
  if (hostState === 'lost')
    return {
      phase: 'unknown',
      reason: facts.waitsFor ? `its host is lost; it waits for ${facts.waitsFor}` : 'its host is lost',
    }
  // A person's desktop that crashed is on its way back: the host starts it again, later and later. Until its guest
  // answers, its host goes on telling why it is being started.
  const { code } = observed.trouble ?? {}
  const again =
    observed.power === 'running' ? code !== 'timeout' : observed.stopped === 'crashed' && code !== 'not_found'
  const returning = facts.assigned && !facts.claimOpen && again
  // It runs, here or there, until one of the two hosts says otherwise: nobody's screen blinks for it.
  const sent = facts.moving !== null && facts.moving !== 'offline'
  // Its old copy, on a host that is away, still has the disk: that ends by itself, and nothing is broken.
  const inUse = observed.trouble?.code === 'disk_in_use'
  // Paused by QEMU for want of room: nothing of it is lost, and its host lets it go on as soon as there is some.
  const starved = code === 'storage_full'
  if (starved && wished.power === 'running' && observed.power === 'paused')
    return { phase: 'paused', reason: starvedText }
  // Nobody waits for it: it is made when there is room.
  const unmade = observed.incarnation !== wished.incarnation && !facts.claimOpen
  if (observed.trouble && !returning && !sent && !inUse && !(starved && unmade))
    return { phase: 'failed', reason: observed.trouble.text }
  // Its disk was there before: its new home has only not said so yet.
  const known = facts.diskMade && observed.incarnation === null
  if (starved && unmade && !known)
    return {
      phase: wished.incarnation === 1 ? 'making' : 'recycling',
      reason: 'waits for room on the storage of its host',
    }
  if (observed.incarnation !== wished.incarnation && !known)
    return wished.incarnation === 1
      ? { phase: 'making', reason: 'its disk is being made' }
      : { phase: 'recycling', reason: 'its disk is destroyed and made anew' }
  if (sent && !facts.customising) return { phase: phaseOfSent[wished.power], reason: 'moves to another host' }
  if (wished.power === 'stopped')
    return observed.power === 'stopped' || observed.power === null
      ? { phase: 'stopped', reason: standsBecause(facts) }
      : { phase: 'stopping', reason: wished.saved ? 'its memory is being saved' : 'is being stopped' }
  if (observed.power === 'paused') return { phase: 'paused', reason: 'is suspended' }
  if (wished.power === 'running' && observed.power === 'running' && observed.ready && facts.customising)
    return { phase: 'starting', reason: 'is being customised' }
  if (wished.power === 'running' && observed.power === 'running' && observed.ready)
    return { phase: 'ready', reason: 'the guest answers' }
  if (inUse) return { phase: 'starting', reason: 'waits for the old copy to end' }
  if (observed.stopped === 'crashed') return { phase: 'starting', reason: 'starts again after a crash' }
  return { phase: 'starting', reason: 'is being started' }
}

function standsBecause({ wished, observed }: DesktopFacts): string {
  if (wished.saved && observed.saved?.state === 'saved') return 'its memory is saved: it goes on from there'
  return observed.stopped === 'guest' ? 'the guest shut itself down' : 'is not running'
}

/** Shut down, it still runs on one of the two until its move ended. */
const phaseOfSent = { running: 'ready', paused: 'paused', stopped: 'stopping' } satisfies Record<Power, Phase>

export type Consequence =
  | { do: 'nothing' }
  /** Given back: nobody's at once, and its disk is remade before anybody else may have it. */
  | { do: 'recycle'; because: string }
  /** Its own power is what the person wished by shutting down inside. */
  | { do: 'rest'; because: string }
  /** Its memory could not be saved: it runs on, as before. */
  | { do: 'go on'; because: string; trouble: TroubleValue }
  /** A claim whose start failed is undone: the person keeps nothing that does not work. */
  | { do: 'undo claim'; because: string }
  | { do: 'forget'; because: string }

/** What a change of facts asks for beyond a new phase. */
export function desktopConsequence(facts: DesktopFacts, phase: Phase): Consequence {
  const { observed, wished } = facts
  if (phase === 'removing' && observed.gone) return { do: 'forget', because: 'its host has nothing of it any more' }
  if (facts.assigned && facts.claimOpen && phase === 'failed')
    return { do: 'undo claim', because: observed.trouble?.text ?? 'the start failed' }
  const unsaved =
    observed.saved?.state === 'failed' && observed.generation === wished.generation ? observed.saved : null
  if (unsaved && wished.present && wished.saved)
    return { do: 'go on', because: `its memory could not be saved: ${unsaved.trouble.text}`, trouble: unsaved.trouble }
  const shutItself =
    // Shut down for a move, or gone from here by one.
    facts.moving === null &&
    wished.present &&
    wished.power === 'running' &&
    observed.power === 'stopped' &&
    observed.stopped === 'guest' &&
    observed.generation === wished.generation &&
    observed.incarnation === wished.incarnation
  if (!shutItself || phase === 'unknown') return { do: 'nothing' }
  if (facts.kind === 'floating' && facts.assigned)
    return { do: 'recycle', because: 'its person shut it down: given back' }
  return { do: 'rest', because: 'the guest shut itself down' }
}

/** Stands still with its memory kept; not any more once it was asked to start, or to forget it. */
export const isSaved = (row: { wished_saved: boolean; observed_memory: SavedValue | null }) =>
  row.wished_saved && row.observed_memory?.state === 'saved'

/** Its memory is kept, or is just being written: all it is made of has to stay as it is. Null: nothing of that. */
export function memoryKept(row: {
  wished_saved: boolean
  observed_memory: SavedValue | null
  observed_power: Power | null
}): 'saved' | 'saving' | null {
  if (isSaved(row)) return 'saved'
  // It stands although nothing was saved: it ended by itself.
  return row.wished_saved && row.observed_power !== null && row.observed_power !== 'stopped' ? 'saving' : null
}

export type DesktopAction =
  | 'start'
  | 'shutdown'
  | 'poweroff'
  | 'reboot'
  | 'reset'
  | 'suspend'
  | 'resume'
  /** Its memory goes to its host's storage, and it stands still. */
  | 'save'
  | 'release'
  | 'delete'
  /** The scripts that failed are run once more. */
  | 'customise'
  | 'migrate'
  /** A template version is made of its disk. */
  | 'capture'
  /** Another desktop is made with a copy of its disk. */
  | 'clone'
  | 'rename'
  /** Its hardware, or the disc in its drive. */
  | 'change'
  /** Out of the recycle bin. */
  | 'restore'
  /** Out of the recycle bin, for good. */
  | 'purge'
  | 'console'
  /** Its screen, whoever has it. */
  | 'screen'

export interface Actor {
  owner: boolean
  administrator: boolean
}

interface ActionFacts {
  phase: Phase
  power: Power
  assigned: boolean
  kind: 'floating' | 'persistent'
  /** How many its pool keeps running for whoever comes. */
  warm: number
  /** Paused by its host for want of room. */
  starved?: boolean
  /** On its way to another host, or about to be. */
  moving: boolean
  /** A template version, or a copy, is being made of its disk. */
  captured: boolean
  /** What it has that its host alone has; null: nothing. */
  pinned: string | null
  /** Volumes that it has besides its disk; null: none. */
  volumes: string | null
  /** Its memory waits on its host's storage, or is on its way there. */
  memory: ReturnType<typeof memoryKept>
  /** What its host's agent knows to do. */
  can: readonly string[]
  /** It failed to be customised. */
  setupFailed?: boolean
  /** In the recycle bin. */
  binned?: boolean
}

/** Why an action is refused now; undefined when it is allowed. The sentence is what a person reads beside the button. */
type Refusal = (facts: ActionFacts, actor: Actor) => string | undefined

const only =
  (phases: readonly Phase[], text: string): Refusal =>
  facts =>
    phases.includes(facts.phase) ? undefined : text
const running = only(['ready', 'starting'], 'it does not run')
const starvedText = 'its storage is full: it goes on by itself when there is room'
/** One that its host paused for want of room is wished to run, and is not anybody's to resume. */
const suspended =
  (text: string): Refusal =>
  facts =>
    facts.phase === 'paused' ? (facts.starved ? starvedText : text) : undefined
const awake = suspended('it is suspended: resume it first')
/** What its pool would undo at once, and what nobody is left to wait for. */
const somebodys: Refusal = ({ assigned, warm }) =>
  assigned
    ? undefined
    : `nobody has it, and its pool starts and stops it to keep ${warm} ready: change that number of the pool (warm)`
const settled: Refusal = facts => (facts.moving ? 'it is on its way to another host' : undefined)
const memoryTexts = {
  saved: 'memory is saved on its host: start it first, or force it off, which discards what was open in it',
  saving: 'memory is being saved: wait for that, or cancel it',
}
/** It could go on nowhere else: its host alone has the processors and the program that its memory is of. */
export const savedText = `its ${memoryTexts.saved}`
/** It is kept as it was deleted. */
export const binnedText = 'it is in the recycle bin: restore it first'
/** Why nothing it is made of may change now; undefined: it may. A guest goes on with what it had, or not at all. */
export const memoryRefused = (row: Parameters<typeof memoryKept>[0], whose = 'its') => {
  const kept = memoryKept(row)
  return kept === null ? undefined : `${whose} ${memoryTexts[kept]}`
}
export const capturedText = 'a template version or a copy is being made of it: wait for that, or cancel it'
const free: Refusal = facts => (facts.captured ? capturedText : undefined)
const unsaved: Refusal = ({ memory }) => (memory === null ? undefined : `its ${memoryTexts[memory]}`)
const able =
  (what: HostAbility): Refusal =>
  facts =>
    facts.can.includes(what) ? undefined : 'its host’s agent is too old for this: update it'
const binned: Refusal = facts => (facts.binned ? undefined : 'it is not in the recycle bin')
const administrators: Refusal = (_facts, actor) => (actor.administrator ? undefined : 'only administrators may do this')

const standing: readonly Phase[] = [
  'making',
  'stopped',
  'starting',
  'ready',
  'paused',
  'stopping',
  'recycling',
  'failed',
  'unknown',
]

const refusals = {
  start: [only(['stopped', 'failed'], 'it already runs or is on its way'), somebodys, free],
  shutdown: [awake, running, somebodys],
  poweroff: [
    facts =>
      facts.memory === 'saved' || ['ready', 'starting', 'paused', 'stopping'].includes(facts.phase)
        ? undefined
        : 'it does not run',
    // What is being stopped anyhow may be stopped at once.
    (facts, actor) => (facts.power === 'stopped' ? undefined : somebodys(facts, actor)),
  ],
  reboot: [awake, only(['ready'], 'it is not ready'), settled],
  reset: [awake, running, settled],
  suspend: [suspended('it is suspended already'), only(['ready'], 'it is not ready'), settled],
  resume: [only(['paused'], 'it is not suspended'), settled],
  save: [
    awake,
    only(['ready'], 'it is not ready'),
    settled,
    facts => (facts.assigned ? undefined : 'it belongs to nobody'),
    // QEMU knows no state of a device that is not its own.
    facts => (facts.pinned === null ? undefined : `${facts.pinned}: what is plugged in cannot be saved with it`),
    // A volume may be another machine's by the time the guest goes on.
    facts => (facts.volumes === null ? undefined : `a volume cannot be saved with it: detach ${facts.volumes} first`),
    able('save'),
  ],
  release: [facts => (facts.assigned ? undefined : 'it belongs to nobody'), free],
  delete: [administrators, only(standing, 'it is already being removed'), free],
  customise: [administrators, facts => (facts.setupFailed ? undefined : 'its customisation did not fail'), settled],
  migrate: [
    administrators,
    settled,
    facts => facts.pinned ?? undefined,
    only(['ready', 'paused', 'stopped', 'failed'], 'it is neither running nor stopped'),
    unsaved,
    free,
  ],
  // Also of one whose guest does not answer: that is what it is for.
  console: [administrators, only(['ready', 'starting', 'paused', 'stopping', 'failed'], 'it does not run')],
  // A host lets nobody in to what it is about to stop.
  screen: [administrators, only(['ready', 'starting', 'paused', 'failed'], 'it does not run')],
  capture: [
    administrators,
    facts =>
      facts.kind === 'persistent' && facts.assigned
        ? undefined
        : 'only a persistent desktop that somebody has holds what its template has not',
    only(['stopped'], 'it must be shut down for it'),
    unsaved,
    settled,
    free,
  ],
  clone: [
    administrators,
    facts =>
      facts.kind === 'persistent' && facts.assigned
        ? undefined
        : 'only a persistent desktop that somebody has is copied',
    only(['stopped'], 'it must be shut down for it'),
    settled,
    unsaved,
    free,
  ],
  rename: [administrators, only(['stopped'], 'it must be shut down for it'), settled, unsaved, free],
  change: [administrators, only(standing, 'it is being removed'), unsaved, free],
  restore: [administrators, binned, only(standing, 'it is being removed')],
  purge: [administrators, binned, only(standing, 'it is already being removed'), free],
} satisfies Record<DesktopAction, Refusal[]>

/** What is done with what is in the recycle bin; and with what is on a host that is lost: wishes that need no host. */
const inBin: readonly DesktopAction[] = ['restore', 'purge']
const ofLost: readonly DesktopAction[] = ['delete', 'purge', 'change']
/** Asked twice it must not be the end: a double click, or two who delete the same. */
const binnedAlready = 'it is in the recycle bin already: restore it, or remove it for good there'

export function desktopActionsFor(
  facts: ActionFacts,
  actor: Actor,
): { name: DesktopAction; allowed: boolean; reason?: string }[] {
  return (Object.keys(refusals) as DesktopAction[]).map(name => {
    const checks: Refusal[] =
      facts.binned && !inBin.includes(name)
        ? [() => (name === 'delete' ? binnedAlready : binnedText)]
        : facts.phase === 'unknown' && !ofLost.includes(name)
          ? [() => 'its host is lost']
          : refusals[name]
    const foreign = actor.owner || actor.administrator ? undefined : 'it is not yours'
    const reason = foreign ?? checks.map(check => check(facts, actor)).find(text => text !== undefined)
    return reason === undefined ? { name, allowed: true } : { name, allowed: false, reason }
  })
}
