/**
 * The server side of SPICE, as much as a simulated screen needs: link with an RSA key, password, mini-header messages
 * (spice-protocol `protocol.h`; all words little-endian). vmm stands alone, so it does not share the client's codec.
 */
import { constants, generateKeyPairSync, type KeyObject, privateDecrypt } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'

export interface SimChannel {
  type: number
  id: number
  connectionId: number
  socket: Socket
  send(type: number, body: Uint8Array): void
}

export interface SimSpiceOptions {
  /** Whether the password is right, now. */
  admit(password: string): boolean
  /** A SPICE error number (8: session is over) or 0. */
  refusal(request: { type: number; id: number; connectionId: number }): number
  /** Called after the link; answers what to do with the client's messages. */
  opened(channel: SimChannel): (type: number, body: Buffer) => void
  /** Capability words by channel type. */
  capabilities?: Readonly<Record<number, number>>
}

const linkBytes = 34
const maxMessageBytes = 1 << 20
const permissionDenied = 7

/** One key for all simulated screens of the process: making one takes 50 ms, and thousands may start. */
let keys: { privateKey: KeyObject; der: Buffer } | undefined
function serverKeys() {
  if (!keys) {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    keys = { privateKey, der: publicKey.export({ type: 'spki', format: 'der' }) }
  }
  return keys
}

export function makeSimSpiceServer(options: SimSpiceOptions): Server {
  return createServer({ noDelay: true }, socket => serve(socket, options))
}

function serve(socket: Socket, options: SimSpiceOptions): void {
  let bytes: Buffer = Buffer.alloc(0)
  let channel: SimChannel | undefined
  let handle: ((type: number, body: Buffer) => void) | undefined
  /** The next `count` bytes, or undefined while they are not there. */
  const take = (count: number): Buffer | undefined => {
    if (bytes.length < count) return undefined
    const piece = bytes.subarray(0, count)
    bytes = bytes.subarray(count)
    return piece
  }
  /** What was written before still goes out. */
  const refuse = () => {
    socket.end()
    return false
  }
  const steps = {
    link(): boolean {
      if (bytes.length < linkBytes) return false
      const size = bytes.readUInt32LE(12)
      if (bytes.toString('latin1', 0, 4) !== 'REDQ' || size > 4096) return refuse()
      const piece = take(16 + size)
      if (!piece) return false
      const [type, id] = [piece[20] ?? 0, piece[21] ?? 0]
      const send = (messageType: number, body: Uint8Array) => void socket.write(message(messageType, body))
      channel = { type, id, connectionId: piece.readUInt32LE(16), socket, send }
      socket.write(linkReply(options.capabilities?.[type] ?? 0))
      step = steps.password
      return true
    },
    password(): boolean {
      const piece = take(132)
      if (!piece || !channel) return false
      const right = options.admit(decryptPassword(piece.subarray(4)))
      const result = right ? options.refusal(channel) : permissionDenied
      socket.write(words(result))
      if (result !== 0) return refuse()
      handle = options.opened(channel)
      step = steps.message
      return true
    },
    message(): boolean {
      if (bytes.length < 6) return false
      const size = bytes.readUInt32LE(2)
      if (size > maxMessageBytes) return refuse()
      const piece = take(6 + size)
      if (!piece) return false
      handle?.(piece.readUInt16LE(0), piece.subarray(6))
      return true
    },
  }
  let step = steps.link
  // `close` follows every error and is what the owner of the channel listens to.
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    bytes = bytes.length > 0 ? Buffer.concat([bytes, chunk]) : chunk
    while (step());
  })
}

function linkReply(capabilities: number): Buffer {
  const body = Buffer.concat([words(0), serverKeys().der, words(1, 1, 178, 0b1011, capabilities)])
  return Buffer.concat([Buffer.from('REDQ'), words(2, 2, body.length), body])
}

function decryptPassword(cipher: Buffer): string {
  try {
    const padding = constants.RSA_PKCS1_OAEP_PADDING
    const plain = privateDecrypt({ key: serverKeys().privateKey, padding, oaepHash: 'sha1' }, cipher)
    return plain.toString().replace(/\0.*$/s, '')
  } catch {
    // Not encrypted for us: no password has a NUL, so this one is never right.
    return '\0'
  }
}

export function message(type: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(6)
  head.writeUInt16LE(type)
  head.writeUInt32LE(body.length, 2)
  return Buffer.concat([head, body])
}

export function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, 4 * index)
  return bytes
}

export function halves(...values: number[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length)
  for (const [index, value] of values.entries()) bytes.writeUInt16LE(value & 0xffff, 2 * index)
  return bytes
}
