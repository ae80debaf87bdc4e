/** The queue of machines that may start as soon as there is a place (boot.ts), as the loop keeps it. */
import type { KnownMachine, World } from './agent-world.ts'
import { admitBoots, placeShown, type WaitingBoot } from './boot.ts'
import { isBooting } from './plan.ts'

export interface BootQueue {
  /** It wants to start. It keeps its place however often it says so. */
  join(known: KnownMachine): void
  /** It does not want to start any more. */
  leave(known: KnownMachine): void
  /** Starts whom there is a place for, and tells the others theirs. */
  admit(): void
}

export function makeBootQueue(parts: {
  world: World
  slots: number
  nowMs: () => number
  start: (known: KnownMachine) => void
  /** Its place changed. */
  moved: (known: KnownMachine) => void
}): BootQueue {
  const { world, slots, nowMs, start, moved } = parts
  const waiting = new Map<string, WaitingBoot>()

  function bootingCount(): number {
    const now = nowMs()
    let count = 0
    for (const { busy, spec, found, memory } of world.machines.values())
      if (busy === 'start' || isBooting(spec, found, memory, now)) count++
    return count
  }

  return {
    join(known) {
      const sinceMs = waiting.get(known.id)?.sinceMs ?? nowMs()
      waiting.set(known.id, { machineId: known.id, priority: known.spec?.priority ?? 'prewarm', sinceMs })
    },
    leave(known) {
      waiting.delete(known.id)
      known.place = null
    },
    admit() {
      if (waiting.size === 0) return
      const { admitted, queue } = admitBoots(slots, bootingCount(), [...waiting.values()])
      for (const id of admitted) {
        waiting.delete(id)
        const known = world.machines.get(id)
        if (!known) continue
        known.place = null
        start(known)
        moved(known)
      }
      queue.forEach((id, index) => {
        const known = world.machines.get(id)
        const place = placeShown(index + 1)
        if (!known || known.place === place) return
        known.place = place
        moved(known)
      })
    },
  }
}
