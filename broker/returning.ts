/**
 * What becomes of a desktop whose host is lost. Pure: docs/decisions/0006.
 *
 *                        ┌─ nothing of it is to be kept ───▶ returns elsewhere with a new disk: the old copy can do no harm
 *   its host is lost ────┼─ its person keeps its disk ─────▶ returns elsewhere on that disk, once the old copy cannot write
 *                        └─ otherwise ─────────────────────▶ waits, and says for what
 *
 * "Cannot write" is one of three: its host was fenced since it was lost; libvirt's lock manager guards the disk on both
 * hosts, and refuses the new start until the old copy is gone; or the desktop stood still when its host was last heard.
 */
import type { HostState } from '../db/schema.ts'

export interface ReturnFacts {
  /** False: it is being removed. */
  present: boolean
  kind: 'floating' | 'persistent'
  assigned: boolean
  /** What its pool wants. */
  ha: 'restart' | 'wait'
  /** The disk of this life was made: what its person keeps may lie on it. */
  diskMade: boolean
  /** Its host answered the last wish, long before it fell silent, with: it stands still. */
  rests: boolean
  /** It is on its way between two hosts. */
  moving: boolean
  /** Its last move ended a moment ago: the target of one that failed may still be ending its copy. */
  justMoved: boolean
  /** What it has that its host alone has; null: nothing. */
  pinned: string | null
  host: LostHost
  /** Hosts of the same cluster that are online. */
  others: readonly ReturnHost[]
}

export interface ReturnHost {
  /** Null: it has not said yet. */
  storageId: string | null
  diskLocks: boolean
}

export interface LostHost extends ReturnHost {
  name: string
  lostSince: Date
  fencedAt: Date | null
}

export type ReturnPlan =
  /** `fence`: until its host is off for certain, and for nothing else. */
  | { do: 'wait'; for: string; fence?: true }
  /**
   * `hosts`: who may take it besides being of its cluster; null: anybody. `locked`: its old copy may run, and until that
   * has ended a lock keeps it from starting.
   */
  | { do: 'return'; disk: 'new' | 'own'; hosts: ReturnHost | null; because: string; locked?: true }
  /** Being removed, and its host, off for certain, alone has its disk: that is a stray when the host returns. */
  | { do: 'forget'; because: string }

const wait = (what: string): ReturnPlan => ({ do: 'wait', for: what })

const copyEnds = 'the copy that its last move began elsewhere to end, which no lock keeps from writing'

/** Fenced before it was lost is no proof: it was switched on since, or it would not have been heard. */
export const isFenced = ({ fencedAt, lostSince }: Pick<LostHost, 'fencedAt' | 'lostSince'>) =>
  fencedAt !== null && fencedAt >= lostSince

/** Why a host may not be fenced now; undefined: it may. */
export const fenceRefused = (host: { state: HostState; lostSince: Date; fencedAt: Date | null }): string | undefined =>
  host.state !== 'lost'
    ? 'it is not lost: only a host that is not heard is fenced'
    : isFenced(host)
      ? 'it is off for certain already'
      : undefined

/**
 * Whether a host that is called lost shall be acted upon: it was not heard since, and whoever asks has itself listened
 * for as long as makes a host lost. A control plane that was away must not fence hosts that only it did not hear.
 * @param since when this process began to listen.
 */
export function lostForCertain(
  host: { state: HostState; stateSince: Date; beatAt: Date | null; lostMs: number },
  now: Date,
  since: Date,
): boolean {
  if (host.state !== 'lost') return false
  if (host.beatAt !== null && host.beatAt >= host.stateSince) return false
  return now.getTime() - since.getTime() >= host.lostMs
}

/** It looks every ten seconds at the latest. Longer: a pause of the whole machine goes unnoticed; shorter: a slow database looks like one. */
const asleepMs = 20_000

/**
 * Since when this process has listened. One that hears no host at all (all are suspect at least) is itself cut off, and
 * one that did not look for long was stopped with its machine: they count anew from when they hear somebody, so that the
 * others have their time to be heard too.
 * @param lookedAt when it last judged
 */
export function listeningSince(
  before: Date,
  lookedAt: Date,
  hosts: readonly { beatAt: Date | null; suspectMs: number }[],
  now: Date,
): Date {
  const deaf = hosts.every(({ beatAt, suspectMs }) => beatAt === null || now.getTime() - beatAt.getTime() >= suspectMs)
  const asleep = now.getTime() - lookedAt.getTime() >= asleepMs
  return asleep || (deaf && hosts.length > 0) ? now : before
}

export function returnPlan(facts: ReturnFacts): ReturnPlan {
  const { host } = facts
  if (facts.moving) return wait('its move to end')
  if (!facts.present) return removalPlan(facts)
  if (facts.pinned !== null) return wait(`${host.name} to return: ${facts.pinned}`)
  if (facts.ha === 'wait') return wait(`${host.name} to return: its pool wishes so`)
  const kept = facts.kind === 'persistent' && facts.assigned && facts.diskMade
  if (kept) return ownDiskPlan(facts)
  return { do: 'return', disk: 'new', hosts: null, because: `${host.name} was lost: it returns with a new disk` }
}

/** Its disk is condemned, so nobody minds who writes to it; but its address may go to another only when it is off. */
function removalPlan({ host, others, justMoved }: ReturnFacts): ReturnPlan {
  const { name, storageId } = host
  if (justMoved) return wait(copyEnds)
  if (!isFenced(host)) return wait(`${name} to return or to be confirmed off: it is being removed there`)
  if (storageId !== null && others.some(other => other.storageId === storageId)) {
    const because = `${name} is off: another host removes its disk`
    return { do: 'return', disk: 'own', hosts: { storageId, diskLocks: false }, because }
  }
  return { do: 'forget', because: `${name} is off: what is left of it there is removed when that host returns` }
}

/**
 * A disk that locks guarded stays where locks guard it, even when its last host is off for certain: an older host, still
 * away, may have a copy of it too, which only its lock tells of.
 */
function ownDiskPlan({ host, others, rests, justMoved }: ReturnFacts): ReturnPlan {
  const { storageId, diskLocks, name } = host
  if (storageId === null) return wait(`${name} to return: nobody knows which storage its disk is on`)
  const sharing = others.filter(other => other.storageId === storageId)
  if (sharing.length === 0) return wait(`${name} to return: no other host that is online has its disk`)
  if (diskLocks && !sharing.some(other => other.diskLocks))
    return wait(`${name} to return: no other host that is online guards its disk by locks, as ${name} does`)
  // A lock keeps a copy that is being ended from writing, as it does the one on the lost host.
  if (!diskLocks && justMoved) return wait(copyEnds)
  const certain = isFenced(host) ? 'and is off for certain' : rests ? 'while the desktop stood still' : undefined
  if (!diskLocks && certain === undefined)
    return {
      do: 'wait',
      for: `${name} to be fenced or confirmed off: nothing else keeps its old copy from writing to the disk`,
      fence: true,
    }
  const then = certain === undefined ? ', whose lock lets it start once the old copy has ended' : ''
  return {
    do: 'return',
    disk: 'own',
    hosts: { storageId, diskLocks },
    because: `${name} was lost${certain ? ` ${certain}` : ''}: it returns on its own disk${then}`,
    ...(certain === undefined && { locked: true as const }),
  }
}

/**
 * A start that a killed agent began in libvirt ends within so long, unreported. Shorter: it might still begin to write;
 * longer: a desktop that was stopped a while before its host was lost waits for a fence.
 */
const surelyAtRestMs = 60_000

/** Whether a desktop stood still when its host was last heard, under the wish in force and for long enough. */
export function desktopRests(
  desktop: {
    wishedPower: 'running' | 'paused' | 'stopped'
    generation: number
    observed: { generation: number | null; power: 'running' | 'paused' | 'stopped' | null; step: string | null }
    stepSince: Date
  },
  lostSince: Date,
): boolean {
  const { observed } = desktop
  const still = desktop.wishedPower === 'stopped' && observed.power === 'stopped' && observed.step === null
  return (
    still &&
    observed.generation === desktop.generation &&
    lostSince.getTime() - desktop.stepSince.getTime() >= surelyAtRestMs
  )
}

/** Whether a host may take a desktop that returns. */
export function mayTake(plan: Extract<ReturnPlan, { do: 'return' }>, host: ReturnHost): boolean {
  const { hosts } = plan
  return hosts === null || (host.storageId === hosts.storageId && (!hosts.diskLocks || host.diskLocks))
}
