import { describe, expect, it } from 'vitest'
import { stepsInRoom, verificationTask, verifyStep, verifySteps } from '../../broker/verify-plan.ts'
import type { VerifiedOpen } from '../../db/verifications.ts'

const now = new Date('2026-01-01T12:00:00Z')
const ago = (ms: number) => new Date(now.getTime() - ms)
const desktop: NonNullable<VerifiedOpen['desktop']> = {
  host_id: 'h',
  memory_bytes: 2 ** 30,
  phase: 'ready',
  user_id: null,
  wished_power: 'running',
  address: '10.0.0.5',
  bridged: false,
  ready_when: 'agent',
  trouble: null,
  captured: false,
}
const said = (...addresses: string[]) => ({
  done: true,
  trouble: null,
  data: Buffer.from(JSON.stringify(addresses)).toString('base64'),
})
const item = (
  some: Partial<VerifiedOpen> = {},
  its: Partial<NonNullable<VerifiedOpen['desktop']>> | null = {},
): VerifiedOpen => ({
  desktop_id: 'd',
  name: 'd',
  state: 'waiting',
  started: false,
  since: now,
  operation_id: null,
  answer: null,
  ...some,
  desktop: its && { ...desktop, ...its },
})
const still = { phase: 'stopped', wished_power: 'stopped' } as const
const asked = (answer: VerifiedOpen['answer'], more: Partial<VerifiedOpen> = {}) =>
  item({ state: 'asking', operation_id: 'o', answer, ...more })

describe('a desktop that is looked at', () => {
  it.each<[string, VerifiedOpen, unknown]>([
    ['stands still and is nobody’s: it is started', item({}, still), { do: 'start' }],
    [
      'is somebody’s and shut down: it is left alone',
      item({}, { ...still, user_id: 'u' }),
      { state: 'skipped', stop: false },
    ],
    ['is being captured: it is left alone', item({}, { ...still, captured: true }), { state: 'skipped' }],
    ['is on its way: it is waited for', item({}, { phase: 'making' }), { do: 'wait' }],
    ['runs: its guest is asked', item(), { do: 'ask' }],
    ['runs without an agent: that is all there is to see', item({}, { ready_when: 'running' }), { state: 'ok' }],
    [
      'has its address: it works, and stands still again',
      asked(said('10.0.0.5'), { started: true }),
      { state: 'ok', stop: true },
    ],
    [
      'was claimed meanwhile: it is not stopped',
      { ...asked(said('10.0.0.5'), { started: true }), desktop: { ...desktop, user_id: 'u' } },
      { state: 'ok', stop: false },
    ],
    ['has no address yet: it is asked again', asked(said()), { do: 'ask' }],
    [
      'has no address for long: it does not work',
      asked(said(), { since: ago(40_000) }),
      { state: 'failed', text: 'its guest has no address' },
    ],
    [
      'has another one: it does not work',
      asked(said('10.9.9.9'), { since: ago(40_000) }),
      { state: 'failed', text: 'its guest has 10.9.9.9 instead of 10.0.0.5' },
    ],
    [
      'is on a network of the site: any address will do',
      { ...asked(said('192.168.1.7')), desktop: { ...desktop, bridged: true } },
      { state: 'ok' },
    ],
    [
      'fails: its host’s words are the result',
      item({ state: 'starting' }, { phase: 'failed', trouble: { code: 'start_failed', text: 'no room' } }),
      { state: 'failed', text: 'no room' },
    ],
    ['is on a lost host', item({}, { phase: 'unknown' }), { state: 'failed', text: 'its host is lost' }],
    ['is gone', item({}, null), { state: 'skipped', text: 'it was removed meanwhile' }],
    [
      'is not answered for',
      asked({ done: false, trouble: null, data: null }, { since: ago(40_000) }),
      { state: 'failed', text: 'its host does not answer' },
    ],
    ['was shut down after it was started', item({ state: 'starting', started: true }, still), { state: 'skipped' }],
  ])('%s', (_title, seen, expected) => {
    expect(verifyStep(seen, true, now)).toMatchObject(expected as object)
  })

  it('waits for its turn where as many are looked at as may be', () => {
    expect(verifyStep(item({}, still), false, now)).toEqual({ do: 'nothing' })
    expect(verifyStep(item(), false, now)).toEqual({ do: 'nothing' })
  })

  it('waits for memory while others give theirs back, and is left out when none does', () => {
    const cramped = new Map([['no', 'No memory left.']])
    const no = item({ desktop_id: 'no' }, still)
    const taken = (items: VerifiedOpen[]) =>
      stepsInRoom(items, verifySteps(items, 9, now), cramped).map(({ item: { desktop_id: id }, step }) => [id, step.do])
    expect(taken([item({}, still), no])).toEqual([['d', 'start']])
    expect(taken([no, asked(said('10.0.0.5'))])).toEqual([['d', 'end']])
    expect(taken([item({ state: 'starting', started: true }, { phase: 'starting' }), no])).toEqual([])
    expect(taken([item({}, { ...still, user_id: 'u' }), no])).toEqual([
      ['d', 'end'],
      ['no', 'end'],
    ])
    expect(stepsInRoom([no], verifySteps([no], 1, now), cramped)).toMatchObject([
      { step: { state: 'skipped', text: 'No memory left.', stop: false } },
    ])
  })

  it('counts in the receipt', () => {
    const counts = { ok: 2, failed: 1, skipped: 1, waiting: 3, looking: 1 }
    expect(verificationTask({ state: 'running', ...counts })).toMatchObject({
      state: 'running',
      progress: 49,
      steps: [{ name: 'verify', text: '2 of 8 work, 1 do not, 1 were left out' }],
    })
    expect(verificationTask({ state: 'done', ...counts })).toMatchObject({ state: 'succeeded', progress: 100 })
    expect(verificationTask({ state: 'cancelled', ...counts })).toMatchObject({ state: 'cancelled' })
    expect(verificationTask(undefined)).toMatchObject({ state: 'failed' })
  })
})
