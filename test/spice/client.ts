/** A client of the gateway for tests: what the browser does, with every message at hand. */
import { WebSocket } from 'ws'
import { encodeMessage, MessageReader } from '../../spice/wire.ts'

export interface TestChannel {
  socket: WebSocket
  /** JSON that the gateway sent first. */
  reply: { type: number; id: number; common: number[]; channel: number[] }
  /** Types and bodies so far. */
  messages: { type: number; body: Uint8Array }[]
  /** The first message of this type, also one that comes later. */
  message(type: number): Promise<Uint8Array>
  send(type: number, body?: Uint8Array): void
  closed: Promise<{ code: number; reason: string }>
}

export interface OpenOptions {
  origin?: string
  autoPong?: boolean
}

/** @returns the channel once it is linked, or how it was refused: HTTP's status, or the code of the close. */
export function openTestChannel(
  url: string,
  channel: string,
  options: OpenOptions = {},
): Promise<TestChannel | number> {
  const { origin, autoPong = true } = options
  const socket = new WebSocket(`${url}&channel=${channel}`, ['binary'], {
    autoPong,
    ...(origin !== undefined && { origin }),
  })
  const reader = new MessageReader()
  const messages: TestChannel['messages'] = []
  const waiting = new Map<number, (body: Uint8Array) => void>()
  const closed = new Promise<{ code: number; reason: string }>(resolve =>
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })),
  )
  return new Promise(resolve => {
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode ?? 0))
    // The answer of a refusal is all that these tests look at.
    socket.on('error', () => resolve(-1))
    void closed.then(({ code }) => resolve(code))
    socket.on('message', (data: Buffer, binary) => {
      if (binary)
        return reader.feed(data, (type, body) => {
          messages.push({ type, body: body.slice() })
          waiting.get(type)?.(body.slice())
        })
      resolve({
        socket,
        reply: JSON.parse(data.toString()),
        messages,
        closed,
        message: type =>
          new Promise(found => {
            const first = messages.find(message => message.type === type)
            if (first) found(first.body)
            else waiting.set(type, found)
          }),
        send: (type, body) => socket.send(encodeMessage(type, body)),
      })
    })
  })
}

/** As openTestChannel, for those that must be let in. */
export async function linkedChannel(url: string, channel: string, options?: OpenOptions): Promise<TestChannel> {
  const opened = await openTestChannel(url, channel, options)
  if (typeof opened === 'number') throw new Error(`channel ${channel} was refused with ${opened}`)
  return opened
}

/** A main channel whose session the gateway knows. */
export async function linkedMain(url: string): Promise<TestChannel> {
  const main = await linkedChannel(url, '1.0')
  await main.message(103)
  return main
}
