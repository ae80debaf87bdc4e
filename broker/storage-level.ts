/** How full a storage is, and what that means for it. Pure: the same words for a host's root folder and for a pool. */

import { sizeText } from '../lib/sizes.ts'

export type StorageLevel = 'ok' | 'warning' | 'critical' | 'full'

export interface StorageFigures {
  capacityBytes: number
  freeBytes: number
  /** Its reserve: what new disks leave free. */
  keptBytes: number
  /** Promised to all on its file system; absent: not worth a word. */
  promisedBytes?: number
}

/** Share in use from which an administrator should know; from which it is urgent. */
const warningFrom = 0.8
const criticalFrom = 0.9
/** Of the reserve: free space below so many times it is near, however large the storage is. */
const nearReserve = 1.5

export function storageLevel({ capacityBytes, freeBytes, keptBytes }: StorageFigures): StorageLevel {
  if (capacityBytes <= 0) return 'ok'
  if (freeBytes <= keptBytes) return 'full'
  const used = 1 - freeBytes / capacityBytes
  if (used >= criticalFrom || freeBytes < keptBytes * nearReserve) return 'critical'
  return used >= warningFrom ? 'warning' : 'ok'
}

/** What to know and to do; null while all is well. @param what it is called, as the beginning of a sentence. */
export function storageWarning(what: string, figures: StorageFigures): string | null {
  const level = storageLevel(figures)
  if (level === 'ok') return null
  const { capacityBytes, freeBytes, keptBytes, promisedBytes = 0 } = figures
  const percent = Math.round((1 - freeBytes / capacityBytes) * 100)
  const more = promisedBytes > capacityBytes ? ` (${sizeText(promisedBytes)} are promised of it)` : ''
  const now = `${what} is ${percent} % full: ${sizeText(freeBytes)} of ${sizeText(capacityBytes)} are free${more}`
  if (level === 'full')
    return `${now}, which is its reserve (${sizeText(keptBytes)}). Nothing new is made on it; what runs goes on. Remove what is not needed or enlarge it: everything goes on by itself then.`
  return `${now}, and new disks end at ${sizeText(keptBytes)}. Remove what is not needed or enlarge it in time.`
}

/** Promised to all guests of its file system ÷ what there is: 3 means that it would have to be three times as large if all were written. */
export const thinRatio = (promisedBytes: number, capacityBytes: number): number | null =>
  capacityBytes > 0 ? Math.round((promisedBytes / capacityBytes) * 100) / 100 : null
