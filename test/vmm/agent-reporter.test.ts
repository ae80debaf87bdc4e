import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { makeReporter } from '../../vmm/agent-reporter.ts'
import type { FromAgent } from '../../vmm/protocol.ts'
import type { MachineReport } from '../../vmm/report.ts'

const report = (id: string, said: Partial<MachineReport> = {}): MachineReport => ({
  id,
  generation: 1,
  incarnation: 1,
  power: 'running',
  stopped: null,
  ready: false,
  step: 'booting',
  queuePlace: null,
  graphics: null,
  clients: 0,
  move: null,
  trouble: null,
  ...said,
})
const ready = { ready: true, step: null }

describe('what a host says', () => {
  let sent: { id: string; step: string | null; ready: boolean }[][]
  const reporter = makeReporter()
  beforeEach(() => {
    vi.useFakeTimers()
    sent = []
    reporter.opened(
      {
        send: (message: FromAgent) => {
          if (message.type === 'report' && !message.full)
            sent.push(message.machines.map(({ id, step, ready }) => ({ id, step, ready })))
        },
      },
      () => ({ machines: [], images: [] }),
    )
  })
  afterEach(() => {
    reporter.closed()
    vi.useRealTimers()
  })

  it('of the steps of many machines goes out together, each as it is by then', () => {
    reporter.machine(report('a', { step: 'making disk' }), true)
    reporter.machine(report('b', { step: 'queued' }), false)
    reporter.machine(report('a', { step: 'starting' }), true)
    vi.advanceTimersByTime(1_000)
    expect(sent).toEqual([
      [
        { id: 'a', step: 'starting', ready: false },
        { id: 'b', step: 'queued', ready: false },
      ],
    ])
  })

  it('goes out at once when a person’s desktop is ready, with all else there is to say', () => {
    reporter.machine(report('b', { step: 'queued' }), false)
    reporter.machine(report('a', ready), true)
    vi.advanceTimersByTime(5)
    expect(sent).toEqual([
      [
        { id: 'b', step: 'queued', ready: false },
        { id: 'a', ...ready },
      ],
    ])
  })

  it('of a desktop that nobody waits for takes its time', () => {
    reporter.machine(report('a', ready), false)
    vi.advanceTimersByTime(5)
    expect(sent).toEqual([])
    vi.advanceTimersByTime(1_000)
    expect(sent).toEqual([[{ id: 'a', ...ready }]])
  })

  it('is not said twice', () => {
    reporter.machine(report('a', ready), true)
    vi.advanceTimersByTime(1_000)
    reporter.machine(report('a', ready), true)
    vi.advanceTimersByTime(1_000)
    expect(sent).toHaveLength(1)
  })

  describe('of a disk that nothing was said of', () => {
    let strays: { id: string; incarnations: number[] }[]
    beforeEach(() => {
      strays = []
      const send = (message: FromAgent) => void (message.type === 'report' && strays.push(...message.strays))
      reporter.opened({ send }, () => ({ machines: [], images: [] }))
    })
    const tell = (lives: number[]) => {
      reporter.stray('a', lives)
      vi.advanceTimersByTime(1_000)
      return strays.splice(0)
    }

    it('is told again later: the answer may be another by then', () => {
      expect(tell([1])).toEqual([{ id: 'a', incarnations: [1] }])
      expect(tell([1])).toEqual([])
      vi.advanceTimersByTime(45_000)
      expect(tell([1])).toEqual([{ id: 'a', incarnations: [1] }])
    })

    it('is told at once when there are others of it, and when it was wished or gone meanwhile', () => {
      tell([1])
      expect(tell([2, 1])).toEqual([{ id: 'a', incarnations: [1, 2] }])
      reporter.machine(report('a'), false)
      expect(tell([1, 2])).toHaveLength(1)
      reporter.gone('a')
      expect(tell([1, 2])).toHaveLength(1)
    })
  })
})
