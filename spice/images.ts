/** Pictures as display messages carry them: bitmaps, LZ, the image and palette caches; others are left to a fallback. */
import { HdcsError } from '../lib/errors.ts'
import { decodeLz, drawIndexed, from555, maxPixels, type Picture, type Target } from './lz.ts'
import { viewOf } from './wire.ts'

const imageTypes = {
  bitmap: 0,
  quic: 1,
  lzPalette: 100,
  lz: 101,
  fromCache: 103,
  surface: 104,
  jpeg: 105,
  fromCacheLossless: 106,
  jpegAlpha: 108,
} as const
const cacheMe = 1
const descriptorBytes = 18

/** What the server may make us keep, in pixels; the gateway announced half of it. Higher: more memory in the tab. */
const maxCachedPixels = 40 << 20

export interface Images {
  /**
   * Reads the image whose descriptor starts at `at`.
   * @param target where it may be decoded to at once, if it is exactly as large as expected.
   * @returns null when it cannot be had yet: `slow` is then the promise of it.
   * @throws HdcsError `protocol` or `unsupported`: this picture cannot be drawn.
   */
  read(body: Uint8Array, at: number, target: Target | null): Picture | Promise<Picture>
  forget(id: bigint): void
  forgetAll(): void
  forgetPalette(id: bigint): void
  forgetPalettes(): void
}

export interface ImageSources {
  surface(id: number): { pixels: Int32Array; width: number; height: number } | undefined
  /** Decodes QUIC and JPEG, slowly. */
  slow?(type: 'quic' | 'jpeg' | 'jpegAlpha', data: Uint8Array, width: number, height: number): Promise<Picture>
}

export function makeImages(sources: ImageSources): Images {
  const cache = new Map<bigint, Picture>()
  const palettes = new Map<bigint, Int32Array>()
  let cachedPixels = 0

  function forget(id: bigint): void {
    cachedPixels -= cache.get(id)?.pixels.length ?? 0
    cache.delete(id)
  }

  function remember(id: bigint, picture: Picture): void {
    forget(id)
    if (cachedPixels + picture.pixels.length > maxCachedPixels)
      throw new HdcsError('protocol', 'The image cache is full.')
    cache.set(id, { ...picture, pixels: picture.pixels.slice() })
    cachedPixels += picture.pixels.length
  }

  /** The palette at an offset of the message, or from the cache. Flag 1: keep it, 2: it is in the cache. */
  function palette(body: Uint8Array, flags: number, at: number): Int32Array | undefined {
    const view = viewOf(body)
    if (flags & 2) return palettes.get(view.getBigUint64(at, true))
    const offset = view.getUint32(at, true)
    if (offset === 0) return undefined
    const count = Math.min(256, view.getUint16(offset + 8, true))
    const colors = new Int32Array(256)
    for (let i = 0; i < count; i++) colors[i] = canvasColor(view.getUint32(offset + 10 + 4 * i, true))
    if (flags & 1) palettes.set(view.getBigUint64(offset, true), colors)
    return colors
  }

  function bitmap(body: Uint8Array, at: number): Picture {
    const view = viewOf(body)
    const [format, flags] = [view.getUint8(at), view.getUint8(at + 1)]
    const [width, height, stride] = [2, 6, 10].map(from => view.getUint32(at + from, true)) as [number, number, number]
    const data = at + 14 + (flags & 2 ? 8 : 4)
    const rowBytes = rowBytesOf[format]?.(width)
    if (rowBytes === undefined) throw new HdcsError('unsupported', `bitmap format ${format}`)
    if (stride < rowBytes || data + stride * height > body.length || width * height > maxPixels)
      throw new HdcsError('protocol', 'A bitmap is cut short.')
    const pixels = new Int32Array(width * height)
    const shape = { at: data, stride, width, height }
    if (format >= 6) copyRows[format as keyof typeof copyRows](body, shape, pixels)
    else {
      const bits = format === 5 ? 8 : format >= 3 ? 4 : 1
      const bigEndian = format === 2 || format === 4
      drawIndexed(body, { ...shape, bits, bigEndian }, palette(body, flags, at + 14), pixels)
    }
    return { pixels, width, height, topDown: (flags & 4) !== 0, alpha: format === 9 }
  }

  function read(body: Uint8Array, at: number, target: Target | null): Picture | Promise<Picture> {
    const view = viewOf(body)
    const [id, type, flags] = [view.getBigUint64(at, true), view.getUint8(at + 8), view.getUint8(at + 9)]
    const [width, height] = [view.getUint32(at + 10, true), view.getUint32(at + 14, true)]
    const data = at + descriptorBytes
    const keep = (picture: Picture) => {
      if (flags & cacheMe) remember(id, picture)
      return picture
    }
    /** u32 size, then that many bytes. */
    const sized = (from: number) => body.subarray(from + 4, from + 4 + view.getUint32(from, true))
    switch (type) {
      case imageTypes.lz: {
        const direct = target && !(flags & cacheMe) && width * height === target.pixels.length ? target : null
        return keep(decodeLz(sized(data), undefined, direct))
      }
      case imageTypes.bitmap:
        return keep(bitmap(body, data))
      case imageTypes.lzPalette: {
        const paletteFlags = view.getUint8(data)
        const size = view.getUint32(data + 1, true)
        const from = data + 5 + (paletteFlags & 2 ? 8 : 4)
        return keep(decodeLz(body.subarray(from, from + size), palette(body, paletteFlags, data + 5)))
      }
      case imageTypes.fromCache:
      case imageTypes.fromCacheLossless: {
        const cached = cache.get(id)
        if (!cached) throw new HdcsError('protocol', 'A picture is not in the cache.')
        return cached
      }
      case imageTypes.surface: {
        const surface = sources.surface(view.getUint32(data, true))
        if (!surface) throw new HdcsError('protocol', 'A picture of no surface.')
        return { ...surface, pixels: surface.pixels.slice(), topDown: true, alpha: false }
      }
      case imageTypes.quic:
      case imageTypes.jpeg:
      case imageTypes.jpegAlpha: {
        const kind = type === imageTypes.quic ? 'quic' : type === imageTypes.jpeg ? 'jpeg' : 'jpegAlpha'
        // A copy: the message is gone when the decoder is there.
        const bytes = kind === 'jpegAlpha' ? body.slice(data) : sized(data).slice()
        if (!sources.slow) throw new HdcsError('unsupported', `picture kind ${kind}`)
        return sources.slow(kind, bytes, width, height).then(keep)
      }
      default:
        throw new HdcsError('unsupported', `picture type ${type}`)
    }
  }

  return {
    read,
    forget,
    forgetAll() {
      cache.clear()
      cachedPixels = 0
    },
    forgetPalette: id => void palettes.delete(id),
    forgetPalettes: () => palettes.clear(),
  }
}

/** 0x00RRGGBB of the wire to 0xAABBGGRR of the canvas. */
export const canvasColor = (value: number) =>
  0xff000000 | (value & 0xff00) | ((value & 0xff) << 16) | ((value >>> 16) & 0xff)

const rowBytesOf: Readonly<Record<number, (width: number) => number>> = {
  1: width => Math.ceil(width / 8),
  2: width => Math.ceil(width / 8),
  3: width => Math.ceil(width / 2),
  4: width => Math.ceil(width / 2),
  5: width => width,
  6: width => 2 * width,
  7: width => 3 * width,
  8: width => 4 * width,
  9: width => 4 * width,
}

interface Rows {
  at: number
  stride: number
  width: number
  height: number
}

/** Formats without a palette: 16 bits, 24, 32, 32 with alpha. */
const copyRows = {
  6: rows16,
  7: (bytes: Uint8Array, rows: Rows, pixels: Int32Array) => rows24(bytes, rows, pixels, 3),
  8: (bytes: Uint8Array, rows: Rows, pixels: Int32Array) => rows24(bytes, rows, pixels, 4),
  9: rowsAlpha,
} as const

function rows24(s: Uint8Array, { at, stride, width, height }: Rows, pixels: Int32Array, step: number): void {
  for (let y = 0, p = 0; y < height; y++)
    for (let i = at + y * stride, end = i + step * width; i < end; i += step)
      pixels[p++] = 0xff000000 | ((s[i] as number) << 16) | ((s[i + 1] as number) << 8) | (s[i + 2] as number)
}

function rowsAlpha(s: Uint8Array, rows: Rows, pixels: Int32Array): void {
  rows24(s, rows, pixels, 4)
  for (let y = 0, p = 0; y < rows.height; y++)
    for (let i = rows.at + y * rows.stride + 3, x = 0; x < rows.width; x++, i += 4, p++)
      pixels[p] = ((pixels[p] as number) & 0xffffff) | ((s[i] as number) << 24)
}

function rows16(s: Uint8Array, { at, stride, width, height }: Rows, pixels: Int32Array): void {
  for (let y = 0, p = 0; y < height; y++)
    for (let i = at + y * stride, end = i + 2 * width; i < end; i += 2)
      pixels[p++] = from555((s[i] as number) | ((s[i + 1] as number) << 8))
}
