import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { errorCodes } from '../../lib/errors.ts'
import { closeCodes } from '../../spice/close-codes.ts'
import { closeDecision, refusalDecision, retryWaitMs } from '../../spice/session-rules.ts'

describe('a session that ended', () => {
  it.each([
    ['desktopClosed', 'taken_over_or_off', 'follow'],
    ['mainClosed', 'taken_over_or_off', 'follow'],
    ['connectionBroken', 'desktop_unreachable', 'soon'],
    ['linkFailed', 'desktop_unreachable', 'soon'],
    ['kicked', 'ended', 'no'],
    ['taken', 'taken', 'no'],
    ['stalled', 'network', 'soon'],
    ['moved', 'moved', 'follow'],
    ['gatewayClosing', 'network', 'soon'],
  ] as const)('by %s is %s and comes back: %s', (name, reason, retry) => {
    expect(closeDecision(closeCodes[name])).toEqual({ reason, retry })
  })

  it('by the browser itself is the network, and comes back', () => {
    for (const code of [0, 1000, 1001, 1006, 1011])
      expect(closeDecision(code)).toEqual({ reason: 'network', retry: 'soon' })
  })

  it('by an answer of the API comes back only where waiting helps', () => {
    const coming = errorCodes.filter(code => refusalDecision(code).retry === 'soon')
    expect(coming).toEqual(
      expect.arrayContaining(['rate_limited', 'unreachable', 'timeout', 'internal', 'no_host', 'start_failed']),
    )
    for (const code of ['forbidden', 'not_found', 'unauthenticated', 'conflict'] as const)
      expect(coming).not.toContain(code)
    expect(refusalDecision(undefined)).toEqual({ reason: 'network', retry: 'soon' })
  })

  it('waits longer from try to try, spread, and never longer than a person waits', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
        const wait = retryWaitMs(attempt, random)
        expect(wait).toBeGreaterThanOrEqual(375)
        expect(wait).toBeLessThanOrEqual(12_500)
      }),
    )
    expect([1, 2, 3, 4, 5, 6].map(attempt => retryWaitMs(attempt, 0.5))).toEqual([500, 1000, 2000, 4000, 8000, 10_000])
  })
})
