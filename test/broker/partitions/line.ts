/**
 * The one connection of an agent. In order, with latency; a cut cable holds what is under way, as TCP does, until the
 * cable is back or the connection is given up.
 */
import type { FromAgent, ToAgent } from '../../../vmm/protocol.ts'
import type { RoomHost } from './room.ts'
import type { Timeline } from './timeline.ts'

/** A connection whose cable was cut for so long is given up by both ends. */
const givenUpMs = 10_000
const redialMs = 1_000

export interface LineEnds {
  agentIsThere(): boolean
  controlIsThere(): boolean
  agentOpened(): void
  agentHears(message: ToAgent): void
  controlHears(message: FromAgent): void
}

export interface Line {
  toAgent(message: ToAgent): void
  toControl(message: FromAgent): void
  /** One of the processes began or ended, or the cable changed. */
  drop(): void
  cut(): void
  heal(): void
}

export function makeLine(host: RoomHost, timeline: Timeline, ends: LineEnds): Line {
  let epoch = 0
  let open = false
  let dialing = false
  let cutAtMs = 0
  let held: (() => void)[] = []
  let freeAtMs = { agent: 0, control: 0 }

  const carry = (to: 'agent' | 'control', deliver: () => void) => {
    if (!open) return
    const mine = epoch
    freeAtMs[to] = Math.max(freeAtMs[to], timeline.nowMs() + timeline.between(1, 20))
    timeline.after(freeAtMs[to] - timeline.nowMs(), () => {
      if (mine !== epoch) return
      if (host.cut) held.push(deliver)
      else deliver()
    })
  }

  function dial(): void {
    if (dialing || open) return
    dialing = true
    timeline.after(timeline.between(100, redialMs), () => {
      dialing = false
      if (open) return
      if (!ends.agentIsThere() || !ends.controlIsThere() || host.cut || !host.on) return dial()
      open = true
      freeAtMs = { agent: 0, control: 0 }
      ends.agentOpened()
    })
  }

  function drop(): void {
    epoch++
    open = false
    held = []
    dial()
  }

  dial()
  return {
    toAgent: message => {
      const copy = structuredClone(message)
      carry('agent', () => ends.agentHears(copy))
    },
    toControl: message => {
      const copy = structuredClone(message)
      carry('control', () => ends.controlHears(copy))
    },
    drop,
    cut() {
      host.cut = true
      cutAtMs = timeline.nowMs()
    },
    heal() {
      host.cut = false
      if (timeline.nowMs() - cutAtMs >= givenUpMs) return drop()
      const late = held
      held = []
      for (const deliver of late) deliver()
    },
  }
}
