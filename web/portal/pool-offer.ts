/** What a pool offers a person at this moment. Pure: the words stand in the message files. */
import type { Pool } from '../data/nouns.ts'
import type { Look } from '../ui/look.ts'

export type Offer = 'readyNow' | 'readyIn' | 'readyLater' | 'full' | 'have' | 'disabled' | 'waiting' | 'restrained'

type OfferedPool = Pick<
  Pool,
  'enabled' | 'status' | 'currentVersion' | 'maxPerUser' | 'maxSize' | 'estimateMs' | 'counts'
>

/** @param mine desktops of this pool that the person has already */
export function offerOf(pool: OfferedPool, mine: number): Offer {
  const free = pool.counts.ready + pool.counts.starting + pool.counts.stopped
  if (mine >= pool.maxPerUser) return 'have'
  if (!pool.enabled || pool.status === 'disabled' || pool.status === 'removing') return 'disabled'
  if (pool.counts.ready > 0 || pool.estimateMs === 0) return 'readyNow'
  if (pool.currentVersion === null) return 'waiting'
  if (free === 0 && pool.counts.total >= pool.maxSize) return 'full'
  if (pool.status === 'restrained') return 'restrained'
  return pool.estimateMs === null ? 'readyLater' : 'readyIn'
}

/** Whether asking makes sense, how it looks, and which sentence explains a no. */
export const offers = {
  readyNow: { look: 'good', help: null },
  readyIn: { look: 'waiting', help: null },
  readyLater: { look: 'waiting', help: null },
  full: { look: 'warn', help: 'portal.fullHelp' },
  have: { look: 'good', help: 'portal.haveHelp' },
  disabled: { look: 'stopped', help: 'portal.disabledHelp' },
  waiting: { look: 'waiting', help: 'portal.waitingHelp' },
  restrained: { look: 'warn', help: 'portal.restrainedHelp' },
} as const satisfies Record<Offer, { look: Look; help: string | null }>
