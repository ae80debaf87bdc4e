import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { byteLimit, byteMeter } from '../../vmm/byte-rate.ts'

describe('a limit of bytes', () => {
  it('is kept over every stretch of time, a quarter of a second’s burst and one piece aside', () => {
    const pieces = fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 2 ** 20 }), restMs: fc.nat(2_000) }))
    fc.assert(
      fc.property(fc.integer({ min: 1_000, max: 10 ** 9 }), pieces, (perSecond, came) => {
        const limit = byteLimit(perSecond, 0)
        let nowMs = 0
        const taken: { atMs: number; bytes: number }[] = []
        for (const { bytes, restMs } of came) {
          nowMs += restMs
          taken.push({ atMs: nowMs, bytes })
          nowMs += limit.took(bytes, nowMs)
        }
        taken.forEach((from, first) => {
          let sum = 0
          for (const { atMs, bytes } of taken.slice(first, -1)) {
            const allowed = (perSecond * (atMs - from.atMs)) / 1000 + perSecond / 4
            // The piece that came last is waited for afterwards.
            expect(sum).toBeLessThanOrEqual(allowed + 1)
            sum += bytes
          }
        })
      }),
    )
  })

  it('is used to the full when more would come', () => {
    const limit = byteLimit(1_000_000, 0)
    let nowMs = 0
    for (let n = 0; n < 100; n++) nowMs += limit.took(100_000, nowMs)
    expect(nowMs).toBeCloseTo(10_000 - 250)
  })
})

it('a rate is told once a second, of that second', () => {
  const meter = byteMeter(1_000, 0)
  expect([meter.took(2 ** 20, 400), meter.took(2 ** 20, 1_000), meter.took(2 ** 20, 1_999)]).toEqual([null, 2, null])
  expect(meter.took(3 * 2 ** 20, 3_000)).toBe(2)
})
