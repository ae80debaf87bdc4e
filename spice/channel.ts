/**
 * One channel over one WebSocket to the gateway, with what all channels have in common: SET_ACK, PING, NOTIFY. Runs in
 * a page, in a worker, and (for tests) in Node, whose WebSocket is the same.
 */
import { closeCodes } from './close-codes.ts'
import { encodeMessage, MessageReader, viewOf } from './wire.ts'

/** Messages of every channel; those of one channel start at 101. */
const fromServer = { setAck: 3, ping: 4, disconnecting: 6, notify: 7 } as const
const toServer = { ackSync: 1, ack: 2, pong: 3 } as const

/** The gateway's first message: capability words of the server. */
export interface ChannelReply {
  type: number
  id: number
  common: number[]
  channel: number[]
}

export interface ChannelOptions {
  /** `webSocketUrl` of the API, with its ticket. */
  url: string
  type: number
  id?: number
  /** @returns false when the message is not known. `body` is valid inside only. A throw skips the message, not the channel. */
  message(type: number, body: Uint8Array): boolean
  opened?(reply: ChannelReply): void
  /** Once, however it ended. The code is one of closeCodes or the browser's own (1006: network). */
  closed(code: number, reason: string): void
}

export interface Channel {
  /** Waits in a queue until the channel is linked; is dropped when it is closed. */
  send(type: number, body?: Uint8Array): void
  close(): void
  readonly stats: { bytes: number; messages: number; unknown: Record<string, number> }
}

/** What a page may queue before the link is done; more is a fault of ours. */
const maxQueued = 64

export function openChannel(options: ChannelOptions): Channel {
  const url = `${options.url}${options.url.includes('?') ? '&' : '?'}channel=${options.type}.${options.id ?? 0}`
  const socket = new WebSocket(url, 'binary')
  socket.binaryType = 'arraybuffer'
  const reader = new MessageReader()
  const stats = { bytes: 0, messages: 0, unknown: {} as Record<string, number> }
  const queue: Uint8Array<ArrayBuffer>[] = []
  let linked = false
  let ackWindow = 0
  let untilAck = 0

  const send = (type: number, body?: Uint8Array) => {
    const bytes = encodeMessage(type, body)
    if (linked && socket.readyState === WebSocket.OPEN) socket.send(bytes)
    else if (!linked && queue.length < maxQueued) queue.push(bytes)
  }

  const common: Readonly<Record<number, (body: Uint8Array) => void>> = {
    [fromServer.setAck](body) {
      ackWindow = untilAck = viewOf(body).getUint32(4, true)
      send(toServer.ackSync, body.slice(0, 4))
    },
    [fromServer.ping]: body => send(toServer.pong, body.slice(0, 12)),
    [fromServer.disconnecting]() {},
    [fromServer.notify]() {},
  }

  const handle = (type: number, body: Uint8Array) => {
    stats.messages++
    try {
      if (common[type]) common[type](body)
      else if (!options.message(type, body)) count(stats.unknown, `message ${type}`)
    } catch (error) {
      // One picture that cannot be read must not cost the screen: it is counted and the next one may be right.
      count(stats.unknown, `message ${type}: ${error instanceof Error ? error.message : error}`)
    }
    // After the work: the server's window is the flow control.
    if (type === fromServer.setAck || ackWindow === 0 || --untilAck > 0) return
    untilAck = ackWindow
    send(toServer.ack)
  }

  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    try {
      if (typeof data === 'string') {
        linked = true
        for (const bytes of queue.splice(0)) socket.send(bytes)
        options.opened?.(JSON.parse(data) as ChannelReply)
        return
      }
      stats.bytes += data.byteLength
      reader.feed(new Uint8Array(data), handle)
    } catch (error) {
      socket.close(closeCodes.notUnderstood, String(error).slice(0, 100))
    }
  }
  socket.onclose = ({ code, reason }) => options.closed(code, reason)
  return { send, close: () => socket.close(1000), stats }
}

export function count(counts: Record<string, number>, what: string): void {
  counts[what] = (counts[what] ?? 0) + 1
}
