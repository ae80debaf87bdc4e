/**
 * The SPICE link: what is said on each channel's connection before its first message (spice-protocol, "Link" and
 * `protocol.h`): link message, reply with an RSA key, password, result. A codec: fed bytes, never connected.
 * All words little-endian.
 */
import { constants, createPublicKey, publicEncrypt } from 'node:crypto'
import { HdcsError } from '../lib/errors.ts'

const magic = 0x51444552 // REDQ
const headerBytes = 16
/** Connection id, channel type and id, two capability counts, offset of the capabilities. */
const messageBytes = 18
/** Error, RSA-1024 public key (SPKI DER), two capability counts, offset. */
const replyBytes = 178
const publicKeyBytes = 162
/** The real ones have 186 to 200 bytes. Higher: a hostile server makes us hold it; lower: many capabilities break. */
const maxReplyBytes = 4096
const ticketBytes = 128
const authSpice = 1

/** Capability bits that every channel offers: AUTH_SELECTION, AUTH_SPICE, MINI_HEADER. */
const commonCapabilities = 0b1011
const miniHeader = 0b1000

/** Capability bits of our own client, by channel type. */
const channelCapabilities: Readonly<Record<number, number>> = {
  /** main: AGENT_CONNECTED_TOKENS. */
  1: 1 << 2,
  /** display: SIZED_STREAM, MONITORS_CONFIG, PREF_COMPRESSION. */
  2: (1 << 0) | (1 << 1) | (1 << 6),
  /** inputs: KEY_SCANCODE. */
  3: 1 << 0,
  /** playback and record: OPUS. */
  5: 1 << 3,
  6: 1 << 2,
}

export interface LinkRequest {
  /** 0 for main; what MAIN_INIT said for all others. */
  connectionId: number
  channelType: number
  channelId: number
}

export interface LinkReply {
  /** Capability words of the server, common and of the channel. */
  common: number[]
  channel: number[]
}

/** Why a server refuses, as its numbers say (`SpiceLinkErr`). */
const refusals = {
  3: 'protocol',
  5: 'protocol',
  7: 'permission denied',
  8: 'session is over',
  9: 'no such channel',
} as const satisfies Record<number, string>
export type LinkRefusal = (typeof refusals)[keyof typeof refusals] | 'refused'

export type LinkEvent =
  | { type: 'send'; bytes: Uint8Array }
  /** `rest` are bytes after the result: the first messages. */
  | { type: 'linked'; reply: LinkReply; rest: Uint8Array }
  | { type: 'refused'; refusal: LinkRefusal; code: number }

/** The first bytes on a new connection. */
export function encodeLinkMessage(request: LinkRequest): Uint8Array {
  const capability = channelCapabilities[request.channelType]
  const words = capability === undefined ? [] : [capability]
  const bytes = Buffer.alloc(headerBytes + messageBytes + 4 + 4 * words.length)
  writeWords(bytes, 0, [magic, 2, 2, bytes.length - headerBytes, request.connectionId])
  bytes[20] = request.channelType
  bytes[21] = request.channelId
  writeWords(bytes, 22, [1, words.length, messageBytes, commonCapabilities, ...words])
  return bytes
}

/** What a client asks for in its link message; undefined while bytes are missing. Server side: the CONNECT proxy. */
export function decodeLinkMessage(bytes: Uint8Array): LinkRequest | undefined {
  const view = viewOf(bytes)
  if (bytes.length < headerBytes + messageBytes) {
    if (bytes.length >= 4 && view.getUint32(0, true) !== magic) throw protocolError('this is not a SPICE client')
    return undefined
  }
  const size = view.getUint32(12, true)
  if (view.getUint32(0, true) !== magic || size < messageBytes || size > maxReplyBytes)
    throw protocolError('this is not a SPICE client')
  return { connectionId: view.getUint32(16, true), channelType: bytes[20] ?? 0, channelId: bytes[21] ?? 0 }
}

/** Reads the server's side of the link. After `linked` or `refused` it takes nothing more. */
export class LinkReader {
  readonly #password: string
  #bytes: Buffer = Buffer.alloc(0)
  #expects: 'header' | 'reply' | 'result' = 'header'
  #needed = headerBytes
  #reply: LinkReply = { common: [], channel: [] }

  constructor(password: string) {
    this.#password = password
  }

  /** @throws HdcsError `protocol` when the other side does not speak SPICE; the connection is then of no use. */
  feed(bytes: Uint8Array): LinkEvent[] {
    const events: LinkEvent[] = []
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    while (this.#bytes.length >= this.#needed) {
      const piece = this.#bytes.subarray(0, this.#needed)
      this.#bytes = this.#bytes.subarray(this.#needed)
      const event = this.#take(piece)
      if (event) events.push(event)
      if (event && event.type !== 'send') break
    }
    return events
  }

  #take(piece: Buffer): LinkEvent | undefined {
    if (this.#expects === 'header') {
      const size = piece.readUInt32LE(12)
      if (piece.readUInt32LE(0) !== magic) throw protocolError('this is not a SPICE server')
      // A refusal may come as a reply of less than its own size: only the error word is then read.
      if (size < 4 || size > maxReplyBytes) throw protocolError(`a SPICE link reply of ${size} bytes was announced`)
      this.#expects = 'reply'
      this.#needed = size
      return undefined
    }
    if (this.#expects === 'reply') return this.#takeReply(piece)
    const result = piece.readUInt32LE(0)
    return result === 0 ? { type: 'linked', reply: this.#reply, rest: this.#bytes } : refused(result)
  }

  #takeReply(piece: Buffer): LinkEvent {
    const error = piece.readUInt32LE(0)
    if (error !== 0) return refused(error)
    if (piece.length < replyBytes) throw protocolError(`a SPICE link reply of ${piece.length} bytes came`)
    const [commonCount, channelCount, offset] = [166, 170, 174].map(at => piece.readUInt32LE(at)) as [
      number,
      number,
      number,
    ]
    if (offset + 4 * (commonCount + channelCount) > piece.length)
      throw protocolError('SPICE capabilities are cut short')
    const words = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => piece.readUInt32LE(from + 4 * i))
    this.#reply = { common: words(offset, commonCount), channel: words(offset + 4 * commonCount, channelCount) }
    if (!((this.#reply.common[0] ?? 0) & miniHeader))
      throw protocolError('the SPICE server is too old (no mini header)')
    this.#expects = 'result'
    this.#needed = 4
    return { type: 'send', bytes: encodeTicket(piece.subarray(4, 4 + publicKeyBytes), this.#password) }
  }
}

/** Auth mechanism and RSA-OAEP (SHA-1) of the password with its closing NUL. */
function encodeTicket(publicKey: Uint8Array, password: string): Uint8Array {
  const bytes = Buffer.alloc(4 + ticketBytes)
  bytes.writeUInt32LE(authSpice)
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' })
    const padding = constants.RSA_PKCS1_OAEP_PADDING
    publicEncrypt({ key, padding, oaepHash: 'sha1' }, Buffer.from(`${password}\0`)).copy(bytes, 4)
  } catch (cause) {
    throw new HdcsError('protocol', 'The SPICE server sent a key that cannot be used.', { cause })
  }
  return bytes
}

function refused(code: number): LinkEvent {
  return { type: 'refused', refusal: refusals[code as keyof typeof refusals] ?? 'refused', code }
}

function writeWords(bytes: Buffer, at: number, words: number[]): void {
  for (const [index, word] of words.entries()) bytes.writeUInt32LE(word >>> 0, at + 4 * index)
}

const protocolError = (text: string) => new HdcsError('protocol', `The link failed: ${text}.`)
const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
