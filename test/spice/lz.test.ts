import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeLz } from '../../spice/lz.ts'
import { drawText, encodeLz, makePicture } from '../../vmm/sim-picture.ts'

const canvas = (pixel: number) => 0xff000000 | ((pixel & 0xff) << 16) | (pixel & 0xff00) | ((pixel >> 16) & 0xff)
const header = (kind: number, width: number, height: number, stride = width * 4) => {
  const bytes = Buffer.alloc(28)
  bytes.write('  ZL')
  for (const [index, word] of [0x10001, kind, width, height, stride, 1].entries())
    bytes.writeUInt32BE(word, 4 + 4 * index)
  return bytes
}

describe('LZ pictures', () => {
  it('are decoded to the pixels that were encoded', () => {
    // Few colours, so that all lengths of runs and references happen.
    const pictures = fc
      .integer({ min: 1, max: 700 })
      .chain(width =>
        fc.tuple(
          fc.constant(width),
          fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 900 })), { minLength: 1, maxLength: 12 }),
        ),
      )
    fc.assert(
      fc.property(pictures, ([width, runs]) => {
        const pixels = runs.flatMap(([color, length]) => Array<number>(length).fill(color * 0x30a050))
        const height = Math.ceil(pixels.length / width)
        const picture = makePicture(width, height)
        picture.pixels.set(pixels)
        const decoded = decodeLz(encodeLz(picture, 0, height))
        expect(decoded).toMatchObject({ width, height, topDown: true, alpha: false })
        expect(decoded.pixels.every((pixel, at) => pixel === canvas(picture.pixels[at] ?? 0))).toBe(true)
      }),
    )
  })

  it('are decoded straight into a surface that has their size', () => {
    const picture = makePicture(40, 30)
    drawText(picture, 1, 1, 'ok', 3, 0xffffff)
    const pixels = new Int32Array(40 * 30)
    const decoded = decodeLz(encodeLz(picture, 0, 30), undefined, { pixels, offset: 0 })
    expect(decoded.pixels.buffer).toBe(pixels.buffer)
    expect([...pixels]).toEqual([...picture.pixels].map(canvas))
  })

  it('may have a palette, packed bits or an alpha plane', () => {
    const palette = Int32Array.from({ length: 256 }, (_, i) => 1000 + i)
    const eight = Buffer.concat([header(5, 4, 1, 4), Buffer.from([3, 7, 8, 9, 7])])
    expect([...decodeLz(eight, palette).pixels]).toEqual([1007, 1008, 1009, 1007])
    const bits = Buffer.concat([header(2, 8, 1, 1), Buffer.from([0, 0b1010_0001])])
    expect([...decodeLz(bits, palette).pixels]).toEqual([1001, 1000, 1001, 1000, 1000, 1000, 1000, 1001])
    const alpha = Buffer.concat([header(9, 2, 1), Buffer.from([1, 1, 2, 3, 4, 5, 6, 1, 0x80, 0x40])])
    expect([...decodeLz(alpha).pixels]).toEqual([0x80010203 | 0, 0x40040506])
  })

  it.each([
    ['another format', Buffer.alloc(40)],
    ['a picture of 2^60 pixels', header(8, 0x4000_0000, 0x4000_0000, 0)],
    ['a kind that does not exist', Buffer.concat([header(77, 1, 1), Buffer.alloc(8)])],
    ['a reference before the beginning', Buffer.concat([header(8, 8, 1), Buffer.from([0x20, 5])])],
    ['a run behind the end', Buffer.concat([header(8, 2, 1), Buffer.from([0, 1, 2, 3, 0xe0, 255, 255, 255, 0, 0])])],
    ['an end in the middle', Buffer.concat([header(8, 100, 100), Buffer.from([0, 1, 2, 3])])],
    ['rows of no bytes', Buffer.concat([header(5, 100, 1, 0), Buffer.from([0, 1])])],
  ])('refuses %s', (_, bytes) => {
    expect(() => decodeLz(bytes)).toThrow(expect.objectContaining({ code: 'protocol' }))
  })

  it('end for any bytes, writing nothing outside their own pixels', () => {
    fc.assert(
      fc.property(fc.constantFrom(1, 4, 5, 6, 7, 8, 9), fc.uint8Array({ maxLength: 300 }), (kind, bytes) => {
        const pixels = new Int32Array(3 * 64).fill(5)
        try {
          decodeLz(Buffer.concat([header(kind, 8, 8, 8), bytes]), undefined, { pixels, offset: 64 })
        } catch (error) {
          expect(error).toMatchObject({ code: 'protocol' })
        }
        expect(pixels.subarray(0, 64).every(pixel => pixel === 5)).toBe(true)
        expect(pixels.subarray(128).every(pixel => pixel === 5)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })
})
