/**
 * Which machines may boot now. Pure. A guest that boots uses a whole core: with as many at once as there are cores,
 * the first person waits for one boot; with all at once everybody waits for all, and each boot costs a third more.
 */

export interface WaitingBoot {
  machineId: string
  priority: 'person' | 'prewarm'
  sinceMs: number
}

export interface BootAdmission {
  admitted: string[]
  /** Who goes on waiting, next first. */
  queue: string[]
}

/** @param booting how many hold a slot now: started and neither ready, failed nor out of time. */
export function admitBoots(slots: number, booting: number, waiting: readonly WaitingBoot[]): BootAdmission {
  const order = waiting.toSorted(
    (a, b) =>
      Number(b.priority === 'person') - Number(a.priority === 'person') ||
      a.sinceMs - b.sinceMs ||
      (a.machineId < b.machineId ? -1 : 1),
  )
  const free = Math.max(0, slots - booting)
  const ids = order.map(boot => boot.machineId)
  return { admitted: ids.slice(0, free), queue: ids.slice(free) }
}

/**
 * The place to tell. Exact to 20, then in steps of 20: every start moves everybody, and reporting a thousand moves
 * per start would cost more than the start.
 */
export const placeShown = (place: number) => (place <= 20 ? place : Math.ceil(place / 20) * 20)
