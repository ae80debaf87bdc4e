import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { makeDisplay } from '../../spice/channels/display.ts'
import type { Picture } from '../../spice/lz.ts'
import { type Box, boxAround, makeSurface, moveParts, noteDirty, visibleParts } from '../../spice/surface.ts'
import { pack } from '../../spice/wire.ts'

const size = { width: 20, height: 12 }
const box = fc
  .tuple(fc.integer({ min: -5, max: 24 }), fc.integer({ min: -5, max: 16 }), fc.nat(20), fc.nat(14))
  .map(([left, top, width, height]) => ({ left, top, right: left + width, bottom: top + height }))
const inside = ({ left, top, right, bottom }: Box, x: number, y: number) =>
  x >= left && x < right && y >= top && y < bottom

describe('a surface', () => {
  it('is drawn in the clip boxes, the box and itself, and nowhere else', () => {
    fc.assert(
      fc.property(box, fc.option(fc.array(box, { maxLength: 4 })), (drawn, clip) => {
        const parts = visibleParts(makeSurface(0, size.width, size.height, true), drawn, clip)
        for (let y = -6; y < 30; y++)
          for (let x = -6; x < 45; x++) {
            const wanted = x >= 0 && y >= 0 && x < size.width && y < size.height && inside(drawn, x, y)
            expect(parts.some(part => inside(part, x, y))).toBe(
              wanted && (!clip || clip.some(part => inside(part, x, y))),
            )
          }
      }),
    )
  })

  it('moves its pixels as if all were read before any is written', () => {
    fc.assert(
      fc.property(box, fc.integer({ min: -8, max: 8 }), fc.integer({ min: -8, max: 8 }), (wished, x, y) => {
        const surface = makeSurface(0, size.width, size.height, true)
        for (let at = 0; at < surface.pixels.length; at++) surface.pixels[at] = at
        const before = surface.pixels.slice()
        const parts = visibleParts(surface, wished, null)
        if (!moveParts(surface, parts, { x, y })) return
        for (let row = 0; row < size.height; row++)
          for (let column = 0; column < size.width; column++) {
            const moved = parts.some(part => inside(part, column, row))
            const from = moved ? (row + y) * size.width + column + x : row * size.width + column
            expect(surface.pixels[row * size.width + column]).toBe(before[from])
          }
      }),
    )
  })

  it('never forgets a change, however many there are', () => {
    fc.assert(
      fc.property(fc.array(box, { minLength: 1, maxLength: 300 }), boxes => {
        const surface = makeSurface(0, size.width, size.height, true)
        for (const changed of boxes) noteDirty(surface, changed)
        const noted = surface.dirty
        expect(noted.length).toBeLessThanOrEqual(64)
        for (const { left, top, right, bottom } of boxes) {
          const around = boxAround(noted)
          expect(around.left <= left && around.top <= top && around.right >= right && around.bottom >= bottom).toBe(
            true,
          )
        }
      }),
    )
  })
})

const surfaceCreate = (id: number, width: number, height: number) =>
  pack(['u32', id], ['u32', width], ['u32', height], ['u32', 32], ['u32', 1])
const rect = (b: Box) =>
  [
    ['i32', b.top],
    ['i32', b.left],
    ['i32', b.bottom],
    ['i32', b.right],
  ] as const
const fill = (b: Box, color: number) =>
  pack(['u32', 0], ...rect(b), ['u8', 0], ['u8', 1], ['u32', color], ['u16', 8], ['u8', 0], ['u64', 0], ['u32', 0])
/** DRAW_COPY of a QUIC picture of the whole surface; its one byte is what the test's decoder is asked for. */
const quic = (width: number, height: number, name: number) => {
  const whole = { left: 0, top: 0, right: width, bottom: height }
  const head = pack(['u32', 0], ...rect(whole), ['u8', 0], ['u32', 57], ...rect(whole), ['u16', 8])
  const image = pack(['u64', 0], ['u8', 1], ['u8', 0], ['u32', width], ['u32', height], ['u32', 1], ['u8', name])
  return Buffer.concat([head, Buffer.alloc(57 - head.length), image])
}

describe('the display channel', () => {
  const quiet = { primary: () => {}, damaged: () => {} }

  it('lets no drawing overtake a picture that is decoded slowly', async () => {
    const decoding = new Map<number, (picture: Picture) => void>()
    const display = makeDisplay(quiet, (_, data) => new Promise(resolve => decoding.set(data[0] ?? 0, resolve)))
    const picture = (pixel: number) => ({
      pixels: new Int32Array(4).fill(pixel),
      width: 2,
      height: 2,
      topDown: true,
      alpha: false,
    })
    const pixels = () => [...(display.primary()?.pixels ?? [])]
    display.message(314, surfaceCreate(0, 2, 2))
    display.message(304, quic(2, 2, 1))
    display.message(304, quic(2, 2, 2))
    display.message(302, fill({ left: 0, top: 0, right: 1, bottom: 1 }, 0xff0000))
    const black = 0xff000000 | 0
    expect(pixels()).toEqual([black, black, black, black])
    decoding.get(1)?.(picture(11))
    await Promise.resolve()
    await new Promise(resolve => setImmediate(resolve))
    expect(pixels()).toEqual([11, 11, 11, 11])
    decoding.get(2)?.(picture(22))
    await new Promise(resolve => setImmediate(resolve))
    expect(pixels()).toEqual([0xff0000ff | 0, 22, 22, 22])
    expect(display.stats.skipped).toEqual({})
  })

  it('goes on after a picture that cannot be decoded, and says so', async () => {
    const display = makeDisplay(quiet, () => Promise.reject(new Error('broken')))
    display.message(314, surfaceCreate(0, 2, 2))
    display.message(304, quic(2, 2, 1))
    display.message(302, fill({ left: 0, top: 0, right: 2, bottom: 2 }, 0x0000ff))
    await new Promise(resolve => setImmediate(resolve))
    expect(display.primary()?.pixels[0]).toBe(0xffff0000 | 0)
    expect(display.stats.skipped).toEqual({ 'Error: broken': 1 })
  })

  it('writes nothing outside the surface, whatever a hostile desktop sends', () => {
    const types = fc.constantFrom(103, 104, 105, 107, 302, 304, 306, 307, 308, 315, 317)
    fc.assert(
      fc.property(
        fc.array(fc.tuple(types, fc.uint8Array({ minLength: 0, maxLength: 120 })), { maxLength: 10 }),
        messages => {
          const display = makeDisplay(quiet)
          display.message(314, surfaceCreate(0, 16, 16))
          for (const [type, body] of messages) {
            // Its first word is the surface: mostly the one there is.
            if (body.length >= 4) body.fill(0, 0, 4)
            try {
              display.message(type, body)
            } catch {
              // The channel counts it and goes on (channel.ts).
            }
          }
          const surface = display.primary()
          if (surface) expect(surface.pixels.length).toBe(256)
        },
      ),
      { numRuns: 400 },
    )
  })

  it('refuses a surface that would fill the memory', () => {
    expect(() => makeDisplay(quiet).message(314, surfaceCreate(0, 0x7fff_ffff, 0x7fff_ffff))).toThrow(
      expect.objectContaining({ code: 'protocol' }),
    )
  })
})
