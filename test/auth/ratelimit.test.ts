import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { attemptKeys, attemptsAfter, attemptsWaitMs } from '../../auth/ratelimit.ts'
import type { Attempts } from '../../db/attempts.ts'

const start = new Date('2026-01-05T08:00:00Z')
const later = (ms: number) => new Date(start.getTime() + ms)

/** The waits after each of so many failures in a row, each made the moment it was allowed. */
function waits(key: string, failures: number): number[] {
  let known: Attempts | undefined
  let now = start
  return Array.from({ length: failures }, () => {
    known = attemptsAfter(key, known, now)
    const waitMs = attemptsWaitMs([known], now)
    now = new Date(now.getTime() + waitMs)
    return waitMs
  })
}

describe('failed sign-ins', () => {
  it('cost nothing at first, then twice as long each time, and never more than five minutes for a name', () => {
    const seconds = waits('name:ann', 16).map(ms => ms / 1000)
    expect(seconds).toEqual([0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300])
  })

  it('of a whole class behind one address cost nobody anything', () => {
    expect(waits('address:192.0.2.1', 29).every(ms => ms === 0)).toBe(true)
    expect(waits('address:192.0.2.1', 60).at(-1)).toBe(15 * 60_000)
  })

  it('are forgotten after an hour without one', () => {
    const many = Array.from({ length: 10 }).reduce<Attempts | undefined>(
      known => attemptsAfter('name:x', known, start),
      undefined,
    )
    expect(attemptsAfter('name:x', many, later(3_600_001))).toEqual({
      failures: 1,
      lastFailedAt: later(3_600_001),
      blockedUntil: later(3_600_001),
    })
  })

  it('never make a wait shorter by one more of them', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3_000_000 }), { maxLength: 60 }), gaps => {
        let known: Attempts | undefined
        let now = start
        for (const gap of gaps) {
          now = new Date(now.getTime() + gap)
          const before = known
          known = attemptsAfter('name:x', known, now)
          if (before && gap < 3_600_000)
            expect(known.blockedUntil.getTime()).toBeGreaterThanOrEqual(before.blockedUntil.getTime())
        }
      }),
    )
  })

  it('wait for the longer of name and address', () => {
    const until = (ms: number): Attempts => ({ failures: 9, lastFailedAt: start, blockedUntil: later(ms) })
    expect(attemptsWaitMs([until(1000), until(5000)], start)).toBe(5000)
    expect(attemptsWaitMs([], start)).toBe(0)
  })
})

describe('an address', () => {
  it.each([
    ['192.0.2.7', 'address:192.0.2.7'],
    ['::ffff:192.0.2.7', 'address:192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', 'address:2001:db8:1:2::/64'],
    ['2001:db8:1:2:ffff::', 'address:2001:db8:1:2::/64'],
    ['local', 'address:local'],
  ])('%s counts as %s', (address, key) => {
    expect(attemptKeys('ann', address)).toEqual({ name: 'name:ann', address: key })
  })
})
