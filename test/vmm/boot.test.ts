import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { admitBoots, type Boot, bootSlots, bootWeight, placeShown, type WaitingBoot } from '../../vmm/boot.ts'

const boot = (
  machineId: string,
  sinceMs: number,
  priority: WaitingBoot['priority'] = 'prewarm',
  group = 'a',
  weight = 1,
): WaitingBoot => ({ machineId, sinceMs, priority, group, weight })
const busy = (...groups: string[]): Boot[] => groups.map(group => ({ group, weight: 1 }))

describe('boot admission', () => {
  it('lets persons overtake prewarming, and else who came first', () => {
    const waiting = [boot('late', 3), boot('early', 1), boot('person', 9, 'person')]
    expect(admitBoots(2, [], waiting)).toEqual({ admitted: ['person', 'early'], queue: ['late'] })
  })

  it('lets pools take turns: nobody waits behind the whole class of another', () => {
    const many = Array.from({ length: 6 }, (_, n) => boot(`a${n}`, n))
    const waiting = [...many, boot('b0', 10, 'prewarm', 'b'), boot('b1', 11, 'prewarm', 'b')]
    expect(admitBoots(2, [], waiting)).toEqual({
      admitted: ['a0', 'b0'],
      queue: ['a1', 'b1', 'a2', 'a3', 'a4', 'a5'],
    })
    expect(admitBoots(3, busy('a', 'a'), waiting).admitted).toEqual(['b0'])
  })

  it('lets persons of two pools take turns before anything is prewarmed', () => {
    const waiting = [
      boot('warm', 0, 'prewarm', 'c'),
      boot('a0', 1, 'person'),
      boot('a1', 2, 'person'),
      boot('b0', 3, 'person', 'b'),
    ]
    expect(admitBoots(1, [], waiting)).toEqual({ admitted: ['a0'], queue: ['b0', 'a1', 'warm'] })
  })

  it('counts large desktops by what they use of the cores, and lets one larger than the host start alone', () => {
    expect([1, 2, 3, 4, 8].map(bootWeight)).toEqual([1, 1, 2, 2, 4])
    const waiting = [boot('large', 1, 'prewarm', 'a', 4), boot('small', 2)]
    expect(admitBoots(4, busy('b'), waiting)).toEqual({ admitted: [], queue: ['large', 'small'] })
    expect(admitBoots(4, [], waiting)).toEqual({ admitted: ['large'], queue: ['small'] })
    expect(admitBoots(2, [], waiting)).toEqual({ admitted: ['large'], queue: ['small'] })
  })

  it('begins fewer while everybody waits for the disk, and always one', () => {
    expect([bootSlots(8, 0), bootSlots(8, 80), bootSlots(1, 80)]).toEqual([8, 4, 1])
  })

  it('never holds more slots than there are but for one alone, and forgets nobody', () => {
    const some = fc.uniqueArray(
      fc.record({
        machineId: fc.string(),
        sinceMs: fc.nat(9),
        priority: fc.constantFrom<WaitingBoot['priority']>('person', 'prewarm'),
        group: fc.constantFrom('a', 'b', 'c'),
        weight: fc.integer({ min: 1, max: 4 }),
      }),
      { selector: ({ machineId }) => machineId },
    )
    const held = fc.array(fc.record({ group: fc.constantFrom('a', 'b'), weight: fc.integer({ min: 1, max: 4 }) }))
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), held, some, (slots, booting, waiting) => {
        const { admitted, queue } = admitBoots(slots, booting, waiting)
        const weight = (boots: readonly Boot[]) => boots.reduce((sum, one) => sum + one.weight, 0)
        const begun = waiting.filter(({ machineId }) => admitted.includes(machineId))
        const alone = booting.length === 0 && begun.length === 1
        if (begun.length > 0 && !alone) expect(weight(booting) + weight(begun)).toBeLessThanOrEqual(slots)
        if (booting.length === 0 && waiting.length > 0) expect(begun.length).toBeGreaterThan(0)
        expect([...admitted, ...queue].toSorted()).toEqual(waiting.map(({ machineId }) => machineId).toSorted())
      }),
    )
  })

  it('serves every pool in turn: two that wait differ by one start at most', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.array(fc.nat(9)), fc.array(fc.nat(9)), (slots, as, bs) => {
        const waiting = [
          ...as.map((sinceMs, n) => boot(`a${n}`, sinceMs)),
          ...bs.map((sinceMs, n) => boot(`b${n}`, sinceMs, 'prewarm', 'b')),
        ]
        const { admitted } = admitBoots(slots, [], waiting)
        const started = (group: string) => admitted.filter(id => id.startsWith(group)).length
        if (started('a') < as.length && started('b') < bs.length)
          expect(Math.abs(started('a') - started('b'))).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('tells exact places to the first twenty, and round ones behind', () => {
    expect([1, 20, 21, 40, 41, 1_000].map(placeShown)).toEqual([1, 20, 40, 40, 60, 1_000])
  })
})
