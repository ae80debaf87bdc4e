/** Asks guests whether they answer. A guest that hangs costs a place in a lane for the length of a deadline, no more. */
import type { KnownMachine } from './agent-world.ts'
import type { Host } from './host.ts'
import { makeLane } from './lanes.ts'
import { memoryAnswered } from './memory.ts'

/** A guest under emulation may take a second to answer; a hung one must not keep its place longer. */
const pingTimeoutMs = 5_000
/** Asked at once. More: silent guests fill libvirt's connection; fewer: after a restart thousands wait for their turn. */
const pingsAtOnce = 8
/** Asked again after 1 s, 2 s, 4 s … Longer: a guest that was slow once is noticed late. */
const longestPauseMs = 15_000

/** @returns asks the guest of a machine whose agent is connected, unless it is being asked. */
export function makePing(parts: {
  host: Host
  nowMs: () => number
  track: (work: Promise<unknown>) => void
  touch: (ids: string[]) => void
}): (known: KnownMachine) => void {
  const { host, nowMs, track, touch } = parts
  const lane = makeLane(pingsAtOnce)

  return known => {
    const life = known.memory.stops
    // Another life's question, or its pause, holds this one's up no longer.
    if (known.pinging === life) return
    if (known.pinging !== null) known.pingFailures = 0
    known.pinging = life
    const work = lane(() => host.agentPing(known.id, pingTimeoutMs))
      .catch(() => false) // not answering is an answer; the next try follows
      .then(answers => {
        if (known.memory.stops !== life || !known.found) return touch([known.id])
        if (answers) known.memory = memoryAnswered(known.memory, nowMs())
        known.pingFailures = answers ? 0 : known.pingFailures + 1
        const pauseMs = answers ? 0 : Math.min(1_000 * 2 ** (known.pingFailures - 1), longestPauseMs)
        const again = () => {
          if (known.pinging === life) known.pinging = null
          touch([known.id])
        }
        if (answers) again()
        else setTimeout(again, pauseMs).unref()
      })
    track(work)
  }
}
