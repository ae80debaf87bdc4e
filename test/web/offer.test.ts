import { describe, expect, it } from 'vitest'
import { offerOf } from '../../web/portal/pool-offer.ts'
import { readySteps } from '../../web/portal/ready-steps.ts'

const counts = { total: 3, ready: 0, starting: 0, stopped: 0, assigned: 3, connected: 0, failed: 0, recycling: 0 }
const pool: Parameters<typeof offerOf>[0] = {
  enabled: true,
  status: 'ok',
  currentVersion: 1,
  maxPerUser: 1,
  maxSize: 10,
  estimateMs: 40_000,
  counts,
}

describe('what a pool offers a person', () => {
  it.each([
    ['is ready now when one is warm', { counts: { ...counts, ready: 1 } }, 0, 'readyNow'],
    ['is ready in a while when one can be made', {}, 0, 'readyIn'],
    ['is ready later when nobody knows how long it takes', { estimateMs: null }, 0, 'readyLater'],
    ['is full when all are taken and no more may be made', { maxSize: 3 }, 0, 'full'],
    ['is not full while a stopped one is left', { maxSize: 3, counts: { ...counts, stopped: 1 } }, 0, 'readyIn'],
    ['is what one has already, as many as one may', { counts: { ...counts, ready: 1 } }, 1, 'have'],
    ['is closed when an administrator closed it', { enabled: false, counts: { ...counts, ready: 1 } }, 0, 'disabled'],
    ['waits for its template', { currentVersion: null }, 0, 'waiting'],
    ['says that starting fails', { status: 'restrained' as const }, 0, 'restrained'],
    [
      'is still given while refilling is paused, when one is warm',
      { status: 'restrained' as const, counts: { ...counts, ready: 1 } },
      0,
      'readyNow',
    ],
  ])('%s', (_title, changes, mine, offer) => {
    expect(offerOf({ ...pool, ...changes }, mine)).toBe(offer)
  })
})

describe('the steps to a ready desktop', () => {
  const step = (name: string) => ({
    name,
    startedAt: '2026-01-01T00:00:00Z',
    estimateMs: null,
    queuePlace: null,
    text: null,
  })

  it('name what the host is at as the current one', () => {
    const steps = readySteps({ phase: 'starting', step: step('booting') }, undefined)
    expect(steps.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'making disk done',
      'queued done',
      'starting done',
      'booting current',
      'ready waiting',
    ])
  })

  it('are those of the task where it has some, and mark the one that failed', () => {
    const steps = [
      { name: 'assigning', state: 'done' as const },
      { name: 'booting', state: 'current' as const },
    ]
    expect(readySteps(undefined, { state: 'failed', steps }).map(({ state }) => state)).toEqual(['done', 'failed'])
  })

  it('begin at the disk when nothing is known, and never leave none current', () => {
    expect(readySteps(undefined, undefined)[0]).toEqual({ name: 'making disk', state: 'current' })
    expect(readySteps({ phase: 'starting', step: step('something new') }, undefined)[0]?.state).toBe('current')
  })
})
