/** Bytes of a line, gathered: it gives them in pieces of 16 KiB, and to write each costs more than to hash it. */
import { finished, type Readable } from 'node:stream'
import { HdcsError } from '../lib/errors.ts'

/** Enough for one write. */
const enoughBytes = 2 ** 20
/** What came in so long is written all the same: a killed process loses it, and it is sent again. */
const enoughMs = 100
/** Held while a write is on its way. Less: the line waits for the disk; more: only memory. */
const mostBytes = 4 * 2 ** 20
/** A line that says nothing for so long is none. Shorter: a busy disk at the other end breaks it; longer: others wait. */
const silentMs = 30_000

/**
 * All that comes, in order. A line that breaks is thrown after everything that came before was given.
 * @param heldBytes less than usual for a line that is limited: it rests when we do.
 */
export async function* gathered(stream: Readable, heldBytes = mostBytes): AsyncGenerator<Buffer[]> {
  const line: { over: boolean; error: Error | null } = { over: false, error: null }
  let [pending, bytes]: [Buffer[], number] = [[], 0]
  let wake = () => {}
  const silence = setTimeout(() => {
    if (!stream.isPaused()) stream.destroy(new HdcsError('unreachable', `Nothing came for ${silentMs / 1000} s.`))
  }, silentMs)
  finished(stream, { writable: false }, error => {
    line.over = true
    line.error = error ?? null
    wake()
  })
  stream.on('data', (piece: Buffer) => {
    silence.refresh()
    pending.push(piece)
    bytes += piece.length
    if (bytes >= heldBytes) stream.pause()
    if (bytes >= enoughBytes) wake()
  })
  try {
    for (;;) {
      if (!line.over && bytes < Math.min(enoughBytes, heldBytes)) {
        const { promise, resolve } = Promise.withResolvers<void>()
        wake = resolve
        const timer = setTimeout(resolve, enoughMs)
        await promise
        clearTimeout(timer)
      }
      if (pending.length > 0) {
        const pieces = pending
        pending = []
        bytes = 0
        if (stream.isPaused()) {
          silence.refresh()
          stream.resume()
        }
        yield pieces
      } else if (line.error) throw line.error
      else if (line.over) return
    }
  } finally {
    clearTimeout(silence)
    stream.destroy()
  }
}
