/** Virtual time: what happens when, in one order for one seed. Nothing here waits. */

export interface Timeline {
  nowMs(): number
  now(): Date
  after(ms: number, act: () => void | Promise<void>): void
  /** Works off everything up to a moment. */
  run(untilMs: number): Promise<void>
  /** 0 to 1, always the same for one seed. */
  random(): number
  between(fromMs: number, toMs: number): number
  note(who: string, text: string): void
  readonly lines: readonly string[]
}

interface Entry {
  atMs: number
  order: number
  act: () => void | Promise<void>
}

/** Some moment: only differences count. */
const beginMs = Date.UTC(2030, 0, 1)

export function makeTimeline(seed: number): Timeline {
  const heap: Entry[] = []
  const lines: string[] = []
  let nowMs = 0
  let order = 0
  let state = seed >>> 0

  const earlier = (a: Entry, b: Entry) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
  const swap = (a: number, b: number) => {
    const kept = heap[a] as Entry
    heap[a] = heap[b] as Entry
    heap[b] = kept
  }
  function push(entry: Entry): void {
    heap.push(entry)
    for (let at = heap.length - 1; at > 0; ) {
      const above = (at - 1) >> 1
      if (!earlier(heap[at] as Entry, heap[above] as Entry)) return
      swap(at, above)
      at = above
    }
  }
  function pop(): Entry {
    swap(0, heap.length - 1)
    const first = heap.pop() as Entry
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2]
      let least = at
      if (left < heap.length && earlier(heap[left] as Entry, heap[least] as Entry)) least = left
      if (right < heap.length && earlier(heap[right] as Entry, heap[least] as Entry)) least = right
      if (least === at) return first
      swap(at, least)
      at = least
    }
  }

  /** mulberry32 */
  function random(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  return {
    nowMs: () => beginMs + nowMs,
    now: () => new Date(beginMs + nowMs),
    // Whole milliseconds: a rounding error must not turn the order of two messages around.
    after: (ms, act) => push({ atMs: nowMs + Math.max(0, Math.round(ms)), order: order++, act }),
    async run(untilMs) {
      while (heap.length > 0 && (heap[0] as Entry).atMs <= untilMs) {
        const { atMs, act } = pop()
        nowMs = atMs
        const work = act()
        if (work) await work
      }
      nowMs = untilMs
    },
    random,
    between: (fromMs, toMs) => Math.round(fromMs + random() * (toMs - fromMs)),
    note: (who, text) => lines.push(`${(nowMs / 1000).toFixed(1).padStart(6)}  ${who.padEnd(7)} ${text}`),
    lines,
  }
}
