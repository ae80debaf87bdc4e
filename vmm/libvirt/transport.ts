import { connect } from 'node:net'
import { HdcsError } from '../../lib/errors.ts'

/** A pipe of bytes that is open. The client needs no more than this, so tests can be the other end. */
export interface Transport {
  /** Takes the bytes in order; false when they had to be put aside: wait for `drained` before sending much more. */
  send(bytes: Uint8Array): boolean
  /** Resolves when what was put aside is sent, or the pipe is closed. */
  drained(): Promise<void>
  /** Stops and goes on giving out received bytes: the peer is held up, not us. */
  pause(): void
  resume(): void
  /** `closed` is called after it. */
  close(): void
}

export interface TransportReceiver {
  received(bytes: Uint8Array): void
  /** Once. Null: closed by ourselves or properly by the peer. */
  closed(reason: Error | null): void
}

/** Opens a pipe. @throws HdcsError `unreachable`. */
export type Dial = (receiver: TransportReceiver, signal: AbortSignal) => Promise<Transport>

/** Any local socket file: `/var/run/libvirt/libvirt-sock`. */
export function unixDial(path: string): Dial {
  return (receiver, signal) =>
    new Promise((resolve, reject) => {
      const socket = connect(path)
      const giveUp = () => socket.destroy(new Error('It took too long to answer.'))
      signal.addEventListener('abort', giveUp, { once: true })
      let failure: Error | null = null
      let drains: (() => void)[] = []
      const drain = () => {
        const waiting = drains
        drains = []
        for (const done of waiting) done()
      }
      const refuse = (error: Error) =>
        reject(new HdcsError('unreachable', `libvirt does not answer at ${path}.`, { cause: error }))
      socket.once('error', refuse)
      socket.once('connect', () => {
        socket.off('error', refuse)
        // From here on the connection ends by `close` only: the signal is a deadline for opening it.
        signal.removeEventListener('abort', giveUp)
        socket.on('error', error => {
          failure = error
        })
        socket.on('drain', drain)
        socket.on('data', bytes => receiver.received(bytes))
        socket.once('close', () => {
          drain()
          receiver.closed(failure)
        })
        resolve({
          send: bytes => socket.write(bytes),
          drained: () => new Promise<void>(done => (socket.writableNeedDrain ? drains.push(done) : done())),
          pause: () => void socket.pause(),
          resume: () => void socket.resume(),
          close: () => void socket.destroy(),
        })
      })
    })
}
