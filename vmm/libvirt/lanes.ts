/**
 * Places for calls in flight, given out fairly: whoever waits in one lane waits for that lane only, and lanes take
 * turns. Nothing here knows time or sockets.
 */
export function lanes(places: number) {
  let free = places
  /** Insertion order is the order of turns: a lane that had its turn goes to the end. */
  const waiting = new Map<string, (() => void)[]>()

  function startNext() {
    const next = waiting.entries().next().value
    if (!next || free === 0) return
    const [lane, starts] = next
    waiting.delete(lane)
    const start = starts.shift()
    if (starts.length > 0) waiting.set(lane, starts)
    free--
    start?.()
  }

  return {
    /** Calls `start` now or when a place is free. @returns takes it out of the queue; false: it was started already. */
    enter(lane: string, start: () => void): () => boolean {
      const starts = waiting.get(lane) ?? []
      starts.push(start)
      waiting.set(lane, starts)
      startNext()
      return () => {
        const index = starts.indexOf(start)
        if (index < 0) return false
        starts.splice(index, 1)
        if (starts.length === 0 && waiting.get(lane) === starts) waiting.delete(lane)
        return true
      }
    },
    /** Gives a place back. Once for every start. */
    leave() {
      free++
      startNext()
    },
  }
}
