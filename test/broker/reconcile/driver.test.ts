import { describe, expect, it } from 'vitest'
import { startReconciler } from '../../../broker/reconcile/driver.ts'

const never = (error: unknown) => {
  throw error
}

describe('a reconciler', () => {
  it('runs once for many nudges that come while it runs or rests, and not before it has rested', async () => {
    const runs: number[] = []
    const waiting: (() => void)[] = []
    const nth = (wanted: number) =>
      new Promise<void>(resolve => {
        waiting[wanted] = resolve
        if (runs.length >= wanted) resolve()
      })
    await using reconciler = startReconciler(
      {
        name: 'test',
        everyMs: 60_000,
        restMs: 50,
        async step() {
          runs.push(performance.now())
          waiting[runs.length]?.()
        },
      },
      never,
    )
    await nth(1)
    for (let n = 0; n < 10; n++) reconciler.nudge()
    await nth(2)
    expect(runs).toHaveLength(2)
    expect((runs[1] ?? 0) - (runs[0] ?? 0)).toBeGreaterThanOrEqual(49)
  })

  it('ends at once, also while it rests', async () => {
    const began = performance.now()
    {
      await using _reconciler = startReconciler(
        { name: 'test', everyMs: 60_000, restMs: 60_000, async step() {} },
        never,
      )
    }
    expect(performance.now() - began).toBeLessThan(5_000)
  })
})
