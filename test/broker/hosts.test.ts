import { describe, expect, it } from 'vitest'
import { hostState, nextLookMs, usualSilence } from '../../broker/reconcile/hosts.ts'

const at = (ms: number) => new Date(1_800_000_000_000 + ms)
const since = at(-60_000)
const judge = (silentMs: number | null, state: Parameters<typeof hostState>[0]['state'] = 'online', from = since) =>
  hostState({ state, wished: 'online', beatAt: silentMs === null ? null : at(-silentMs) }, at(0), from)

describe('the heartbeat of a host', () => {
  it.each([
    ['joining before the first beat', null, 'joining'],
    ['online while it beats', 3_000, 'online'],
    ['suspect when it misses beats', usualSilence.suspectMs, 'suspect'],
    ['lost after fifteen seconds', 15_000, 'lost'],
  ])('is %s', (_title, silentMs, state) => {
    expect(judge(silentMs)).toBe(state)
  })

  it('makes nobody lost by the absence of the control plane itself', () => {
    expect(judge(3_600_000, 'online', at(-1_000))).toBe('online')
    expect(judge(3_600_000, 'online', at(-15_000))).toBe('lost')
  })

  it('takes a lost host back only when it beats again', () => {
    expect(judge(10_000, 'lost')).toBe('lost')
    expect(judge(1_000, 'lost')).toBe('online')
  })

  it.each([
    ['when the first can fall silent', 'online', 3_000, 5_000],
    ['soon after one that is silent', 'suspect', 9_000, 2_000],
    ['when a silent one is lost', 'suspect', 14_000, 1_000],
    ['soon after one that is lost', 'lost', 3_600_000, 2_000],
    ['no sooner than others have said when none has joined', 'joining', null, 10_000],
    ['after a pause when the moment has passed', 'online', 20_000, 100],
  ] as const)('is looked at next %s', (_title, state, silentMs, lookMs) => {
    const beatAt = silentMs === null ? null : at(-silentMs)
    const host = { state, observed_beat_at: beatAt, suspect_ms: 8_000, lost_ms: 15_000 }
    expect(nextLookMs([host], at(0), since)).toBe(lookMs)
  })
})
