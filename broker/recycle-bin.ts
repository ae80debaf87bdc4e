/**
 * A persistent desktop that is deleted goes into the recycle bin: it stands still, out of its person's sight and of its
 * pool's places, with its disk and its owner, until its cluster's time is over (reconcile/bin.ts) or it is removed for good (`purge`).
 */
import type { Tx } from '../db/connect.ts'
import { donglesFree } from '../db/dongles.ts'
import { poolGrowLock, poolRows } from '../db/pools.ts'
import { binDays, binOfPool, binPut, binTake } from '../db/recycle-bin.ts'
import { sessionsEnd } from '../db/sessions.ts'
import { HdcsError } from '../lib/errors.ts'
import { poolFull } from './making.ts'

/** Shorter: a guest loses what it was writing. */
const stopGraceMs = 60_000
const dayMs = 24 * 3_600_000

interface Deleted {
  id: string
  name: string
  pool_id: string
  host_id: string
  user_id: string | null
  /** Null: it never had a disk. */
  disk_incarnation: number | null
}

/** @returns false for what goes at once: it holds nothing of anybody, or there is no bin. */
export async function binInstead(tx: Tx, desktop: Deleted, kind: 'floating' | 'persistent', now: Date) {
  if (kind !== 'persistent' || desktop.user_id === null) return false
  if (desktop.disk_incarnation === null) return false
  if ((await binDays(tx, desktop.host_id)) === 0) return false
  await sessionsEnd(tx, [desktop.id], now)
  // Nobody shall wait for a licence key until the bin is emptied.
  await donglesFree(tx, desktop.id)
  await binPut(tx, desktop.id, stopGraceMs, now)
  return true
}

/** Its owner has it again, as it was. The caller holds its row. @throws HdcsError `pool_exhausted`. */
export async function binRestore(tx: Tx, desktop: Deleted) {
  const [pool] = await poolRows(tx, { ids: [desktop.pool_id] })
  const { size } = await binOfPool(tx, desktop.pool_id)
  if (!pool?.wished_present) throw new HdcsError('conflict', `The pool of ${desktop.name} is being removed.`)
  if (size >= pool.max_size)
    throw new HdcsError('pool_exhausted', `${poolFull(pool)} Raise its largest size, or delete another one.`)
  await binTake(tx, desktop.id)
}

/** For who restores: locked before the row, as everybody does who makes a pool larger. */
export const binLock = poolGrowLock

/** How long it stays; null: it is not in the bin. */
export const binnedView = (desktop: { binned_at: Date | null; bin_days: number }) =>
  desktop.binned_at && {
    at: desktop.binned_at.toISOString(),
    until: new Date(desktop.binned_at.getTime() + desktop.bin_days * dayMs).toISOString(),
  }
