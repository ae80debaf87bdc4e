/**
 * SPICE's LZ pictures (spice-common `lz.c`) to canvas pixels, 0xAABBGGRR. A control byte below 32 announces literals;
 * above, three bits of length and thirteen of distance, longer lengths in steps of 255, distance 8191 escapes to 16
 * more bits. RGBA is the colours, then the alpha values. Every length is checked against the picture before anything
 * is written; a byte read behind the end is 0 and the picture then wrong, never the memory.
 */
import { HdcsError } from '../lib/errors.ts'

export interface Picture {
  /** 0xAABBGGRR. Valid until the next picture is decoded, unless it lies in the target. */
  pixels: Int32Array
  width: number
  height: number
  topDown: boolean
  /** The upper byte of each pixel means something; else it is 255. */
  alpha: boolean
}

/** Where a whole-width picture may be decoded to without a copy. */
export interface Target {
  pixels: Int32Array
  offset: number
}

/** 8K and a bit. Higher: a picture of 60 bytes makes the tab allocate gigabytes. */
export const maxPixels = 64 << 20
/** "LZ  " arrives byte-swapped, unlike the words after it. */
const magic = 0x20205a4c
const headerBytes = 28
const opaque = 0xff000000 | 0

type Copy = (bytes: Uint8Array, at: number, pixels: Int32Array, count: number) => number
/** Kinds of pixels by their number in the header; palettes apart. */
const copies: Readonly<Record<number, Copy>> = {
  6: decodeRgb16,
  7: decodeRgb,
  8: decodeRgb,
  9: (bytes, at, pixels, count) => decodeAlpha(bytes, decodeRgb(bytes, at, pixels, count), pixels, count),
}
/** Bits per pixel and bit order of the kinds with a palette. */
const palettes: Readonly<Record<number, [bits: number, bigEndian: boolean]>> = {
  1: [1, false],
  2: [1, true],
  3: [4, false],
  4: [4, true],
  5: [8, false],
}

let scratch = new Int32Array(1 << 16)

/** @throws HdcsError `protocol` for what is no such picture, or refers outside itself. */
export function decodeLz(bytes: Uint8Array, palette?: Int32Array, target?: Target | null): Picture {
  if (wordAt(bytes, 0) !== magic) throw wrong('the mark is missing')
  const [kind, width, height, stride] = [8, 12, 16, 20].map(at => wordAt(bytes, at)) as [number, number, number, number]
  const topDown = wordAt(bytes, 24) !== 0
  const count = width * height
  if (count > maxPixels) throw wrong(`${width} × ${height} pixels`)
  const direct = target && topDown && target.offset + count <= target.pixels.length
  if (!direct && scratch.length < count) scratch = new Int32Array(count)
  const pixels = direct ? target.pixels.subarray(target.offset, target.offset + count) : scratch.subarray(0, count)
  const indexed = palettes[kind]
  if (indexed) {
    if (stride > width || stride * height > maxPixels || stride * 8 < width * indexed[0])
      throw wrong(`rows of ${stride} bytes`)
    const rows = decodeBytes(bytes, headerBytes, stride * height)
    drawIndexed(rows, { at: 0, stride, width, height, bits: indexed[0], bigEndian: indexed[1] }, palette, pixels)
  } else {
    const copy = copies[kind]
    if (!copy) throw wrong(`kind ${kind}`)
    copy(bytes, headerBytes, pixels, count)
  }
  return { pixels, width, height, topDown, alpha: kind === 9 }
}

// The three decoders differ in their innermost lines only; one with functions inside runs at a third of the speed.

function decodeRgb(s: Uint8Array, start: number, o: Int32Array, n: number): number {
  let i = start
  let p = 0
  while (p < n) {
    const control = s[i++] as number
    if (control < 32) {
      const end = p + control + 1
      if (end > n || i >= s.length) throw wrong('literals outside')
      while (p < end) {
        o[p++] = opaque | ((s[i] as number) << 16) | ((s[i + 1] as number) << 8) | (s[i + 2] as number)
        i += 3
      }
      continue
    }
    let length = control >> 5
    let distance = (control & 31) << 8
    if (length === 7) {
      let more: number
      do {
        more = s[i++] as number
        length += more
      } while (more === 255)
    }
    distance += s[i++] as number
    if (distance === 8191) {
      distance += ((s[i] as number) << 8) | (s[i + 1] as number)
      i += 2
    }
    distance++
    const end = p + length
    let r = p - distance
    // Not `r < 0 || end > n`: bytes behind the end make these NaN, and NaN must be refused too.
    if (!(r >= 0 && end <= n)) throw wrong('a reference outside')
    if (length < 24) while (p < end) o[p++] = o[r++] as number
    else if (distance === 1) {
      o.fill(o[r] as number, p, end)
      p = end
    } else if (distance >= length) {
      o.copyWithin(p, r, r + length)
      p = end
    } else while (p < end) o[p++] = o[r++] as number
  }
  return i
}

function decodeAlpha(s: Uint8Array, start: number, o: Int32Array, n: number): number {
  return walk(s, start, n, 2, {
    literal(p, at) {
      o[p] = ((o[p] as number) & 0xffffff) | ((s[at] as number) << 24)
      return 1
    },
    copy(p, from) {
      o[p] = ((o[p] as number) & 0xffffff) | ((o[from] as number) & opaque)
    },
  })
}

function decodeRgb16(s: Uint8Array, start: number, o: Int32Array, n: number): number {
  return walk(s, start, n, 1, {
    literal(p, at) {
      o[p] = from555(((s[at] as number) << 8) | (s[at + 1] as number))
      return 2
    },
    copy(p, from) {
      o[p] = o[from] as number
    },
  })
}

function decodeBytes(s: Uint8Array, start: number, n: number): Uint8Array {
  const o = new Uint8Array(n)
  walk(s, start, n, 2, {
    literal(p, at) {
      o[p] = s[at] as number
      return 1
    },
    copy(p, from) {
      o[p] = o[from] as number
    },
  })
  return o
}

interface Steps {
  /** Writes element `p` from the bytes at `at`; how many bytes it took. */
  literal(p: number, at: number): number
  copy(p: number, from: number): void
}

/** The same walk for the rare kinds. @param bias what is added to a length. */
function walk(s: Uint8Array, start: number, n: number, bias: number, steps: Steps): number {
  let i = start
  let p = 0
  while (p < n) {
    const control = s[i++] as number
    if (control < 32) {
      const end = p + control + 1
      if (end > n || i >= s.length) throw wrong('literals outside')
      while (p < end) i += steps.literal(p++, i)
      continue
    }
    let length = (control >> 5) + bias
    let distance = (control & 31) << 8
    if (length === 7 + bias) {
      let more: number
      do {
        more = s[i++] as number
        length += more
      } while (more === 255)
    }
    distance += s[i++] as number
    if (distance === 8191) {
      distance += ((s[i] as number) << 8) | (s[i + 1] as number)
      i += 2
    }
    const end = p + length
    let r = p - distance - 1
    if (!(r >= 0 && end <= n)) throw wrong('a reference outside')
    while (p < end) steps.copy(p++, r++)
  }
  return i
}

/** Five bits a colour, widened so that white stays white. */
export function from555(value: number): number {
  const widen = (bits: number) => (bits << 3) | (bits >> 2)
  return opaque | (widen(value & 31) << 16) | (widen((value >> 5) & 31) << 8) | widen((value >> 10) & 31)
}

export interface IndexedRows {
  at: number
  stride: number
  width: number
  height: number
  bits: number
  bigEndian: boolean
}

/** 1, 4 or 8 bits per pixel; without a palette all is transparent black. */
export function drawIndexed(
  bytes: Uint8Array,
  rows: IndexedRows,
  palette: Int32Array | undefined,
  pixels: Int32Array,
): void {
  const { at, stride, width, height, bits, bigEndian } = rows
  const perByte = 8 / bits
  const mask = (1 << bits) - 1
  let p = 0
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const byte = bytes[at + y * stride + Math.floor(x / perByte)] ?? 0
      const place = x % perByte
      const index = (byte >> (bits * (bigEndian ? perByte - 1 - place : place))) & mask
      pixels[p++] = palette?.[index] ?? 0
    }
}

function wordAt(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
}

const wrong = (what: string) => new HdcsError('protocol', `This is no LZ picture: ${what}.`)
