import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeCursor } from '../../spice/cursor-shape.ts'
import { keyNames, scanCode } from '../../spice/keys.ts'
import { buttonSteps, guestPixel, makeWheel } from '../../spice/pointer.ts'

describe('scan codes', () => {
  it('are another one for every key, and a release is its press with the upper bit', () => {
    const presses = keyNames.map(name => String(scanCode(name, true)))
    expect(new Set(presses).size).toBe(keyNames.length)
    for (const name of keyNames) {
      const [down, up] = [scanCode(name, true) ?? [], scanCode(name, false) ?? []]
      expect(up.length).toBe(down.length)
      expect((down.at(-1) ?? 0) | 0x80).toBe(up.at(-1))
    }
  })

  it.each([
    ['KeyA', [0x1e]],
    ['Enter', [0x1c]],
    ['NumpadEnter', [0xe0, 0x1c]],
    ['IntlBackslash', [0x56]],
    ['AltRight', [0xe0, 0x38]],
    ['AltGraph', [0xe0, 0x38]],
    ['MetaLeft', [0xe0, 0x5b]],
    ['OSLeft', [0xe0, 0x5b]],
    ['PrintScreen', [0xe0, 0x37]],
    ['Pause', [0xe1, 0x1d, 0x45]],
    ['ArrowUp', [0xe0, 0x48]],
    ['Delete', [0xe0, 0x53]],
    ['NumpadDecimal', [0x53]],
    ['F12', [0x58]],
    ['IntlRo', [0x73]],
    ['IntlYen', [0x7d]],
    ['AudioVolumeMute', [0xe0, 0x20]],
    ['MediaPlayPause', [0xe0, 0x22]],
    ['ContextMenu', [0xe0, 0x5d]],
  ])('of %s are those of a PC', (name, codes) => {
    expect(scanCode(name, true)).toEqual(codes)
  })

  it('do not exist for keys of no PC, which are then not sent', () => {
    for (const name of ['', 'Fn', 'Unidentified', 'toString', '__proto__']) expect(scanCode(name, true)).toBeUndefined()
  })
})

describe('the pointer', () => {
  it('always ends with the buttons that are down, one step at a time', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(31), { maxLength: 20 }), states => {
        let mask = 0
        for (const buttons of states) {
          for (const step of buttonSteps(mask, buttons)) {
            const changed = mask ^ step.mask
            expect(changed & (changed - 1)).toBe(0)
            expect(step.pressed).toBe((step.mask & changed) !== 0)
            mask = step.mask
          }
          expect(buttonSteps(mask, buttons)).toEqual([])
        }
        expect(buttonSteps(mask, 0).at(-1)?.mask ?? mask).toBe(0)
      }),
    )
  })

  it('stays inside the guest wherever it is on the page', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1e4, max: 1e4, noNaN: true }),
        fc.integer({ min: 1, max: 4000 }),
        fc.integer({ min: 1, max: 4000 }),
        (left, shown, guest) => {
          const pixel = guestPixel(left, shown, guest)
          expect(Number.isInteger(pixel) && pixel >= 0 && pixel < guest).toBe(true)
        },
      ),
    )
    expect(guestPixel(300, 960, 1920)).toBe(600)
  })

  it('turns the wheel by whole notches, and loses none of many small ones', () => {
    const wheel = makeWheel()
    const notches = (delta: number, mode: number) => wheel.turn(delta, mode, 1).filter(({ pressed }) => pressed)
    expect(Array.from({ length: 29 }, () => notches(10, 0)).flat()).toHaveLength(2)
    expect(notches(10, 0)).toEqual([{ pressed: true, number: 5, mask: 17 }])
    expect(notches(-100, 0)).toEqual([{ pressed: true, number: 4, mask: 9 }])
    expect(notches(-4, 1)).toHaveLength(1)
    expect(notches(1, 2)).toHaveLength(4)
  })
})

describe('pointer shapes', () => {
  it('are straight RGBA from premultiplied BGRA', () => {
    expect([...(decodeCursor(0, 2, 1, Uint8Array.from([0, 64, 128, 128, 0, 0, 0, 0])) ?? [])]).toEqual([
      255, 128, 0, 128, 0, 0, 0, 0,
    ])
  })

  it('may be two masks: black, white, nothing, and inverting as black with a white edge', () => {
    // One row of eight: and 00111100, xor 01010000.
    const shape = decodeCursor(1, 8, 1, Uint8Array.from([0b0011_1100, 0b0101_0000])) ?? []
    const pixel = (x: number) => [...shape.slice(4 * x, 4 * x + 4)]
    expect([0, 1, 2, 3, 4, 5].map(pixel)).toEqual([
      [0, 0, 0, 255],
      [255, 255, 255, 255],
      [255, 255, 255, 255],
      [0, 0, 0, 255],
      [255, 255, 255, 255],
      [0, 0, 0, 0],
    ])
  })

  it('are refused above any size a browser shows, and never read outside what was sent', () => {
    expect(decodeCursor(0, 60_000, 60_000, new Uint8Array())).toBeNull()
    expect(decodeCursor(77, 8, 8, new Uint8Array(999))).toBeNull()
    fc.assert(
      fc.property(
        fc.constantFrom(0, 1, 4, 5, 6),
        fc.nat(40),
        fc.nat(40),
        fc.uint8Array({ maxLength: 100 }),
        (kind, width, height, data) => {
          const shape = decodeCursor(kind, width, height, data)
          if (shape) expect(shape.length).toBe(4 * width * height)
        },
      ),
    )
  })
})
