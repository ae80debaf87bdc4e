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
import type { Phase, Power, TroubleValue } from '../db/schema.ts'
import type { MigrationKind } from '../db/schema-hosts.ts'

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
  /** What keeps it from returning elsewhere while its host is lost (returning.ts). */
  waitsFor: string | null
  wished: { present: boolean; power: Power; incarnation: number; generation: number }
  observed: {
    generation: number | null
    incarnation: number | null
    power: Power | null
    stopped: 'wished' | 'guest' | 'crashed' | null
    ready: boolean
    step: string | null
    trouble: TroubleValue | null
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
  if (observed.trouble && !returning && !sent && !inUse) return { phase: 'failed', reason: observed.trouble.text }
  // Its disk was there before: its new home has only not said so yet.
  const known = facts.diskMade && observed.incarnation === null
  if (observed.incarnation !== wished.incarnation && !known)
    return wished.incarnation === 1
      ? { phase: 'making', reason: 'its disk is being made' }
      : { phase: 'recycling', reason: 'its disk is destroyed and made anew' }
  if (sent) return { phase: phaseOfSent[wished.power], reason: 'moves to another host' }
  if (wished.power === 'stopped')
    return observed.power === 'stopped' || observed.power === null
      ? { phase: 'stopped', reason: observed.stopped === 'guest' ? 'the guest shut itself down' : 'is not running' }
      : { phase: 'stopping', reason: 'is being stopped' }
  if (observed.power === 'paused') return { phase: 'paused', reason: 'is suspended' }
  if (wished.power === 'running' && observed.power === 'running' && observed.ready)
    return { phase: 'ready', reason: 'the guest answers' }
  if (inUse) return { phase: 'starting', reason: 'waits for the old copy to end' }
  if (observed.stopped === 'crashed') return { phase: 'starting', reason: 'starts again after a crash' }
  return { phase: 'starting', reason: 'is being started' }
}

/** Shut down, it still runs on one of the two until its move ended. */
const phaseOfSent = { running: 'ready', paused: 'paused', stopped: 'stopping' } satisfies Record<Power, Phase>

export type Consequence =
  | { do: 'nothing' }
  /** Given back: nobody's at once, and its disk is remade before anybody else may have it. */
  | { do: 'recycle'; because: string }
  /** Its own power is what the person wished by shutting down inside. */
  | { do: 'rest'; because: string }
  /** A claim whose start failed is undone: the person keeps nothing that does not work. */
  | { do: 'undo claim'; because: string }
  | { do: 'forget'; because: string }

/** What a change of facts asks for beyond a new phase. */
export function desktopConsequence(facts: DesktopFacts, phase: Phase): Consequence {
  const { observed, wished } = facts
  if (phase === 'removing' && observed.gone) return { do: 'forget', because: 'its host has nothing of it any more' }
  if (facts.assigned && facts.claimOpen && phase === 'failed')
    return { do: 'undo claim', because: observed.trouble?.text ?? 'the start failed' }
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

export type DesktopAction =
  | 'start'
  | 'shutdown'
  | 'poweroff'
  | 'reboot'
  | 'reset'
  | 'suspend'
  | 'resume'
  | 'release'
  | 'delete'
  | 'migrate'
  /** A template version is made of its disk. */
  | 'capture'

export interface Actor {
  owner: boolean
  administrator: boolean
}

interface ActionFacts {
  phase: Phase
  power: Power
  assigned: boolean
  kind: 'floating' | 'persistent'
  /** On its way to another host, or about to be. */
  moving: boolean
  /** A template version is being made of its disk. */
  captured: boolean
}

/** Why an action is refused now; undefined when it is allowed. The sentence is what a person reads beside the button. */
type Refusal = (facts: ActionFacts, actor: Actor) => string | undefined

const only =
  (phases: readonly Phase[], text: string): Refusal =>
  facts =>
    phases.includes(facts.phase) ? undefined : text
const running = only(['ready', 'starting'], 'it does not run')
const settled: Refusal = facts => (facts.moving ? 'it is on its way to another host' : undefined)
export const capturedText = 'a template version is being made of it: wait for that, or cancel it'
const free: Refusal = facts => (facts.captured ? capturedText : undefined)
const administrators: Refusal = (_facts, actor) => (actor.administrator ? undefined : 'only administrators may do this')

const refusals = {
  start: [only(['stopped', 'failed'], 'it already runs or is on its way'), free],
  shutdown: [running],
  poweroff: [only(['ready', 'starting', 'paused', 'stopping'], 'it does not run')],
  reboot: [only(['ready'], 'it is not ready'), settled],
  reset: [running, settled],
  suspend: [only(['ready'], 'it is not ready'), settled],
  resume: [only(['paused'], 'it is not suspended'), settled],
  release: [facts => (facts.assigned ? undefined : 'it belongs to nobody'), free],
  delete: [
    administrators,
    only(
      ['making', 'stopped', 'starting', 'ready', 'paused', 'stopping', 'recycling', 'failed', 'unknown'],
      'it is already being removed',
    ),
    free,
  ],
  migrate: [
    administrators,
    settled,
    only(['ready', 'paused', 'stopped', 'failed'], 'it is neither running nor stopped'),
    free,
  ],
  capture: [
    administrators,
    facts =>
      facts.kind === 'persistent' && facts.assigned
        ? undefined
        : 'only a persistent desktop that somebody has holds what its template has not',
    only(['stopped'], 'it must be shut down for it'),
    settled,
    free,
  ],
} satisfies Record<DesktopAction, Refusal[]>

export function desktopActionsFor(
  facts: ActionFacts,
  actor: Actor,
): { name: DesktopAction; allowed: boolean; reason?: string }[] {
  return (Object.keys(refusals) as DesktopAction[]).map(name => {
    const checks: Refusal[] =
      facts.phase === 'unknown' && name !== 'delete' ? [() => 'its host is lost'] : refusals[name]
    const foreign = actor.owner || actor.administrator ? undefined : 'it is not yours'
    const reason = foreign ?? checks.map(check => check(facts, actor)).find(text => text !== undefined)
    return reason === undefined ? { name, allowed: true } : { name, allowed: false, reason }
  })
}
