/** A SPICE server that draws nothing and notes everything: keys, pointer, and what is said to the guest's agent. */
import type { AddressInfo } from 'node:net'
import { pack } from '../../spice/wire.ts'
import { halves, makeSimSpiceServer, type SimChannel, words } from '../../vmm/sim-spice.ts'

export interface Recorder {
  host: string
  port: number
  /** Scan codes, as `1e 9e`. */
  keys(): string
  /** Pointer messages: `move 10,20 buttons 1`, `press 1`, `release 1`. */
  pointer: string[]
  /** Agent messages: type and body, joined. */
  agent: { type: number; body: Buffer }[]
  /** Says something as the guest's agent, in pieces. */
  tellAgent(type: number, body: Uint8Array): void
  /** Sends on every open channel of this type. */
  tell(channelType: number, type: number, body: Uint8Array): void
  /** Shows a screen of another size. */
  resize(width: number, height: number): void
  /** Channel types that are open now. */
  open(): number[]
  clear(): void
  close(): Promise<void>
}

const pieceBytes = 2048

export async function startRecorder(
  options: { width?: number; height?: number; agent?: boolean } = {},
): Promise<Recorder> {
  const codes: number[] = []
  const pointer: string[] = []
  const agent: Recorder['agent'] = []
  const channels = new Set<SimChannel>()
  let joined = Buffer.alloc(0)
  let moves = 0
  const size = { width: options.width ?? 1000, height: options.height ?? 500 }

  const showSurface = (channel: SimChannel) => channel.send(314, words(0, size.width, size.height, 32, 1))
  const pointers: Record<number, (channel: SimChannel, body: Buffer) => void> = {
    112(channel, body) {
      pointer.push(`move ${body.readUInt32LE(0)},${body.readUInt32LE(4)} buttons ${body.readUInt16LE(8)}`)
      if (++moves % 4 === 0) channel.send(111, new Uint8Array())
    },
    113: (_, body) => void pointer.push(`press ${body[0]} buttons ${body.readUInt16LE(1)}`),
    114: (_, body) => void pointer.push(`release ${body[0]} buttons ${body.readUInt16LE(1)}`),
  }
  const handlers: Record<number, (channel: SimChannel, type: number, body: Buffer) => void> = {
    1(channel, type, body) {
      if (type === 104) channel.send(104, Buffer.concat([words(4), Buffer.from([5, 0, 4, 0, 3, 0, 2, 0])]))
      if (type !== 107) return
      joined = Buffer.concat([joined, body])
      channel.send(110, words(1))
      while (joined.length >= 20 && joined.length >= 20 + joined.readUInt32LE(16)) {
        const end = 20 + joined.readUInt32LE(16)
        agent.push({ type: joined.readUInt32LE(4), body: Buffer.from(joined.subarray(20, end)) })
        joined = joined.subarray(end)
      }
    },
    2: (channel, type) => void (type === 101 && showSurface(channel)),
    3(channel, type, body) {
      if (type === 104) codes.push(...body)
      pointers[type]?.(channel, body)
    },
  }

  const server = makeSimSpiceServer({
    admit: () => true,
    refusal: () => 0,
    opened(channel) {
      channels.add(channel)
      channel.socket.on('close', () => channels.delete(channel))
      if (channel.type === 1) channel.send(103, words(7, 1, 3, 2, options.agent ? 1 : 0, 10, 0, 0))
      if (channel.type === 3) channel.send(101, halves(0))
      return (type, body) => handlers[channel.type]?.(channel, type, body)
    },
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    keys: () => codes.map(code => code.toString(16).padStart(2, '0')).join(' '),
    pointer,
    agent,
    tellAgent(type, body) {
      const message = Buffer.concat([pack(['u32', 1], ['u32', type], ['u64', 0], ['u32', body.length]), body])
      for (const channel of channels)
        for (let at = 0; channel.type === 1 && at < message.length; at += pieceBytes)
          channel.send(109, message.subarray(at, at + pieceBytes))
    },
    tell(channelType, type, body) {
      for (const channel of channels) if (channel.type === channelType) channel.send(type, body)
    },
    resize(width, height) {
      Object.assign(size, { width, height })
      for (const channel of channels)
        if (channel.type === 2) {
          channel.send(315, words(0))
          showSurface(channel)
        }
    },
    open: () => [...channels].map(({ type }) => type),
    clear() {
      codes.length = 0
      pointer.length = 0
      agent.length = 0
    },
    async close() {
      for (const channel of channels) channel.socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
