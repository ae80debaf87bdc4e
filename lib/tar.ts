/**
 * The tar format as disk images travel in it (POSIX.1-1988 ustar, with the sizes above 8 GiB of GNU tar and the names and
 * sizes of POSIX.1-2001 pax): what appliances (`.ova`) and our own template files are. A codec: it is fed bytes and says
 * what they are; it never opens anything. What an archive from outside may hold is narrow on purpose: plain files with
 * plain names.
 */
import { HdcsError } from './errors.ts'

export const blockBytes = 512

/** An appliance has three to a dozen; one with more was made to be slow. */
const mostMembers = 64
/** A pax record of ours needs some dozens of bytes. */
const mostPaxBytes = 64 * 1024
/** The largest size that the octal field of eleven digits holds. */
const octalMost = 8 ** 11 - 1

export type TarEvent =
  | { type: 'member'; name: string; sizeBytes: number }
  /** Of the member before; a piece is a view of what was fed. */
  | { type: 'data'; bytes: Uint8Array }
  /** All of the member came. */
  | { type: 'end' }

export interface TarReader {
  /** @throws HdcsError `invalid` for what is no such archive, with the reason. */
  feed(bytes: Uint8Array): TarEvent[]
  /** Nothing more comes. @throws HdcsError `invalid` when it was cut off. */
  finish(): void
}

const refused = (reason: string) => new HdcsError('invalid', `The archive cannot be taken: ${reason}.`)

/** Names lead nowhere: no folders, no dots that climb, nothing that a terminal or a shell would read. */
export function memberName(name: string): string {
  if (name === '' || name.length > 255) throw refused('a file in it has no name, or one that is too long')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[/\\\u0000-\u001f\u007f]/.test(name) || name === '.' || name === '..')
    throw refused(`“${shown(name)}” in it is no plain file name`)
  return name
}
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is not shown
const shown = (name: string) => name.slice(0, 80).replace(/[\u0000-\u001f\u007f]/g, '?')

export function makeTarReader(): TarReader {
  let held: Uint8Array = new Uint8Array(0)
  /** Bytes of the member's content and of the filling behind it that are still to come. */
  let left = 0
  let filling = 0
  let pax: { bytes: Uint8Array[]; left: number; filling: number } | null = null
  let given: { path?: string; size?: number } = {}
  let members = 0
  let state: 'header' | 'data' | 'filling' | 'pax' | 'over' = 'header'

  function header(block: Uint8Array): TarEvent[] {
    if (block.every(byte => byte === 0)) {
      // Two such blocks end an archive; whatever comes after the first is not read.
      if (members === 0) throw refused('it is empty')
      state = 'over'
      return []
    }
    checkSum(block)
    const type = String.fromCharCode(block[156] ?? 0)
    const size = given.size ?? numberIn(block, 124, 12)
    if (type === 'x') {
      if (size > mostPaxBytes) throw refused('a header in it is too long')
      pax = { bytes: [], left: size, filling: fillingOf(size) }
      state = 'pax'
      return []
    }
    // Global headers say nothing that a file of ours needs, and long names of GNU tar are no plain names.
    if (type !== '0' && type !== '\0' && type !== '7')
      throw refused('it holds something else than plain files (a folder, a link or a device)')
    const prefix = isUstar(block) ? textIn(block, 345, 155) : ''
    const name = given.path ?? `${prefix === '' ? '' : `${prefix}/`}${textIn(block, 0, 100)}`
    given = {}
    if (++members > mostMembers) throw refused(`it holds more than ${mostMembers} files`)
    left = size
    filling = fillingOf(size)
    state = left > 0 ? 'data' : 'header'
    const member: TarEvent = { type: 'member', name: memberName(name.replace(/^\.\//, '')), sizeBytes: size }
    return left > 0 ? [member] : [member, { type: 'end' }]
  }

  function step(): TarEvent[] | null {
    if (state === 'over') {
      held = new Uint8Array(0)
      return null
    }
    if (state === 'header') {
      if (held.length < blockBytes) return null
      return header(take(blockBytes))
    }
    if (held.length === 0) return null
    if (state === 'pax' && pax) {
      const piece = take(Math.min(held.length, pax.left))
      pax.bytes.push(piece)
      pax.left -= piece.length
      if (pax.left > 0) return null
      given = paxRecords(Buffer.concat(pax.bytes))
      filling = pax.filling
      pax = null
      state = filling > 0 ? 'filling' : 'header'
      return []
    }
    if (state === 'filling') {
      filling -= take(Math.min(held.length, filling)).length
      if (filling === 0) state = 'header'
      return []
    }
    const bytes = take(Math.min(held.length, left))
    left -= bytes.length
    if (left > 0) return [{ type: 'data', bytes }]
    state = filling > 0 ? 'filling' : 'header'
    return [{ type: 'data', bytes }, { type: 'end' }]
  }

  function take(count: number): Uint8Array {
    const piece = held.subarray(0, count)
    held = held.subarray(count)
    return piece
  }

  return {
    feed(bytes) {
      held = held.length === 0 ? bytes : Buffer.concat([held, bytes])
      const events: TarEvent[] = []
      for (let more = step(); more; more = step()) events.push(...more)
      // What is kept must not be overwritten by whoever feeds us from one buffer.
      held = held.length > 0 ? held.slice() : held
      return events
    },
    finish() {
      // Some writers leave the empty blocks at the end away.
      if (state === 'over' || (state === 'header' && held.length === 0 && members > 0)) return
      throw refused(members === 0 ? 'it is no tar file' : 'it was cut off')
    },
  }
}

const fillingOf = (size: number) => (blockBytes - (size % blockBytes)) % blockBytes
const isUstar = (block: Uint8Array) => textIn(block, 257, 5) === 'ustar'

function textIn(block: Uint8Array, at: number, length: number): string {
  const bytes = block.subarray(at, at + length)
  const end = bytes.indexOf(0)
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end))
}

/** Octal digits, or (GNU) a first bit and then a number in base 256. */
function numberIn(block: Uint8Array, at: number, length: number): number {
  const bytes = block.subarray(at, at + length)
  const value =
    ((bytes[0] ?? 0) & 0x80) !== 0
      ? bytes.subarray(1).reduce((sum, byte) => sum * 256 + byte, (bytes[0] ?? 0) & 0x7f)
      : octal(textIn(block, at, length).trim())
  if (!Number.isSafeInteger(value) || value < 0) throw refused('a size in it is no number')
  return value
}

const octal = (text: string) => (text === '' ? 0 : /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN)

/** The sum of all bytes, its own field taken as blanks. */
function checkSum(block: Uint8Array): void {
  const sum = block.reduce((all, byte, at) => all + (at >= 148 && at < 156 ? 32 : byte), 0)
  if (sum !== octal(textIn(block, 148, 8).trim())) throw refused('it is no tar file, or it is damaged')
}

/** `LENGTH KEY=VALUE\n`, the length of all of it included. */
function paxRecords(bytes: Uint8Array): { path?: string; size?: number } {
  const found: { path?: string; size?: number } = {}
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at)
    const length = Number(new TextDecoder().decode(bytes.subarray(at, space)))
    if (space < 0 || !Number.isSafeInteger(length) || length <= space - at || at + length > bytes.length)
      throw refused('a header in it is damaged')
    const record = new TextDecoder().decode(bytes.subarray(space + 1, at + length - 1))
    const [key, value = ''] = record.split(/=(.*)/s)
    if (key === 'path') found.path = value
    if (key === 'size') {
      const size = Number(value)
      if (!/^\d+$/.test(value) || !Number.isSafeInteger(size)) throw refused('a size in it is no number')
      found.size = size
    }
    at += length
  }
  return found
}

/** What stands before a file's bytes. @param name of ASCII, 100 at most. */
export function tarHeader({ name, sizeBytes, madeAt }: { name: string; sizeBytes: number; madeAt: Date }): Uint8Array {
  if (!/^[\x20-\x7e]{1,100}$/.test(memberName(name))) throw refused(`“${shown(name)}” cannot be written into it`)
  const block = new Uint8Array(blockBytes)
  const put = (at: number, text: string) => block.set(new TextEncoder().encode(text), at)
  const digits = (value: number, length: number) => `${value.toString(8).padStart(length - 1, '0')}\0`
  put(0, name)
  put(100, digits(0o644, 8))
  put(108, digits(0, 8))
  put(116, digits(0, 8))
  if (sizeBytes <= octalMost) put(124, digits(sizeBytes, 12))
  else {
    new DataView(block.buffer).setBigUint64(128, BigInt(sizeBytes))
    block[124] = 0x80
  }
  put(136, digits(Math.floor(madeAt.getTime() / 1000), 12))
  put(148, '        0')
  put(257, 'ustar\x0000')
  const sum = block.reduce((all, byte) => all + byte, 0)
  put(148, `${sum.toString(8).padStart(6, '0')}\0 `)
  return block
}

/** Zeros up to the next block. */
export const tarFilling = (sizeBytes: number): Uint8Array => new Uint8Array(fillingOf(sizeBytes))
/** Two empty blocks. */
export const tarEnd = (): Uint8Array => new Uint8Array(2 * blockBytes)
