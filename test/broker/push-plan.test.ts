import { describe, expect, it } from 'vitest'
import { type PushFacts, pushChecks, pushSums, pushTask, pushText } from '../../broker/push-plan.ts'
import { noCounts } from '../../db/pushes.ts'

const facts: PushFacts = {
  asked: 2,
  version: { number: 2, state: 'sealed', progress: 100, virtualBytes: 8e9, trouble: null, everywhere: true },
  hardware: { diskBytes: null },
  images: [
    { hostName: 'a', state: 'ready', progress: 100, trouble: null },
    { hostName: 'b', state: 'ready', progress: 100, trouble: null },
  ],
  warnings: [],
}
const version = (some: Partial<NonNullable<PushFacts['version']>>) => ({
  version: { ...facts.version, ...some } as NonNullable<PushFacts['version']>,
})
const image = (some: Partial<PushFacts['images'][number]>) => ({
  images: [
    { hostName: 'a', state: 'ready' as const, progress: 100, trouble: null },
    { hostName: 'b', state: null, progress: null, trouble: null, ...some },
  ],
})

describe('a push', () => {
  it('begins when its version is sealed, its image on every host, and its desktops’ disks large enough', () => {
    expect(pushChecks(facts).map(({ ok }) => ok)).toEqual([true, true, true, true])
  })

  it.each<[string, Partial<PushFacts>, RegExp, boolean]>([
    ['is not made yet', version({ state: 'making', progress: 40 }), /being made: 40 %/, false],
    ['waits for its file', version({ state: 'uploading' }), /waits for its file/, false],
    [
      'failed',
      version({ state: 'failed', trouble: 'no such format' }),
      /failed \(no such format\): try it again/,
      false,
    ],
    ['was removed', { version: undefined }, /was removed: cancel this push/, true],
    ['is not on every host', image({ state: 'making', progress: 12 }), /made on 1 host of 2 \(b is at 12 %\)/, false],
    [
      'is copied to its hosts',
      { ...version({ everywhere: false }), ...image({}) },
      /copied to 1 host of 2 \(b is at 0 %\)/,
      false,
    ],
    [
      'could not be had by a host',
      image({ state: 'failed', trouble: 'disk full' }),
      /b could not get it: disk full/,
      false,
    ],
    ['finds no host', { images: [] }, /no host of its clusters is there/, false],
    ['is larger than the desktops’ disks', { hardware: { diskBytes: 4e9 } }, /give the pool larger ones first/, true],
  ])('waits, and says for what, while its version %s', (_title, some, text, lasting) => {
    const first = pushChecks({ ...facts, ...some }).find(({ ok }) => !ok)
    expect(first?.text).toMatch(text)
    expect(first?.lasting ?? false).toBe(lasting)
  })

  it('counts who is on it and who is not; desktops that people keep and lost hosts hold it up for nobody', () => {
    const counts = { ...noCounts, done: 3, remaking: 1, inUse: 1, lost: 2, kept: 4 }
    expect(pushSums(counts)).toEqual({ total: 7, done: 3, left: 2 })
    expect(pushText(counts)).toBe(
      '3 of 7 desktops are on it, 1 are being remade, 1 is remade when given back, 2 are on lost hosts and will follow, 4 are somebody’s own and will stay as they are',
    )
  })

  it('tells in its receipt what it waits for, how far it is, and how it ended', () => {
    const push = { state: 'scheduled' as const, text: '', at: new Date('2030-01-02T03:04:00Z'), counts: noCounts }
    expect(pushTask(push)).toMatchObject({
      state: 'queued',
      steps: [{ name: 'wait', text: 'until 2030-01-02T03:04Z' }, {}],
    })
    const counts = { ...noCounts, done: 1, waiting: 1 }
    expect(pushTask({ ...push, state: 'running', counts })).toMatchObject({ state: 'running', progress: 49 })
    expect(pushTask({ ...push, state: 'done', counts })).toMatchObject({ state: 'succeeded', progress: 100 })
    expect(pushTask({ ...push, state: 'cancelled', text: 'by ana', counts })).toMatchObject({
      state: 'cancelled',
      error: { text: 'by ana' },
    })
    expect(pushTask(undefined)).toMatchObject({ state: 'failed', error: { code: 'not_found' } })
  })
})
