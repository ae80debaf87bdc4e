import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Ladder,
  ladderStart,
  type MigrationStats,
  migrationStats,
  migrationStep,
  type Rung,
} from '../../vmm/migrate.ts'

const mebi = 2 ** 20
const stats = (facts: Partial<MigrationStats> = {}): MigrationStats => ({
  elapsedMs: 1_000,
  round: 1,
  totalBytes: 128 * mebi,
  remainingBytes: 64 * mebi,
  memoryBytes: 128 * mebi,
  sentBytes: 64 * mebi,
  diskRemainingBytes: 0,
  sentBytesPerSecond: 32 * mebi,
  dirtiedBytesPerSecond: 0,
  throttlePercent: 0,
  ...facts,
})
const busy = (facts: Partial<MigrationStats> = {}) => stats({ dirtiedBytesPerSecond: 64 * mebi, ...facts })
const on = (rung: Rung, sinceRound = 0): Ladder => ({ ...ladderStart, rung, sinceRound })
/** Its memory on the way from the beginning. */
const sending: Ladder = { ...ladderStart, memorySinceMs: 0 }
/** Its disk on the way, a quarter of it there: 40 GiB at 100 MB/s take seven minutes. */
const copying = stats({
  elapsedMs: 108_000,
  round: 0,
  totalBytes: 40 * 1024 * mebi,
  remainingBytes: 30 * 1024 * mebi,
  memoryBytes: 0,
  sentBytes: 10 * 1024 * mebi,
  diskRemainingBytes: 30 * 1024 * mebi,
  sentBytesPerSecond: 0,
})
const rules = { postCopy: false }

describe('a migration', () => {
  it.each<[string, Ladder, MigrationStats, string | null, Rung]>([
    ['that sends everything once: nothing', ladderStart, stats(), null, 'plain'],
    ['whose guest rests: nothing, however many rounds', ladderStart, stats({ round: 50 }), null, 'plain'],
    ['whose guest is busy: waited for', ladderStart, busy({ round: 3 }), null, 'plain'],
    ['that QEMU slows down: given its chance', ladderStart, busy({ round: 9, throttlePercent: 40 }), null, 'plain'],
    [
      'that does not get over slowed down: a longer pause',
      ladderStart,
      busy({ round: 12, throttlePercent: 90 }),
      'allow pause',
      'patient',
    ],
    [
      'that QEMU does not slow down: a longer pause after many rounds',
      ladderStart,
      busy({ round: 21 }),
      'allow pause',
      'patient',
    ],
    [
      'with a longer pause allowed: given its chance',
      on('patient', 12),
      busy({ round: 14, throttlePercent: 99 }),
      null,
      'patient',
    ],
    [
      'with a longer pause, still not: given up',
      on('patient', 12),
      busy({ round: 16, throttlePercent: 99 }),
      'give up',
      'given up',
    ],
    ['that takes for ever: given up', sending, stats({ elapsedMs: 3_600_000, round: 9 }), 'give up', 'given up'],
    [
      'on a slow line: as long as twenty times everything once',
      sending,
      stats({ elapsedMs: 900_000, sentBytesPerSecond: 2 * mebi }),
      null,
      'plain',
    ],
    ['whose disk is copied: as long as it takes', ladderStart, { ...copying, elapsedMs: 3_600_000 }, null, 'plain'],
    [
      'whose disk was seen to grow a minute ago: waited for',
      { ...ladderStart, sent: { bytes: copying.sentBytes, atMs: 48_000 } },
      copying,
      null,
      'plain',
    ],
    [
      'of whose disk nothing was sent for two minutes: given up',
      { ...ladderStart, sent: { bytes: copying.sentBytes, atMs: 48_000 } },
      { ...copying, elapsedMs: 168_001 },
      'give up',
      'stalled',
    ],
    [
      'of whose memory nothing was sent for two minutes: given up',
      { ...sending, sent: { bytes: 64 * mebi, atMs: 1_000 } },
      stats({ elapsedMs: 121_001, sentBytesPerSecond: 0 }),
      'give up',
      'stalled',
    ],
    ['that stalled: nothing more', on('stalled'), { ...copying, elapsedMs: 3_600_000 }, null, 'stalled'],
    ['that was given up: nothing more', on('given up'), busy({ round: 99 }), null, 'given up'],
    ['in post-copy: nothing more', on('post-copy'), busy({ round: 99, elapsedMs: 3_600_000 }), null, 'post-copy'],
  ])('%s', (_title, ladder, facts, act, rung) => {
    const step = migrationStep(ladder, facts, rules)
    expect([step.act?.do ?? null, step.ladder.rung]).toEqual([act, rung])
  })

  it('with a disk is judged by the time of its memory, from when that began', () => {
    let ladder = ladderStart
    for (let second = 0; second <= 420; second++) {
      const sentBytes = second * 100_000_000
      const step = migrationStep(ladder, { ...copying, elapsedMs: second * 1_000, sentBytes }, rules)
      expect(step.act).toBeNull()
      ladder = step.ladder
    }
    const memory = (elapsedMs: number) => stats({ elapsedMs, round: 2, sentBytes: elapsedMs })
    ladder = migrationStep(ladder, memory(421_000), rules).ladder
    ladder = migrationStep(ladder, memory(540_000), rules).ladder
    expect(ladder.rung).toBe('plain')
    expect(migrationStep(ladder, memory(541_001), rules).ladder.rung).toBe('given up')
  })

  it('goes on there at once instead of being given up, where that is allowed', () => {
    const step = migrationStep(on('patient', 12), busy({ round: 16, throttlePercent: 99 }), { postCopy: true })
    expect(step).toMatchObject({ act: { do: 'post-copy' }, ladder: { rung: 'post-copy' } })
  })

  it('is read from libvirt’s own figures', () => {
    const params = {
      time_elapsed: 1500n,
      memory_iteration: 3n,
      memory_total: 100n,
      disk_total: 50n,
      memory_remaining: 10n,
      disk_remaining: 5n,
      memory_processed: 90n,
      disk_processed: 45n,
      memory_bps: 7n,
      memory_dirty_rate: 2n,
      memory_page_size: 4096n,
      auto_converge_throttle: 20,
    }
    expect(migrationStats(params)).toEqual({
      elapsedMs: 1500,
      round: 3,
      totalBytes: 150,
      remainingBytes: 15,
      memoryBytes: 100,
      sentBytes: 135,
      diskRemainingBytes: 5,
      sentBytesPerSecond: 7,
      dirtiedBytesPerSecond: 8192,
      throttlePercent: 20,
    })
    expect(migrationStats({})).toMatchObject({ round: 0, totalBytes: 0 })
  })

  it('of a guest that never rests always ends, and its bar never goes back, whatever the figures', () => {
    const figures = fc.record({
      totalBytes: fc.integer({ min: 0, max: 2 ** 33 }),
      remainingBytes: fc.integer({ min: 0, max: 2 ** 33 }),
      diskRemainingBytes: fc.integer({ min: 0, max: 2 ** 33 }),
      memoryBytes: fc.integer({ min: 0, max: 2 ** 33 }),
      sentBytes: fc.integer({ min: 0, max: 2 ** 33 }),
      sentBytesPerSecond: fc.integer({ min: 1, max: 2 ** 30 }),
      throttlePercent: fc.integer({ min: 0, max: 99 }),
    })
    fc.assert(
      fc.property(fc.array(figures, { minLength: 1, maxLength: 80 }), fc.boolean(), (rounds, postCopy) => {
        let ladder = ladderStart
        for (let round = 1; round <= 80; round++) {
          const given = rounds[round % rounds.length] as (typeof rounds)[number]
          const facts = {
            ...given,
            round,
            elapsedMs: round * 1_000,
            dirtiedBytesPerSecond: given.sentBytesPerSecond * 2,
          }
          const step = migrationStep(ladder, facts, { postCopy })
          expect(step.ladder.progress).toBeGreaterThanOrEqual(ladder.progress)
          expect(step.ladder.progress).toBeLessThanOrEqual(100)
          ladder = step.ladder
        }
        expect(ladder.rung).toBe(postCopy ? 'post-copy' : 'given up')
      }),
    )
  })
})
