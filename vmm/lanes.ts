/** Runs work with at most `width` at once: urgent work first, else in the order it was asked for. */
export type Lane = <T>(work: () => Promise<T>, urgent?: boolean) => Promise<T>

export function makeLane(width: number): Lane {
  let running = 0
  const urgentWaiting: (() => void)[] = []
  const waiting: (() => void)[] = []
  return async (work, urgent = false) => {
    if (running >= width) await new Promise<void>(resolve => (urgent ? urgentWaiting : waiting).push(resolve))
    else running++
    try {
      return await work()
    } finally {
      // The place is handed on, not given back: a newcomer cannot take it.
      const next = urgentWaiting.shift() ?? waiting.shift()
      if (next) next()
      else running--
    }
  }
}
