/**
 * What is said to the guest's agent (spice-vdagent, `vd_agent.h`) through the main channel: pieces of at most 2048
 * bytes, each for a token, joined to messages; clipboard text both ways and the wished resolution. Knows no socket.
 */
import { type Field, pack, viewOf } from '../wire.ts'

export interface AgentEvents {
  /** One piece for the main channel. */
  send(piece: Uint8Array): void
  /** Gives tokens back for pieces that were taken. */
  tokens(count: number): void
  /** The guest copied text. */
  clipboard(text: string): void
}

export interface Agent {
  /** The guest's agent came (again): everything before is void. */
  start(tokens: number): void
  stop(): void
  readonly running: boolean
  addTokens(count: number): void
  /** A piece from the guest. */
  piece(bytes: Uint8Array): void
  clipboardOffer(text: string): void
  monitors(monitors: readonly { width: number; height: number; x: number; y: number }[]): void
}

/** Pieces the server may send before it needs new tokens. */
export const agentTokens = 10
const maxPieceBytes = 2048
const headerBytes = 20
/** One copied text. Higher: a guest fills the tab; lower: large texts are not copied. */
const maxMessageBytes = 16 << 20
const giveBackEvery = 5
const types = { monitors: 2, clipboard: 4, capabilities: 6, grab: 7, request: 8, release: 9 } as const
const utf8Text = 1
const clipboardSelection = 0
/** Bits we announce: monitors, reply, clipboard by demand, selection, sparse monitors. */
const ours = (1 << 1) | (1 << 2) | (1 << 5) | (1 << 6) | (1 << 7)
const selectionBit = 1 << 6

export function makeAgent(events: AgentEvents): Agent {
  let running = false
  let tokens = 0
  let theirs = 0
  let taken = 0
  /** The guest's agent said what it can: before that it is not known how a clipboard message looks. */
  let introduced = false
  let offered: string | null = null
  let queue: Uint8Array[] = []
  let received = new Uint8Array(headerBytes)
  let receivedFill = 0
  /** Of a message that is too large: bytes to throw away. */
  let skip = 0

  function start(count: number): void {
    running = true
    tokens = count
    theirs = 0
    introduced = false
    taken = 0
    queue = []
    received = new Uint8Array(headerBytes)
    receivedFill = 0
    skip = 0
    send(types.capabilities, pack(['u32', 1], ['u32', ours]))
  }

  function send(type: number, body: Uint8Array): void {
    if (!running) return
    const head = pack(['u32', 1], ['u32', type], ['u64', 0], ['u32', body.length])
    const message = join(head, body)
    for (let at = 0; at < message.length; at += maxPieceBytes) queue.push(message.subarray(at, at + maxPieceBytes))
    pump()
  }
  function pump(): void {
    while (tokens > 0 && queue.length > 0) {
      tokens--
      events.send(queue.shift() as Uint8Array)
    }
  }

  function piece(bytes: Uint8Array): void {
    if (++taken >= giveBackEvery) {
      events.tokens(taken)
      taken = 0
    }
    for (let at = 0; at < bytes.length; ) {
      if (skip > 0) {
        const step = Math.min(skip, bytes.length - at)
        skip -= step
        at += step
        continue
      }
      const step = Math.min(received.length - receivedFill, bytes.length - at)
      received.set(bytes.subarray(at, at + step), receivedFill)
      receivedFill += step
      at += step
      if (receivedFill < received.length) return
      const size = viewOf(received).getUint32(16, true)
      if (received.length === headerBytes && size > 0) {
        if (size > maxMessageBytes) {
          skip = size
          receivedFill = 0
          continue
        }
        const whole = new Uint8Array(headerBytes + size)
        whole.set(received)
        received = whole
        continue
      }
      const message = received
      received = new Uint8Array(headerBytes)
      receivedFill = 0
      handlers[viewOf(message).getUint32(4, true)]?.(message.subarray(headerBytes))
    }
  }

  const selection = () => (theirs & selectionBit ? 4 : 0)
  const withSelection = (...fields: Field[]) =>
    selection() ? pack(['u32', clipboardSelection], ...fields) : pack(...fields)
  /** Messages about the primary selection (middle click) are not ours. */
  const isClipboard = (body: Uint8Array) => selection() === 0 || body[0] === clipboardSelection

  const handlers: Readonly<Record<number, (body: Uint8Array) => void>> = {
    [types.capabilities](body) {
      if (body.length < 8) return
      const view = viewOf(body)
      theirs = view.getUint32(4, true)
      if (!introduced && offered !== null) send(types.grab, withSelection(['u32', utf8Text]))
      introduced = true
      if (view.getUint32(0, true)) send(types.capabilities, pack(['u32', 0], ['u32', ours]))
    },
    [types.grab](body) {
      const view = viewOf(body)
      if (!isClipboard(body)) return
      for (let at = selection(); at + 4 <= body.length; at += 4)
        if (view.getUint32(at, true) === utf8Text) return send(types.request, withSelection(['u32', utf8Text]))
    },
    [types.request](body) {
      if (!isClipboard(body) || offered === null) return
      send(types.clipboard, join(withSelection(['u32', utf8Text]), new TextEncoder().encode(offered)))
    },
    [types.clipboard](body) {
      const at = selection()
      if (!isClipboard(body) || body.length < at + 4 || viewOf(body).getUint32(at, true) !== utf8Text) return
      events.clipboard(new TextDecoder().decode(body.subarray(at + 4)))
    },
  }

  return {
    start,
    stop() {
      running = false
      queue = []
    },
    get running() {
      return running
    },
    addTokens(count) {
      tokens += count
      pump()
    },
    piece,
    clipboardOffer(text) {
      offered = text
      if (introduced) send(types.grab, withSelection(['u32', utf8Text]))
    },
    monitors(monitors) {
      const fields = monitors.map(({ width, height, x, y }) =>
        pack(['u32', height], ['u32', width], ['u32', 32], ['i32', x], ['i32', y]),
      )
      send(types.monitors, join(pack(['u32', monitors.length], ['u32', 1]), ...fields))
    },
  }
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
