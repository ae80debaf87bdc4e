/** Keeps a connection open, whatever happens on the way: dials, and dials again later and later. */
import { pause } from './clock.ts'
import type { Log } from './log.ts'

/** First wait between dials; doubled up to the longest. Lower: a restarting control plane is stormed. */
const firstRedialMs = 250
const longestRedialMs = 10_000

/** How one connection ended. */
export interface Dialled {
  /** It was let in at all. */
  opened: boolean
  why: string
}

/**
 * @param dialOnce resolves when its connection is over, and ends it when the signal does.
 * @returns disposing ends the connection and waits for it.
 */
export function keepDialling(dialOnce: (signal: AbortSignal) => Promise<Dialled>, log: Log): AsyncDisposable {
  const ended = new AbortController()
  const dialling = (async () => {
    let redialMs = firstRedialMs
    let lastWhy = ''
    while (!ended.signal.aborted) {
      const dialledAtMs = performance.now()
      const { opened, why } = await dialOnce(ended.signal)
      if (ended.signal.aborted) break
      // One that is let in and thrown out again (two agents with one key) must not come back at full speed.
      if (opened && performance.now() - dialledAtMs > longestRedialMs) redialMs = firstRedialMs
      // Once per reason: a control plane that is away for an hour is one line, not a thousand.
      if (opened || why !== lastWhy) log.warn({ why }, opened ? 'connection lost; dialling again' : 'cannot connect')
      lastWhy = why
      // Half fixed, half random: a thousand agents do not come back in the same moment.
      await pause(redialMs / 2 + (Math.random() * redialMs) / 2, ended.signal)
      redialMs = Math.min(redialMs * 2, longestRedialMs)
    }
  })()
  return {
    async [Symbol.asyncDispose]() {
      ended.abort()
      await dialling
    },
  }
}
