/**
 * A bounded queue between one that pushes and one that iterates. When it is full, what waits is thrown away and
 * `overflow` stands in its place: the consumer learns that it missed something, and that everything after is whole.
 */
export function boundedQueue<T>(capacity: number, overflow: T) {
  let items: T[] = []
  let ended = false
  let failure: Error | null = null
  let wake = () => {}

  async function* iterate(): AsyncGenerator<T> {
    for (;;) {
      const waiting = items
      items = []
      // Item by item: what is pushed meanwhile queues behind, and a consumer that leaves early loses only what it left.
      for (const [index, item] of waiting.entries()) {
        let taken = false
        try {
          yield item
          taken = true
        } finally {
          if (!taken) items = [...waiting.slice(index + 1), ...items]
        }
      }
      if (items.length > 0) continue
      if (failure) throw failure
      if (ended) return
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
  }

  return {
    push(item: T) {
      if (ended) return
      if (items.length >= capacity) items = [overflow]
      items.push(item)
      wake()
    },
    /** What waits is still given out, then the iteration ends, or throws the error. */
    end(error?: Error) {
      if (ended) return
      ended = true
      failure = error ?? null
      wake()
    },
    [Symbol.asyncIterator]: iterate,
  }
}
