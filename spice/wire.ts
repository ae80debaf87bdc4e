/**
 * SPICE messages with the mini header (u16 type, u32 size, little-endian): bytes in, messages out, and back. A codec:
 * fed bytes, never connected. Runs in a page and in a worker.
 */
import { HdcsError } from '../lib/errors.ts'

const headerBytes = 6
/** The largest real message is a raw full picture (8K: 133 MB is refused, 4K: 33 MB). Higher: a hostile server fills the tab. */
export const maxMessageBytes = 64 << 20
/** Most messages fit; a larger one makes the buffer grow once. */
const poolBytes = 1 << 17

/** `body` is valid inside the handler only: it is a view of what came, or of one reused buffer. */
export type MessageHandler = (type: number, body: Uint8Array) => void

/** Cuts a byte stream into messages. A message that lies in one chunk is not copied: a text console sends 170,000 a second. */
export class MessageReader {
  #head = new Uint8Array(headerBytes)
  #headFill = 0
  #type = 0
  #body: Uint8Array | null = null
  #bodyFill = 0
  #pool = new Uint8Array(poolBytes)

  /** @throws HdcsError `protocol` when a size is announced that no message has; the channel is then of no use. */
  feed(chunk: Uint8Array, handle: MessageHandler): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#body) {
        const count = Math.min(this.#body.length - this.#bodyFill, chunk.length - at)
        this.#body.set(chunk.subarray(at, at + count), this.#bodyFill)
        this.#bodyFill += count
        at += count
        if (this.#bodyFill < this.#body.length) return
        const body = this.#body
        this.#body = null
        handle(this.#type, body)
        continue
      }
      let head = chunk
      let from = at
      if (this.#headFill > 0 || chunk.length - at < headerBytes) {
        while (this.#headFill < headerBytes && at < chunk.length) this.#head[this.#headFill++] = chunk[at++] ?? 0
        if (this.#headFill < headerBytes) return
        this.#headFill = 0
        head = this.#head
        from = 0
      } else at += headerBytes
      const size = wordAt(head, from + 2)
      this.#type = (head[from] ?? 0) | ((head[from + 1] ?? 0) << 8)
      if (size > maxMessageBytes) throw new HdcsError('protocol', `The desktop announced a message of ${size} bytes.`)
      if (chunk.length - at >= size) {
        handle(this.#type, chunk.subarray(at, at + size))
        at += size
      } else {
        if (this.#pool.length < size) this.#pool = new Uint8Array(Math.ceil(size * 1.5))
        this.#body = this.#pool.subarray(0, size)
        this.#bodyFill = 0
      }
    }
  }
}

export function encodeMessage(type: number, body: Uint8Array = new Uint8Array()): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(headerBytes + body.length)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, type, true)
  view.setUint32(2, body.length, true)
  bytes.set(body, headerBytes)
  return bytes
}

const writers = {
  u8: [1, (view: DataView, at: number, value: number) => view.setUint8(at, value)],
  u16: [2, (view: DataView, at: number, value: number) => view.setUint16(at, value, true)],
  u32: [4, (view: DataView, at: number, value: number) => view.setUint32(at, value, true)],
  i32: [4, (view: DataView, at: number, value: number) => view.setInt32(at, value, true)],
  u64: [8, (view: DataView, at: number, value: number) => view.setBigUint64(at, BigInt(value), true)],
} as const satisfies Record<string, [number, (view: DataView, at: number, value: number) => void]>

export type Field = readonly [keyof typeof writers, number]

/** Fields after each other, little-endian: `pack(['u32', 1], ['u16', 2])`. */
export function pack(...fields: Field[]): Uint8Array {
  const bytes = new Uint8Array(fields.reduce((size, [kind]) => size + writers[kind][0], 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const [kind, value] of fields) {
    const [size, write] = writers[kind]
    write(view, at, value)
    at += size
  }
  return bytes
}

export const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

function wordAt(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0
}
