/**
 * How each desktop leaves a host that goes into maintenance. Pure: what is on it and what the other hosts can take go
 * in, one line for each desktop with its reason comes out; desktops that go to the same host are counted one after the
 * other. The same plan answers a dry run and is worked off (reconcile/evacuations.ts), so it is always made anew.
 */
import type { HostEnd } from '../db/host-ends.ts'
import type { MovableRow } from '../db/migrations.ts'
import type { HostState } from '../db/schema.ts'
import type { MigrationKind } from '../db/schema-hosts.ts'
import { capturedWaits } from './migration-plan.ts'
import { moveTarget, type Target } from './move-target.ts'
import { type Decision, decisionText, type HostFacts, placeDesktop, withDesktop } from './placement.ts'
import { demandOf } from './placing.ts'

export interface LeavingDesktop extends MovableRow {
  /** Moves for this maintenance that failed: how many, when the last one did, and why. */
  failed: { times: number; at: Date; text: string } | null
}

export interface EvacuationItem {
  desktopId: string
  desktopName: string
  /**
   * `migrate`: as it is; `restart`: shut down, moved, started; `remake`: nobody has it, it ends and its pool makes
   * another one elsewhere; `remove`: so too, but nowhere is room yet.
   */
  do: 'migrate' | 'restart' | 'remake' | 'remove' | 'wait'
  kind: MigrationKind | null
  hostId: string | null
  hostName: string | null
  because: string
  /** Its move is open: nothing more is to be done. */
  open: boolean
  /** Nobody has it. */
  free: boolean
  target: Pick<Target, 'decision' | 'kind' | 'waits'> | null
}

/** After so many failed moves a person must look. More: a guest that cannot move is paused and unpaused all night. */
const mostFailures = 3
/** Between two tries, times the failures so far. */
const retryMs = 15_000

const everyone: Turn = { open: Number.POSITIVE_INFINITY, remade: Number.POSITIVE_INFINITY }

type Verdict = Pick<EvacuationItem, 'do' | 'because'> & Partial<Pick<EvacuationItem, 'open' | 'hostName' | 'hostId'>>
type Placed = Verdict & { target?: Target }

const wait = (because: string): Verdict => ({ do: 'wait', because })

/** How many may be on their way, and be begun anew, in one turn. */
export interface Turn {
  open: number
  remade: number
  /** Of those that are ready, by pool; pools that are not named have no limit of their own. */
  remadeOf?: ReadonlyMap<string, number>
}

const isOpen = ({ move_id }: LeavingDesktop) => move_id !== null
const movesLeft = (desktops: readonly LeavingDesktop[], turn: Turn) => turn.open - desktops.filter(isOpen).length

/** @param turn only those whose turn it may be are planned, and those that are on their way; absent: all. */
export function planEvacuation(
  desktops: readonly LeavingDesktop[],
  world: { hosts: readonly HostFacts[]; ends: ReadonlyMap<string, HostEnd> },
  now: Date,
  turn: Turn = everyone,
): EvacuationItem[] {
  let hosts = world.hosts
  let moves = movesLeft(desktops, turn)
  let remade = turn.remade
  const remadeOf = new Map(turn.remadeOf)
  const left = ({ user_id, pool_id, phase }: LeavingDesktop) => {
    if (user_id !== null) return moves
    return phase === 'ready' ? Math.min(remade, remadeOf.get(pool_id) ?? remade) : remade
  }
  return desktops.flatMap(desktop => {
    if (!isOpen(desktop) && left(desktop) <= 0) return []
    const { target, ...verdict }: Placed = planned(desktop, hosts, world.ends, now)
    const goes = target && verdict.do !== 'wait' && verdict.do !== 'remove' ? target.decision.hostId : undefined
    if (target && goes) hosts = hosts.map(host => (host.id === goes ? withDesktop(host, target.demand) : host))
    if (verdict.do === 'remake' || verdict.do === 'remove') {
      remade--
      const spared = remadeOf.get(desktop.pool_id)
      if (spared !== undefined && desktop.phase === 'ready') remadeOf.set(desktop.pool_id, spared - 1)
    } else if (goes) moves--
    return {
      desktopId: desktop.id,
      desktopName: desktop.name,
      kind: goes && target ? target.kind : null,
      hostId: goes ?? null,
      hostName: goes && target ? (target.decision.hostName ?? null) : null,
      open: false,
      free: desktop.user_id === null,
      target: goes && target ? target : null,
      ...verdict,
    }
  })
}

function planned(
  desktop: LeavingDesktop,
  hosts: readonly HostFacts[],
  ends: ReadonlyMap<string, HostEnd>,
  now: Date,
): Placed {
  if (!desktop.wished_present) return wait('it is being removed')
  if (desktop.move_id !== null)
    return {
      do: 'migrate',
      because: desktop.move_text || `its move is ${desktop.move_state}`,
      open: true,
      hostId: desktop.target_id,
      hostName: desktop.target_name,
    }
  if (desktop.phase === 'unknown') return wait('its host is lost')
  if (desktop.pinned !== null) return wait(desktop.pinned)
  if (desktop.captured) return wait(capturedWaits)
  if (desktop.user_id === null) return remade(desktop, hosts)
  const { failed } = desktop
  if (failed && failed.times >= mostFailures)
    return wait(`${failed.times} moves failed, the last one so: ${failed.text} Move it by hand or shut it down.`)
  if (failed && now.getTime() < failed.at.getTime() + retryMs * failed.times)
    return wait(`its move failed and is tried again: ${failed.text}`)
  return moved(desktop, hosts, ends)
}

/** The host it leaves is no news to whoever empties it. */
const elsewhereText = (decision: Decision, { host_id }: LeavingDesktop) => decisionText(decision, id => id !== host_id)

/** Nobody has it: what is on its disk need not travel, and another one has an address of wherever its pool makes it. */
function remade(desktop: LeavingDesktop, hosts: readonly HostFacts[]): Placed {
  if (desktop.phase === 'removing') return wait('it is being removed')
  if (desktop.volumes)
    return wait(`the volume ${desktop.volumes[0]?.name} is attached to it: detach it, or move the desktop by hand`)
  const elsewhere = hosts.map(host =>
    host.id === desktop.host_id ? { ...host, trouble: 'the desktop is there' } : host,
  )
  const demand = demandOf(
    { ...desktop, id: desktop.pool_id },
    { hardware: desktop.hardware, versionId: desktop.version_id },
    'prewarm',
  )
  const decision = placeDesktop(elsewhere, demand)
  const because = 'nobody has it: its pool makes another one elsewhere'
  if (decision.hostId !== undefined)
    return { do: 'remake', because, target: { demand, decision, kind: null, waits: null, warning: null } }
  const short = elsewhereText(decision, desktop)
  return {
    do: 'remove',
    because: `nobody has it: it is removed, and its pool makes another one where there is room (now ${short})`,
  }
}

/** Somebody has it: it moves as it is, if it can; else nobody is thrown out who is looking at it. */
function moved(desktop: LeavingDesktop, hosts: readonly HostFacts[], ends: ReadonlyMap<string, HostEnd>): Placed {
  const target = moveTarget(hosts, ends, desktop, { hostId: null, restart: false })
  if (target.waits !== null) return wait(target.waits)
  if (target.kind !== null) return { do: 'migrate', because: target.decision.why, target }
  const restarted = moveTarget(hosts, ends, desktop, { hostId: null, restart: true })
  const why = elsewhereText(target.decision, desktop)
  if (restarted.kind === null) return wait(why)
  if (desktop.kind === 'floating') return wait(`it cannot move running (${why}): until it is given back`)
  if (desktop.session_state === 'connected')
    return wait(`it cannot move running (${why}): until its person disconnects`)
  return { do: 'restart', because: `it cannot move running (${why}), and nobody is looking at it`, target: restarted }
}

/**
 * How the desktops that left a host for its maintenance come back to it. One that nobody has any more stays where it is,
 * and so does one that the host cannot take: `forget` says that it is not asked about again.
 */
export function planReturn(
  host: { id: string; name: string; state: HostState },
  desktops: readonly LeavingDesktop[],
  world: { hosts: readonly HostFacts[]; ends: ReadonlyMap<string, HostEnd> },
  turn: Turn = everyone,
): (EvacuationItem & { forget: boolean })[] {
  // A dry run asks before it ended: what counts is whether it can take them then.
  let hosts = world.hosts.map(seen =>
    seen.id === host.id && seen.state === 'maintenance' ? { ...seen, state: 'online' as const } : seen,
  )
  let moves = movesLeft(desktops, turn)
  return desktops.flatMap(desktop => {
    const free = desktop.user_id === null
    const named = { desktopId: desktop.id, desktopName: desktop.name, free, open: false, forget: false }
    const stays = (because: string, forget: boolean) => {
      return { ...named, do: 'wait' as const, kind: null, hostId: null, hostName: null, because, target: null, forget }
    }
    if (desktop.move_id !== null)
      return { ...stays(desktop.move_text || 'it is on its way', false), do: 'migrate' as const, open: true }
    if (desktop.user_id === null || !desktop.wished_present) return stays('nobody has it any more', true)
    if (desktop.failed && desktop.failed.times >= mostFailures) return stays(desktop.failed.text, true)
    if (desktop.pinned !== null) return stays(desktop.pinned, true)
    if (moves <= 0) return []
    const target = moveTarget(hosts, world.ends, desktop, { hostId: host.id, restart: false })
    if (target.waits !== null) return stays(target.waits, false)
    if (target.kind === null)
      return stays(
        decisionText(target.decision, id => id === host.id),
        host.state === 'online',
      )
    hosts = hosts.map(seen => (seen.id === host.id ? withDesktop(seen, target.demand) : seen))
    moves--
    const goes = { kind: target.kind, hostId: host.id, hostName: host.name, because: 'it came from there' }
    return { ...named, ...goes, do: 'migrate' as const, target }
  })
}

export function evacuationCounts(items: readonly EvacuationItem[]): Record<EvacuationItem['do'], number> {
  const count = (what: EvacuationItem['do']) => items.filter(item => item.do === what).length
  return {
    migrate: count('migrate'),
    restart: count('restart'),
    remake: count('remake'),
    remove: count('remove'),
    wait: count('wait'),
  }
}

/** For the task of a person who watches: how many are left, and what the first of those that wait waits for. */
export function evacuationText(items: readonly EvacuationItem[], total: number): string {
  const open = items.filter(item => item.open)
  const waiting = items.find(item => item.do === 'wait')
  const left = `${items.length} of ${Math.max(total, items.length)} left`
  const moving = open.length > 0 ? `, ${open.length} under way` : ''
  return `${left}${moving}${waiting ? `; ${waiting.desktopName} waits: ${waiting.because}` : ''}`
}
