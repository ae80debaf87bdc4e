import { HdcsError } from '../../lib/errors.ts'
import { packetStatus } from './packet.ts'

/**
 * The bytes that follow a call: a console, a picture, a volume's content.
 *
 * All streams and calls of a connection share its one pipe: a reader that stands still stops everything on it. So give a
 * console or a long transfer a connection of its own (daemon.ts).
 */
export interface LibvirtStream extends AsyncIterable<Uint8Array>, AsyncDisposable {
  /** Resolves when the connection takes more. @throws HdcsError why the stream ended, when it did. */
  write(bytes: Uint8Array): Promise<void>
  /** Nothing more is written or read: resolves when libvirt has everything and confirmed it; else throws why not. */
  end(): Promise<void>
  /** Gives it up; libvirt drops what it has not handled yet. Disposing does this if the stream is still open. */
  abort(): Promise<void>
}

/** VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX: every libvirt takes packets of this size, few take larger ones. */
export const maxStreamBytes = 262_120

/** Too low: the pipe stops and goes for every packet; too high: that much memory for each stream nobody reads. */
const readAheadBytes = 4 * maxStreamBytes

/** The connection, as one stream sees it. */
export interface StreamPort {
  send(status: number, payload: Uint8Array): boolean
  drained(): Promise<void>
  /** Holds up and releases everything that libvirt sends on this connection. */
  hold(): void
  release(): void
  /** How long libvirt may take to confirm an end. */
  timeoutMs: number
}

const noBytes = new Uint8Array()

/** @returns the stream for its user, and what the connection tells it. */
export function makeStream(port: StreamPort) {
  const chunks: Uint8Array[] = []
  let buffered = 0
  let held = false
  /** We said that we are done: what still comes is dropped. */
  let leaving = false
  /** libvirt has no more for us. */
  let dry = false
  let wake = () => {}
  let outcome: { error: HdcsError | null } | null = null
  const finished = Promise.withResolvers<void>()

  function take(): Uint8Array | undefined {
    const chunk = chunks.shift()
    buffered -= chunk?.length ?? 0
    if (held && buffered < readAheadBytes / 2) release()
    return chunk
  }

  function release() {
    if (!held) return
    held = false
    port.release()
  }

  function leave(status: number) {
    if (leaving || outcome) return
    leaving = true
    port.send(status, noBytes)
    release()
  }

  function conclude(error: HdcsError | null) {
    if (outcome) return
    outcome = { error }
    release()
    finished.resolve()
    wake()
  }

  async function confirmed() {
    const timer = setTimeout(
      () => conclude(new HdcsError('timeout', `libvirt did not confirm the end of a stream in ${port.timeoutMs} ms.`)),
      port.timeoutMs,
    )
    await finished.promise
    clearTimeout(timer)
  }

  async function* iterate(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = take()
      if (chunk) {
        yield chunk
      } else if (outcome?.error && !leaving) {
        throw outcome.error
      } else if (outcome || dry || leaving) {
        return
      } else {
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
    }
  }

  async function abort() {
    leave(packetStatus.error)
    await confirmed()
  }

  const stream: LibvirtStream = {
    [Symbol.asyncIterator]: iterate,
    async write(bytes) {
      for (let at = 0; at < bytes.length; at += maxStreamBytes) {
        if (outcome || leaving) throw outcome?.error ?? new HdcsError('conflict', 'This stream has ended.')
        if (!port.send(packetStatus.more, bytes.subarray(at, at + maxStreamBytes))) await port.drained()
      }
      if (outcome?.error) throw outcome.error
    },
    async end() {
      leave(packetStatus.ok)
      await confirmed()
      if (outcome?.error) throw outcome.error
    },
    abort,
    [Symbol.asyncDispose]: abort,
  }

  return {
    stream,
    /** @param error what libvirt said with an error status. */
    receive(status: number, payload: Uint8Array, error: () => HdcsError) {
      if (status === packetStatus.ok) return conclude(null)
      if (status === packetStatus.error) return conclude(error())
      if (leaving) return
      if (payload.length === 0) {
        // libvirt's way to say that it has no more
        dry = true
        leave(packetStatus.ok)
        wake()
        return
      }
      chunks.push(payload)
      buffered += payload.length
      if (buffered >= readAheadBytes && !held) {
        held = true
        port.hold()
      }
      wake()
    },
    /** The connection broke, or the call that should have opened the stream failed. */
    fail: conclude as (error: HdcsError) => void,
    get open() {
      return outcome === null
    },
  }
}
