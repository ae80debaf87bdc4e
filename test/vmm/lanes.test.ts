import { describe, expect, it } from 'vitest'
import { makeEventQueue } from '../../vmm/event-queue.ts'
import { makeLane } from '../../vmm/lanes.ts'

describe('a lane', () => {
  it('runs no more at once than it is wide, urgent work first, and goes on after a failure', async () => {
    const lane = makeLane(1)
    const order: string[] = []
    const first = Promise.withResolvers<void>()
    const work = [
      lane(() => first.promise),
      lane(async () => order.push('later')),
      lane(async () => {
        order.push('urgent')
        throw new Error('failed')
      }, true),
    ]
    expect(order).toEqual([])
    first.resolve()
    const ends = await Promise.allSettled(work)
    expect(order).toEqual(['urgent', 'later'])
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
  })
})

describe('an event queue', () => {
  it('gives its consumer everything from the call on, and a new consumer ends the old', async () => {
    const queue = makeEventQueue<number>()
    queue.push(0)
    const old = queue.consume()
    queue.push(1)
    expect(await old.next()).toEqual({ value: 1, done: false })
    const waiting = old.next()
    const fresh = queue.consume()
    expect((await waiting).done).toBe(true)
    queue.push(2)
    expect(await fresh.next()).toEqual({ value: 2, done: false })
    queue.end()
    expect((await fresh.next()).done).toBe(true)
    expect((await queue.consume().next()).done).toBe(true)
  })
})
