import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { listeningSince, lostForCertain, mayTake, type ReturnFacts, returnPlan } from '../../broker/returning.ts'

const at = (seconds: number) => new Date(1_000_000_000_000 + seconds * 1_000)
const shared = { storageId: 's1', diskLocks: true }
const unlocked = { storageId: 's1', diskLocks: false }
const lost = { name: 'h1', lostSince: at(15), fencedAt: null, ...shared }

const facts = (some: Partial<ReturnFacts> = {}): ReturnFacts => ({
  present: true,
  kind: 'persistent',
  assigned: true,
  ha: 'restart',
  diskMade: true,
  rests: false,
  moving: false,
  justMoved: false,
  pinned: null,
  host: lost,
  others: [shared],
  ...some,
})

describe('a desktop of a lost host', () => {
  it.each<[string, Partial<ReturnFacts>, string]>([
    ['floating and nobody’s: a new disk', { kind: 'floating', assigned: false }, 'new'],
    ['floating and somebody’s: a new disk', { kind: 'floating' }, 'new'],
    ['persistent, not yet anybody’s: a new disk', { assigned: false }, 'new'],
    ['persistent, its disk was never made: a new disk', { diskMade: false }, 'new'],
    ['persistent, locks on both hosts: its own disk', {}, 'own'],
    ['persistent, fenced since it was lost: its own disk', { host: { ...lost, ...unlocked, fencedAt: at(16) } }, 'own'],
    ['persistent, stood still: its own disk', { rests: true, host: { ...lost, ...unlocked } }, 'own'],
    ['fenced before it was lost: no proof', { host: { ...lost, ...unlocked, fencedAt: at(14) } }, 'to be fenced'],
    ['no locks on the lost host', { host: { ...lost, ...unlocked } }, 'to be fenced'],
    ['no locks on any other host', { others: [unlocked] }, 'no other host that is online guards'],
    [
      'no locks on any other host, though fenced: an older copy’s lock would not be heeded',
      { others: [unlocked], host: { ...lost, fencedAt: at(16) } },
      'no other host that is online guards',
    ],
    ['its locks and a fence: its own disk', { host: { ...lost, fencedAt: at(16) } }, 'own'],
    ['its disk is nowhere else', { others: [{ storageId: 's2', diskLocks: true }] }, 'no other host that is online'],
    ['its disk is nowhere else, though fenced', { others: [], host: { ...lost, fencedAt: at(20) } }, 'no other host'],
    [
      'its storage is not known',
      { host: { ...lost, storageId: null }, others: [{ storageId: null, diskLocks: true }] },
      'nobody knows',
    ],
    ['its pool wishes to wait', { ha: 'wait', kind: 'floating' }, 'its pool wishes so'],
    [
      'it has a dongle of the lost host',
      { pinned: 'it has the dongle Key, which is on h1' },
      'h1 to return: it has the dongle',
    ],
    ['it is on its way', { moving: true, kind: 'floating' }, 'its move to end'],
    ['its move just ended, and nothing of it is kept: a new disk', { justMoved: true, kind: 'floating' }, 'new'],
    ['its move just ended, and locks guard its disk: its own disk', { justMoved: true }, 'own'],
    [
      'its move just ended, and no locks guard its disk, though fenced: not yet',
      { justMoved: true, host: { ...lost, ...unlocked, fencedAt: at(16) } },
      'copy that its last move began elsewhere',
    ],
    ['being removed', { present: false }, 'confirmed off'],
    [
      'being removed, and fenced: by who shares its disk',
      { present: false, host: { ...lost, fencedAt: at(15) } },
      'own',
    ],
    [
      'being removed, fenced, and its disk is nowhere else',
      { present: false, others: [], host: { ...lost, fencedAt: at(15) } },
      'when that host returns',
    ],
  ])('%s', (_title, some, expected) => {
    const plan = returnPlan(facts(some))
    expect(plan.do === 'return' ? plan.disk : plan.do === 'wait' ? plan.for : plan.because).toContain(expected)
  })

  it('goes on its own disk only to a host that has the disk, and the locks where they are what guards it', () => {
    const guarded = returnPlan(facts())
    const fenced = returnPlan(facts({ host: { ...lost, ...unlocked, fencedAt: at(15) } }))
    const hosts = [shared, unlocked, { storageId: 's2', diskLocks: true }, { storageId: null, diskLocks: true }]
    const taken = (plan: typeof guarded) => plan.do === 'return' && hosts.map(host => mayTake(plan, host))
    expect(taken(guarded)).toEqual([true, false, false, false])
    expect(taken(fenced)).toEqual([true, true, false, false])
  })
})

describe('a control plane', () => {
  const host = { state: 'lost' as const, stateSince: at(15), beatAt: at(0), lostMs: 15_000 }

  it('acts upon a lost host only once it has listened itself for as long as makes a host lost', () => {
    expect(lostForCertain(host, at(40), at(26))).toBe(false)
    expect(lostForCertain(host, at(40), at(25))).toBe(true)
    expect(lostForCertain({ ...host, beatAt: at(16) }, at(40), at(0))).toBe(false)
    expect(lostForCertain({ ...host, state: 'suspect' }, at(40), at(0))).toBe(false)
  })

  it('that hears nobody counts as cut off itself, and begins to listen when it hears somebody again', () => {
    const hosts = [0, 5].map(second => ({ beatAt: at(second), suspectMs: 8_000 }))
    expect(listeningSince(at(0), at(12), hosts, at(12))).toEqual(at(0))
    expect(listeningSince(at(0), at(13), hosts, at(13))).toEqual(at(13))
    expect(listeningSince(at(0), at(13), [], at(13))).toEqual(at(0))
  })

  it('that was stopped with its machine begins to listen anew', () => {
    const hosts = [{ beatAt: at(60), suspectMs: 8_000 }]
    expect(listeningSince(at(0), at(41), hosts, at(60))).toEqual(at(0))
    expect(listeningSince(at(0), at(40), hosts, at(60))).toEqual(at(60))
  })
})

describe('whatever the facts', () => {
  const storageId = fc.constantFrom('s1', 's2', null)
  const host = fc.record({ storageId, diskLocks: fc.boolean() })
  const any: fc.Arbitrary<ReturnFacts> = fc.record({
    present: fc.boolean(),
    kind: fc.constantFrom('floating', 'persistent'),
    assigned: fc.boolean(),
    ha: fc.constantFrom('restart', 'wait'),
    diskMade: fc.boolean(),
    rests: fc.boolean(),
    moving: fc.boolean(),
    justMoved: fc.boolean(),
    pinned: fc.constantFrom(null, 'it has a dongle'),
    host: fc.record({
      name: fc.constant('h1'),
      storageId,
      diskLocks: fc.boolean(),
      lostSince: fc.constant(at(15)),
      fencedAt: fc.constantFrom(null, at(10), at(15), at(20)),
    }),
    others: fc.array(host, { maxLength: 3 }),
  })

  it('a person’s own disk is opened elsewhere only when the old copy cannot write, and by somebody who has it', () => {
    fc.assert(
      fc.property(any, host, (facts, target) => {
        const plan = returnPlan(facts)
        if (!facts.present || plan.do !== 'return' || plan.disk === 'new' || !mayTake(plan, target)) return
        const fenced = facts.host.fencedAt !== null && facts.host.fencedAt >= facts.host.lostSince
        expect(facts.host.diskLocks ? target.diskLocks : (fenced || facts.rests) && !facts.justMoved).toBe(true)
        expect(target.storageId).toBe(facts.host.storageId)
      }),
      { numRuns: 2_000 },
    )
  })

  it('to make sure that its host is off is told as what it waits for exactly where it goes on then', () => {
    fc.assert(
      fc.property(any, facts => {
        if (!facts.present) return
        const plan = returnPlan(facts)
        const fenced = returnPlan({ ...facts, host: { ...facts.host, fencedAt: at(20) } })
        expect(plan.do === 'wait' && plan.fence === true).toBe(plan.do === 'wait' && fenced.do === 'return')
      }),
      { numRuns: 2_000 },
    )
  })

  it('what a person keeps is never replaced by a new disk', () => {
    fc.assert(
      fc.property(any, facts => {
        const plan = returnPlan(facts)
        const kept = facts.kind === 'persistent' && facts.assigned && facts.diskMade
        if (kept && facts.present) expect(plan).not.toMatchObject({ disk: 'new' })
        if (facts.present) expect(plan.do).not.toBe('forget')
      }),
      { numRuns: 2_000 },
    )
  })
})
