/** The queue of machines that may start as soon as there is a place (boot.ts), as the loop keeps it. */
import { readFileSync } from 'node:fs'
import type { KnownMachine, World } from './agent-world.ts'
import { admitBoots, type Boot, bootSlots, bootWeight, placeShown, type WaitingBoot } from './boot.ts'
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
  /** Cores. */
  slots: number
  nowMs: () => number
  start: (known: KnownMachine) => void
  /** Its place changed. */
  moved: (known: KnownMachine) => void
  /** Percent of the last ten seconds in which somebody waited for the disk; a simulated host has none. */
  ioStalledPercent?: () => number
}): BootQueue {
  const { world, slots, nowMs, start, moved, ioStalledPercent = () => 0 } = parts
  const waiting = new Map<string, WaitingBoot>()
  /** Guests that answered, run, and do not answer now: since when. A reboot uses a core as any boot does. */
  const silentSinceMs = new Map<string, number>()

  function isRebooting({ id, spec, found, memory }: KnownMachine, now: number): boolean {
    const silent = found?.power === 'running' && memory.answered && !found.agentConnected && spec?.readyWhen === 'agent'
    if (!silent) silentSinceMs.delete(id)
    else if (!silentSinceMs.has(id)) silentSinceMs.set(id, now)
    // A guest whose agent was removed is silent for ever and boots nothing.
    return silent && now - (silentSinceMs.get(id) ?? now) < spec.bootTimeoutMs
  }

  function booting(): Boot[] {
    const now = nowMs()
    const boots: Boot[] = []
    for (const known of world.machines.values()) {
      const { busy, spec, found, memory } = known
      if (busy === 'start' || isBooting(spec, found, memory, now) || isRebooting(known, now)) boots.push(bootOf(known))
    }
    for (const id of silentSinceMs.keys()) if (!world.machines.has(id)) silentSinceMs.delete(id)
    return boots
  }

  /**
   * Persons' machines that will want to start in a moment: nobody who only prewarms takes their place for a whole boot. Whose
   * disk is still locked may come now or in hours: half of the places are kept for those.
   */
  function coming(now: number): WaitingBoot[] {
    const others = [...world.machines.values()].filter(known => !waiting.has(known.id) && isPersons(known))
    const locked = others.filter(({ memory }) => memory.trouble?.code === 'disk_in_use').slice(0, Math.floor(slots / 2))
    const soon = others.filter(known => comesSoon(known, now))
    return [...new Set([...soon, ...locked])].map(known => {
      return { ...bootOf(known), machineId: known.id, priority: 'person', sinceMs: now }
    })
  }

  return {
    join(known) {
      const sinceMs = waiting.get(known.id)?.sinceMs ?? nowMs()
      const priority = known.spec?.priority ?? 'prewarm'
      waiting.set(known.id, { ...bootOf(known), machineId: known.id, priority, sinceMs })
    },
    leave(known) {
      waiting.delete(known.id)
      known.place = null
    },
    admit() {
      if (waiting.size === 0) return
      const all = [...waiting.values(), ...coming(nowMs())]
      const { admitted, queue } = admitBoots(bootSlots(slots, ioStalledPercent()), booting(), all)
      for (const id of admitted) {
        const known = world.machines.get(id)
        if (!waiting.delete(id) || !known) continue
        known.place = null
        start(known)
        moved(known)
      }
      queue.forEach((id, index) => {
        const known = world.machines.get(id)
        const place = placeShown(index + 1)
        if (!waiting.has(id) || !known || known.place === place) return
        known.place = place
        moved(known)
      })
    },
  }
}

const isPersons = ({ spec, found }: KnownMachine) =>
  spec?.priority === 'person' && spec.power === 'running' && !spec.move && !found

/** Its disk is made, or its network: moments, unless something is wrong with it. */
function comesSoon({ spec, busy, decision, memory, overlays }: KnownMachine, now: number): boolean {
  if (now < memory.retryAtMs) return false
  if (busy) return busy === 'make disk' || busy === 'remove disk' || busy === 'look for disk'
  const waits = decision?.step === null && decision.trouble === null && decision.wakeAtMs === null
  return waits && spec !== null && overlays.includes(spec.incarnation) && memory.stopped !== 'guest'
}

const bootOf = ({ spec }: KnownMachine): Boot => ({
  group: spec?.group ?? '',
  weight: bootWeight(spec?.hardware.vcpus ?? 1),
})

/** The kernel's own measure (PSI); 0 where it keeps none (before Linux 4.20, or switched off). */
export function ioStalledPercent(): number {
  try {
    return Number(/^some avg10=([\d.]+)/.exec(readFileSync('/proc/pressure/io', 'latin1'))?.[1] ?? 0)
  } catch {
    return 0 // Kernels without PSI: boots are then tuned to cores alone.
  }
}
