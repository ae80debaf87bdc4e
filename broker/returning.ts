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
  | { do: 'wait'; for: string }
  /** `hosts`: who may take it besides being of its cluster; null: anybody. */
  | { do: 'return'; disk: 'new' | 'own'; hosts: ReturnHost | null; because: string }
  /** Being removed, and its host is off for certain: what is left of it is a stray when that host returns. */
  | { do: 'forget'; because: string }

const wait = (what: string): ReturnPlan => ({ do: 'wait', for: what })

/** Fenced before it was lost is no proof: it was switched on since, or it would not have been heard. */
export const isFenced = ({ fencedAt, lostSince }: Pick<LostHost, 'fencedAt' | 'lostSince'>) =>
  fencedAt !== null && fencedAt >= lostSince

export function returnPlan(facts: ReturnFacts): ReturnPlan {
  const { host } = facts
  if (facts.moving) return wait('its move to end')
  if (!facts.present)
    return isFenced(host)
      ? { do: 'forget', because: `${host.name} is off: what is left of it there is removed when that host returns` }
      : wait(`${host.name} to return or to be confirmed off: it is being removed there`)
  if (facts.ha === 'wait') return wait(`${host.name} to return: its pool wishes so`)
  const kept = facts.kind === 'persistent' && facts.assigned && facts.diskMade
  if (kept) return ownDiskPlan(facts)
  return { do: 'return', disk: 'new', hosts: null, because: `${host.name} was lost: it returns with a new disk` }
}

/**
 * A disk that locks guarded stays where locks guard it, even when its last host is off for certain: an older host, still
 * away, may have a copy of it too, which only its lock tells of.
 */
function ownDiskPlan({ host, others, rests }: ReturnFacts): ReturnPlan {
  const { storageId, diskLocks, name } = host
  if (storageId === null) return wait(`${name} to return: nobody knows which storage its disk is on`)
  const sharing = others.filter(other => other.storageId === storageId)
  if (sharing.length === 0) return wait(`${name} to return: no other host that is online has its disk`)
  if (diskLocks && !sharing.some(other => other.diskLocks))
    return wait(`${name} to return: no other host that is online guards its disk by locks, as ${name} does`)
  const certain = isFenced(host) ? 'and is off for certain' : rests ? 'while the desktop stood still' : undefined
  if (!diskLocks && certain === undefined)
    return wait(`${name} to be fenced or confirmed off: nothing else keeps its old copy from writing to the disk`)
  const then = certain === undefined ? ', whose lock lets it start once the old copy has ended' : ''
  return {
    do: 'return',
    disk: 'own',
    hosts: { storageId, diskLocks },
    because: `${name} was lost${certain ? ` ${certain}` : ''}: it returns on its own disk${then}`,
  }
}

/** Whether a host may take a desktop that returns. */
export function mayTake(plan: Extract<ReturnPlan, { do: 'return' }>, host: ReturnHost): boolean {
  const { hosts } = plan
  return hosts === null || (host.storageId === hosts.storageId && (!hosts.diskLocks || host.diskLocks))
}
