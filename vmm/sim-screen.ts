/**
 * A small real SPICE server in memory: the screen of a simulated machine. It shows the desktop's name, draws what is
 * typed and where the pointer presses, and lets in whoever has the password in time. Any SPICE client can use it.
 */
import type { AddressInfo } from 'node:net'
import { HdcsError } from '../lib/errors.ts'
import { drawBox, drawText, encodeLz, encodePng, makePicture, type Picture } from './sim-picture.ts'
import { halves, makeSimSpiceServer, type SimChannel, words } from './sim-spice.ts'

export interface SimScreen {
  host: string
  port: number
  /** Who comes from now on needs this password; who is connected stays. Null lets nobody in. */
  setPassword(password: string | null, validUntil: Date): void
  /** Called with the number of main channels whenever it changes. */
  onClients(callback: (count: number) => void): void
  /** What was typed, as the picture shows it. */
  typed(): string
  /** What it shows now. */
  picture: Picture
  close(): Promise<void>
}

const width = 800
const height = 480
const nameScale = 9
const typedTop = 200
const typedScale = 6
const typedPerRow = 32
const colors = { ground: 0x1f2a44, name: 0xffffff, typed: 0x9ad1ff, pointer: 0xffb454, line: 0x3b82f6 }

/** PC set-1 scan codes of a US keyboard to letters. */
const keyRows: readonly [number, string][] = [
  [0x02, '1234567890-'],
  [0x10, 'QWERTYUIOP'],
  [0x1e, 'ASDFGHJKL'],
  [0x2c, 'ZXCVBNM'],
  [0x34, '.'],
  [0x39, ' '],
]
const backspace = 0x0e
const channelTypes = { main: 1, display: 2, inputs: 3, cursor: 4 } as const
const sessionOver = 8

function namePicture(name: string): Picture {
  const picture = makePicture(width, height)
  drawBox(picture, 0, 0, width, height, colors.ground)
  drawBox(picture, 0, 150, width, 6, colors.line)
  drawText(picture, 32, 64, name, nameScale, colors.name)
  return picture
}

/**
 * What its screen shows, as PNG; before anybody was let in, its name. A name asks for none (`no-picture`).
 * @throws HdcsError `internal`.
 */
export function simPicture(name: string, screen: SimScreen | null): Uint8Array {
  if (name.includes('no-picture')) throw new HdcsError('internal', 'Simulated: its screen gives no picture.')
  return encodePng(screen?.picture ?? namePicture(name))
}

/** @param options.name shown in block letters. @param options.host the address to listen on, 127.0.0.1 by default. */
export async function startSimScreen(options: { name: string; host?: string }): Promise<SimScreen> {
  const picture = namePicture(options.name)
  const channels = new Set<SimChannel>()
  const listeners: ((count: number) => void)[] = []
  let password: { text: string; until: number } | null = null
  let sessionId = Math.floor(Math.random() * 0x7fff_0000) + 1
  let typed = ''
  let motions = 0

  const server = makeSimSpiceServer({
    admit: given => password !== null && given === password.text && Date.now() < password.until,
    refusal: ({ type, connectionId }) => (type === channelTypes.main || connectionId === sessionId ? 0 : sessionOver),
    opened(channel) {
      if (channel.type === channelTypes.main) beginSession()
      channels.add(channel)
      channel.socket.on('close', () => {
        channels.delete(channel)
        if (channel.type !== channelTypes.main) return
        // The end of main ends its session and with it all its channels.
        closeAll(other => other.connectionId === sessionOf.get(channel))
        countClients()
      })
      const [greet, handle] = behaviours[channel.type] ?? [() => {}, () => {}]
      greet(channel)
      if (channel.type === channelTypes.main) countClients()
      return (type, body) => handle(channel, type, body)
    },
  })
  const sessionOf = new WeakMap<SimChannel, number>()

  /** A second main channel throws the first client out, as QEMU does. */
  function beginSession(): void {
    closeAll(() => true)
    sessionId++
  }
  function closeAll(which: (channel: SimChannel) => boolean): void {
    for (const channel of [...channels].filter(which)) {
      // Gone at once, not when its socket is: it must not be counted beside the client that takes its place.
      channels.delete(channel)
      channel.socket.destroy()
    }
  }
  function countClients(): void {
    const count = [...channels].filter(({ type }) => type === channelTypes.main).length
    for (const listener of listeners) listener(count)
  }

  type Behaviour = [
    greet: (channel: SimChannel) => void,
    handle: (channel: SimChannel, type: number, body: Buffer) => void,
  ]
  const behaviours: Readonly<Record<number, Behaviour>> = {
    [channelTypes.main]: [
      channel => {
        sessionOf.set(channel, sessionId)
        // MAIN_INIT: session, displays, mouse modes (server and client), client mode, no agent, tokens, time, memory.
        channel.send(103, words(sessionId, 1, 3, 2, 0, 10, 0, 0))
      },
      (channel, type) => {
        // ATTACH_CHANNELS is answered by the list; not sorted, as real servers do.
        if (type === 104) channel.send(104, Buffer.concat([words(3), Buffer.from([4, 0, 3, 0, 2, 0])]))
      },
    ],
    [channelTypes.display]: [
      channel => channel.send(3, words(1, 20)),
      (channel, type) => {
        if (type !== 101) return
        // SURFACE_CREATE: surface 0, 32 bits without alpha, primary.
        channel.send(314, words(0, width, height, 32, 1))
        sendRows(channel, 0, height)
        // MARK: without it native viewers go on saying "connected".
        channel.send(102, new Uint8Array())
      },
    ],
    [channelTypes.inputs]: [channel => channel.send(101, halves(0)), handleInput],
    [channelTypes.cursor]: [channel => channel.send(101, cursorInit()), () => {}],
  }

  function handleInput(channel: SimChannel, type: number, body: Buffer): void {
    if (type === 101 || type === 104) typeKey(body)
    else if (type === 111 || type === 112) {
      if (type === 112) pointer = [body.readUInt32LE(0), body.readUInt32LE(4)]
      // MOUSE_MOTION_ACK after every fourth: the client counts on it.
      if (++motions % 4 === 0) channel.send(111, new Uint8Array())
    } else if (type === 113 && (body[0] ?? 0) <= 3) press()
  }
  let pointer: [number, number] = [0, 0]

  function typeKey(codes: Buffer): void {
    // Releases and keys with a prefix draw nothing.
    const code = codes[0] ?? 0
    if (code & 0x80) return
    if (code === backspace) typed = typed.slice(0, -1)
    else typed += keyRows.map(([from, row]) => row[code - from] ?? '').join('')
    typed = typed.slice(-typedPerRow * 6)
    drawBox(picture, 0, typedTop, width, height - typedTop, colors.ground)
    for (let row = 0; row * typedPerRow < typed.length; row++) {
      const text = typed.slice(row * typedPerRow, (row + 1) * typedPerRow)
      drawText(picture, 16, typedTop + row * 7 * typedScale, text, typedScale, colors.typed)
    }
    redraw(typedTop, height)
  }

  function press(): void {
    const [x, y] = pointer
    drawBox(picture, x - 4, y - 4, 9, 9, colors.pointer)
    redraw(Math.max(0, y - 4), Math.min(height, y + 5))
  }

  /** A client that does not read gets no more pictures until it does, then one whole picture. */
  function redraw(top: number, bottom: number): void {
    for (const channel of channels) {
      if (channel.type !== channelTypes.display) continue
      if (!channel.socket.writableNeedDrain) sendRows(channel, top, bottom)
      else if (channel.socket.listenerCount('drain') === 0)
        channel.socket.once('drain', () => sendRows(channel, 0, height))
    }
  }

  function sendRows(channel: SimChannel, top: number, bottom: number): void {
    const image = encodeLz(picture, top, bottom)
    const box = words(top, 0, bottom, width)
    const source = words(0, 0, bottom - top, width)
    // DRAW_COPY: surface, box, no clip, offset of the image, source box, PUT, no scaling, no mask; then the image.
    const head = [words(0), box, Buffer.from([0]), words(57), source, halves(8), Buffer.alloc(14)]
    const descriptor = [Buffer.alloc(8), Buffer.from([101, 0]), words(width, bottom - top, image.length)]
    channel.send(304, Buffer.concat([...head, ...descriptor, image]))
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, options.host ?? '127.0.0.1', resolve)
  })
  const { address, port } = server.address() as AddressInfo
  return {
    host: address,
    port,
    setPassword(text, validUntil) {
      password = text === null ? null : { text, until: validUntil.getTime() }
    },
    onClients: callback => void listeners.push(callback),
    typed: () => typed,
    picture,
    async close() {
      closeAll(() => true)
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** CURSOR_INIT with a triangle of 16 pixels: premultiplied BGRA. */
function cursorInit(): Buffer {
  const size = 16
  const shape = Buffer.alloc(4 * size * size)
  for (let y = 0; y < size; y++)
    for (let x = 0; x <= y; x++)
      shape
        .fill(x === 0 || x === y || y === size - 1 ? 0xff : 0x30, 4 * (y * size + x), 4 * (y * size + x) + 3)
        .fill(0xff, 4 * (y * size + x) + 3, 4 * (y * size + x) + 4)
  // Position, trail, visible; flags, id, alpha kind, size, hot spot.
  return Buffer.concat([
    halves(0, 0, 0, 0),
    Buffer.from([1]),
    halves(0),
    words(1, 0),
    Buffer.from([0]),
    halves(size, size, 0, 0),
    shape,
  ])
}
