/** Events between one producer and one consumer at a time; the consumer may be replaced (an agent that restarts). */
export interface EventQueue<T> {
  push(event: T): void
  /** Everything pushed from now on. An earlier consumer ends. */
  consume(): AsyncIterableIterator<T>
  end(): void
}

export function makeEventQueue<T>(): EventQueue<T> {
  let current: { waiting: ((result: IteratorResult<T>) => void) | null; events: T[]; ended: boolean } | null = null
  let over = false

  const end = () => {
    if (!current) return
    current.ended = true
    current.waiting?.({ value: undefined, done: true })
    current.waiting = null
    current = null
  }

  return {
    push(event) {
      // Nobody listens: a consumer that comes later reads the whole state first, so nothing is lost.
      if (!current) return
      if (!current.waiting) return void current.events.push(event)
      const resolve = current.waiting
      current.waiting = null
      resolve({ value: event, done: false })
    },
    consume() {
      end()
      const mine: NonNullable<typeof current> = { waiting: null, events: [], ended: over }
      if (!over) current = mine
      return {
        [Symbol.asyncIterator]() {
          return this
        },
        next() {
          const event = mine.events.shift()
          if (event !== undefined) return Promise.resolve({ value: event, done: false as const })
          if (mine.ended) return Promise.resolve({ value: undefined, done: true as const })
          return new Promise(resolve => {
            mine.waiting = resolve
          })
        },
        return() {
          if (current === mine) end()
          mine.ended = true
          return Promise.resolve({ value: undefined, done: true as const })
        },
      }
    },
    end() {
      over = true
      end()
    },
  }
}
