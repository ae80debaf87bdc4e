import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type PoolDesktop, type PoolWish, planPool } from '../../broker/pool-plan.ts'

const letters = {
  c: { phase: 'stopped', assigned: false, wishedPower: 'stopped' },
  k: { phase: 'stopped', assigned: false, wishedPower: 'stopped', cramped: true },
  w: { phase: 'ready', assigned: false, wishedPower: 'running' },
  s: { phase: 'starting', assigned: false, wishedPower: 'running' },
  a: { phase: 'ready', assigned: true, wishedPower: 'running' },
  r: { phase: 'recycling', assigned: false, wishedPower: 'stopped' },
  f: { phase: 'failed', assigned: false, wishedPower: 'running' },
  u: { phase: 'unknown', assigned: false, wishedPower: 'running' },
} as const satisfies Record<string, Partial<PoolDesktop>>

const desktops = (states: string, versionId = 'v2'): PoolDesktop[] =>
  [...states].map((letter, index) => ({
    id: `${index}`,
    present: true,
    versionId,
    madeAt: new Date(index),
    ...letters[letter as keyof typeof letters],
  }))
const wish: PoolWish = { minSize: 0, maxSize: 6, warm: 2, cold: 1, enabled: true, versionId: 'v2', restrained: false }
const steps = (pool: Partial<PoolWish>, states: string) => planPool({ ...wish, ...pool }, desktops(states))

describe('a pool', () => {
  it.each([
    [
      'is empty: makes the warm ones running and the cold ones resting',
      '',
      [
        { do: 'make', count: 2, power: 'running' },
        { do: 'make', count: 1, power: 'stopped' },
      ],
    ],
    [
      'lacks warm ones: starts the oldest cold and makes new cold',
      'ccc',
      [
        { do: 'start', desktopId: '0' },
        { do: 'start', desktopId: '1' },
      ],
    ],
    [
      'has cold ones without memory: starts those that have it, and makes others instead',
      'kkc',
      [
        { do: 'start', desktopId: '2' },
        { do: 'make', count: 1, power: 'running' },
      ],
    ],
    [
      'has only cold ones without memory: keeps them while others are made',
      'kk',
      [{ do: 'make', count: 2, power: 'running' }],
    ],
    ['has more cold ones than it wishes once others run instead', 'wwkk', [{ do: 'remove', desktopId: '3' }]],
    ['is full, with cold ones without memory: waits for it', 'aaaakk', []],
    ['has one warm too many and no cold: stops the newest', 'www', [{ do: 'stop', desktopId: '2' }]],
    ['has too many warm and enough cold: removes the newest warm', 'wwwc', [{ do: 'remove', desktopId: '2' }]],
    ['has what it wishes: does nothing', 'wwc', []],
    ['counts starting ones as warm', 'ssc', []],
    ['is full of people: makes no more than the maximum', 'aaaaaa', []],
    [
      'refills at once and in parallel when people take what was warm',
      'aac',
      [
        { do: 'start', desktopId: '2' },
        { do: 'make', count: 1, power: 'running' },
        { do: 'make', count: 1, power: 'stopped' },
      ],
    ],
    [
      'throws away what failed and nobody has, and makes it anew',
      'wfc',
      [
        { do: 'remove', desktopId: '1' },
        { do: 'start', desktopId: '2' },
        { do: 'make', count: 1, power: 'stopped' },
      ],
    ],
    ['waits for those being recycled instead of making more', 'wrc', [{ do: 'start', desktopId: '1' }]],
  ])('%s', (_title, states, expected) => {
    expect(steps({}, states)).toMatchObject(expected)
    expect(steps({}, states)).toHaveLength(expected.length)
  })

  it('makes nothing while it is restrained, switched off, or its template has no sealed version', () => {
    expect(steps({ restrained: true }, '')).toEqual([])
    expect(steps({ enabled: false }, '')).toEqual([])
    expect(steps({ versionId: null }, '')).toEqual([])
  })

  it('makes resting desktops of an older version anew, and leaves people’s alone', () => {
    expect(planPool({ ...wish, warm: 1, cold: 0 }, desktops('wa', 'v1'))).toMatchObject([
      { do: 'upgrade', desktopId: '0' },
    ])
  })

  it('makes no more than half of its warm desktops anew at a time, and those that rest beside them', () => {
    const step = (id: string) => ({ do: 'upgrade', desktopId: id })
    const pool = { ...wish, warm: 4, cold: 2 }
    expect(planPool(pool, desktops('wwwwcc', 'v1'))).toMatchObject(['4', '5', '0', '1'].map(step))
    expect(planPool(pool, desktops('sswwcc', 'v1'))).toMatchObject(['4', '5'].map(step))
    expect(planPool({ ...wish, warm: 1, cold: 0 }, desktops('w', 'v1'))).toMatchObject([step('0')])
  })

  it('makes none of another version anew while refilling pauses, or while a push was called off half way', () => {
    const pool = { ...wish, warm: 2, cold: 0 }
    expect(planPool({ ...pool, restrained: true }, desktops('ww', 'v1'))).toEqual([])
    expect(planPool({ ...pool, held: true }, desktops('ww', 'v1'))).toEqual([])
  })

  it('never plans beyond its maximum, nor touches a desktop somebody has or a host that is lost', () => {
    const pools = fc.record({
      minSize: fc.nat(5),
      maxSize: fc.integer({ min: 5, max: 20 }),
      warm: fc.nat(8),
      cold: fc.nat(8),
      restrained: fc.boolean(),
      enabled: fc.boolean(),
    })
    fc.assert(
      fc.property(pools, fc.stringMatching(/^[cwsarfuk]{0,15}$/), (pool, states) => {
        const facts = desktops(states)
        const plan = planPool({ ...wish, ...pool }, facts)
        const made = plan.reduce((sum, step) => sum + (step.do === 'make' ? step.count : 0), 0)
        const removed = plan.filter(step => step.do === 'remove').length
        expect(facts.length - removed + made).toBeLessThanOrEqual(Math.max(pool.maxSize, facts.length))
        const touched = plan.flatMap(step => (step.do === 'make' ? [] : [step.desktopId]))
        expect(new Set(touched).size).toBe(touched.length)
        for (const id of touched) expect(['a', 'u']).not.toContain(states[Number(id)])
      }),
    )
  })

  it('comes to rest: applying its steps again and again ends in no steps', () => {
    const pools = fc.record({
      minSize: fc.nat(5),
      maxSize: fc.integer({ min: 5, max: 20 }),
      warm: fc.nat(4),
      cold: fc.nat(4),
    })
    fc.assert(
      fc.property(pools, fc.stringMatching(/^[cwsak]{0,12}$/), (pool, states) => {
        let facts = desktops(states)
        const wished = { ...wish, ...pool, maxSize: Math.max(pool.maxSize, pool.warm + pool.cold) }
        for (let round = 0; round < 10; round++) {
          const plan = planPool(wished, facts)
          if (plan.length === 0) return
          facts = applied(plan, facts)
        }
        throw new Error(`still moving: ${JSON.stringify(planPool(wished, facts))}`)
      }),
    )
  })
})

let next = 1000
function applied(plan: ReturnType<typeof planPool>, facts: PoolDesktop[]): PoolDesktop[] {
  let left = facts
  for (const step of plan) {
    if (step.do === 'make')
      left = [
        ...left,
        ...Array.from(
          { length: step.count },
          () =>
            ({
              ...desktops(step.power === 'running' ? 'w' : 'c')[0],
              id: `${next++}`,
              madeAt: new Date(next),
            }) as PoolDesktop,
        ),
      ]
    else if (step.do === 'remove') left = left.filter(({ id }) => id !== step.desktopId)
    else
      left = left.map(one =>
        one.id === step.desktopId ? { ...one, ...letters[step.do === 'start' ? 'w' : 'c'] } : one,
      )
  }
  return left
}

describe('a pool whose warm desktops were lost with their host', () => {
  it('makes no others while they are about to return, and others when they are not', () => {
    const returning = desktops('uuc').map(desktop => ({ ...desktop, returning: desktop.phase === 'unknown' }))
    expect(planPool(wish, returning)).toEqual([])
    expect(steps({}, 'uuc').filter(step => step.do === 'make' || step.do === 'start')).not.toEqual([])
  })
})
