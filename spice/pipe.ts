/** Moves bytes between a browser's WebSocket and a SPICE connection, never faster than the slower of the two. */
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import { type CloseCode, closeCodes } from './close-codes.ts'

/**
 * Bytes waiting for one side before the other is paused. Higher: each stalled browser holds so much more memory;
 * lower: full-screen pictures stop and go, which costs rate over long distances.
 */
const highWaterBytes = 1 << 20
const lowWaterBytes = 1 << 18
/** A browser that took nothing for this long while bytes wait is given up; lower: a hiccup of a train's network ends it. */
export const stalledMs = 30_000
/** A ping each period; none answered by the next one means the browser is gone. Higher: a dead one holds main longer. */
export const pingEveryMs = 15_000

export interface PipeCounters {
  bytesUp: number
  bytesDown: number
  pausesUp: number
  pausesDown: number
}

export interface PipeOptions {
  counters: PipeCounters
  /** Reads along what the server sends, before it is passed on. */
  watch(bytes: Uint8Array): void
  /** Called once when either side is gone, with why. */
  ended(code: CloseCode, reason: string): void
}

/**
 * Starts the pipe between a linked, paused socket and an open WebSocket.
 * @param early messages of the browser that came before the link was done.
 * @returns ends it; safe to call twice.
 */
export function startPipe(
  socket: Socket,
  browser: WebSocket,
  early: readonly Uint8Array[],
  options: PipeOptions,
): () => void {
  const { counters } = options
  let ended = false
  let answered = true
  let pausedAt = 0

  const end = (code: CloseCode, reason: string) => {
    if (ended) return
    ended = true
    clearInterval(timer)
    socket.destroy()
    options.ended(code, reason)
  }
  const sent = () => {
    // Something left for the browser: it is slow, not dead.
    if (pausedAt > 0) pausedAt = performance.now()
    if (ended || !socket.isPaused() || browser.bufferedAmount > lowWaterBytes) return
    pausedAt = 0
    socket.resume()
  }
  const up = (bytes: Uint8Array) => {
    counters.bytesUp += bytes.length
    if (socket.write(bytes) || socket.writableLength < highWaterBytes || browser.isPaused) return
    counters.pausesUp++
    browser.pause()
    socket.once('drain', () => browser.resume())
  }
  socket.on('data', (bytes: Buffer) => {
    counters.bytesDown += bytes.length
    options.watch(bytes)
    if (ended) return
    browser.send(bytes, { binary: true }, sent)
    if (browser.bufferedAmount < highWaterBytes || socket.isPaused()) return
    counters.pausesDown++
    pausedAt = performance.now()
    socket.pause()
  })
  socket.on('close', hadError =>
    hadError
      ? end(closeCodes.connectionBroken, 'the connection to the desktop broke')
      : end(closeCodes.desktopClosed, 'closed by the desktop'),
  )
  browser.on('message', up)
  browser.on('pong', () => {
    answered = true
  })
  browser.on('close', () => end(closeCodes.mainClosed, 'closed by the browser'))
  const timer = setInterval(() => {
    // While bytes wait for a slow browser, ping and pong wait behind them.
    const dead = pausedAt > 0 ? performance.now() - pausedAt > stalledMs : !answered
    if (dead) return end(closeCodes.stalled, 'the browser does not answer')
    answered = pausedAt > 0
    browser.ping()
  }, pingEveryMs)
  timer.unref()
  for (const bytes of early) up(bytes)
  socket.resume()
  return () => end(closeCodes.desktopClosed, 'ended')
}
