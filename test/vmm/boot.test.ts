import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { admitBoots, placeShown, type WaitingBoot } from '../../vmm/boot.ts'

const boot = (machineId: string, sinceMs: number, priority: WaitingBoot['priority'] = 'prewarm') => ({
  machineId,
  sinceMs,
  priority,
})

describe('boot admission', () => {
  it('lets persons overtake prewarming, and else who came first', () => {
    const waiting = [boot('late', 3), boot('early', 1), boot('person', 9, 'person')]
    expect(admitBoots(2, 0, waiting)).toEqual({ admitted: ['person', 'early'], queue: ['late'] })
  })

  it('never has more boots than slots, and forgets nobody', () => {
    const some = fc.uniqueArray(fc.tuple(fc.string(), fc.nat(9), fc.boolean()), { selector: ([id]) => id })
    fc.assert(
      fc.property(fc.nat(8), fc.nat(12), some, (slots, booting, list) => {
        const waiting = list.map(([id, since, person]) => boot(id, since, person ? 'person' : 'prewarm'))
        const { admitted, queue } = admitBoots(slots, booting, waiting)
        expect(admitted.length).toBe(Math.min(waiting.length, Math.max(0, slots - booting)))
        expect([...admitted, ...queue].toSorted()).toEqual(waiting.map(({ machineId }) => machineId).toSorted())
      }),
    )
  })

  it('tells exact places to the first twenty, and round ones behind', () => {
    expect([1, 20, 21, 40, 41, 1_000].map(placeShown)).toEqual([1, 20, 40, 40, 60, 1_000])
  })
})
