/**
 * When a guest changes its memory faster than it can be sent: what to do next, judged from libvirt's figures of the job
 * (virDomainGetJobStats). Pure; libvirt-moves.ts asks it a few times a second.
 *
 *   plain ──does not get less──▶ throttled (QEMU slows the guest down by itself: auto-converge)
 *         ──still not──▶ patient (a longer pause at the end is allowed) ──still not──▶ post-copy, or given up
 *   any   ──nothing was sent for two minutes──▶ stalled
 *
 * A disk that is copied comes first, in round 0, and takes as long as it takes: only memory is judged by its time.
 */
import type { TypedParams } from './libvirt/objects.ts'

export interface MigrationStats {
  elapsedMs: number
  /** Round of sending memory: 1 sends everything, each later one what changed meanwhile; 0: its disk is on the way. */
  round: number
  totalBytes: number
  remainingBytes: number
  memoryBytes: number
  /** Of memory and disk, since the move began. */
  sentBytes: number
  diskRemainingBytes: number
  /** Of memory: 0 while its disk is copied. */
  sentBytesPerSecond: number
  dirtiedBytesPerSecond: number
  /** How much QEMU slows the guest down; 0: not at all. */
  throttlePercent: number
}

/** Names: VIR_DOMAIN_JOB_* of libvirt-domain.h; what a phase does not have is missing. */
export function migrationStats(params: TypedParams): MigrationStats {
  const number = (name: string) => Number(params[name] ?? 0)
  return {
    elapsedMs: number('time_elapsed'),
    round: number('memory_iteration'),
    totalBytes: number('memory_total') + number('disk_total'),
    remainingBytes: number('memory_remaining') + number('disk_remaining'),
    memoryBytes: number('memory_total'),
    sentBytes: number('memory_processed') + number('disk_processed'),
    diskRemainingBytes: number('disk_remaining'),
    sentBytesPerSecond: number('memory_bps'),
    dirtiedBytesPerSecond: number('memory_dirty_rate') * (number('memory_page_size') || 4096),
    throttlePercent: number('auto_converge_throttle'),
  }
}

export type Rung = 'plain' | 'patient' | 'post-copy' | 'given up' | 'stalled'

export interface Ladder {
  rung: Rung
  /** The round in which this rung was reached. */
  sinceRound: number
  /** Shown so far: a bar that goes back helps nobody. */
  progress: number
  /** When its memory was first seen on the way, in the move's own time; null: not yet. */
  memorySinceMs: number | null
  /** What had been sent when that last changed, and when. */
  sent: { bytes: number; atMs: number } | null
}

export const ladderStart: Ladder = { rung: 'plain', sinceRound: 0, progress: 0, memorySinceMs: null, sent: null }

export type MigrationAct = { do: 'allow pause'; pauseMs: number } | { do: 'post-copy' | 'give up' } | null

export interface MigrationRules {
  /** The guest may go on there before all of its memory came: a broken line then costs its life. */
  postCopy: boolean
}

/** The pause at the end that people do not notice. Lower: busy guests never get over; higher: a hiccup in a video. */
export const firstPauseMs = 100
/** Allowed when nothing else helped: a moment's freeze, instead of a move that fails. */
const lastPauseMs = 1_000
/** Rounds until a rung is judged: QEMU's own figures of a guest are those of the round before. */
const roundsPerRung = 4
/** QEMU slows down in steps up to 99; from here on it was given its chance. */
const throttledEnough = 80
/** Rounds until the ladder is climbed although QEMU does not slow the guest down. */
const patienceRounds = 20
/** Memory that takes so many times what sending it once takes does not get over; and never less than the second. */
const longestFactor = 20
const longestMs = 120_000
/** Shorter: a switch that restarts ends moves that would go on; longer: a dead line holds a turn. */
const stalledMs = 120_000

const isStuck = ({ round, dirtiedBytesPerSecond: dirtied, sentBytesPerSecond: sent }: MigrationStats) =>
  round > roundsPerRung && dirtied * 2 > sent

const isOver = ({ memorySinceMs }: Ladder, { elapsedMs, memoryBytes, sentBytesPerSecond }: MigrationStats) => {
  const onceMs = sentBytesPerSecond > 0 ? (memoryBytes / sentBytesPerSecond) * 1_000 : 0
  return memorySinceMs !== null && elapsedMs - memorySinceMs > Math.max(longestMs, onceMs * longestFactor)
}

const isStalled = ({ sent }: Ladder, { elapsedMs }: MigrationStats) =>
  sent !== null && elapsedMs - sent.atMs > stalledMs

/** What was seen of it, this look included. */
function seen(ladder: Ladder, stats: MigrationStats): Ladder {
  const { elapsedMs, round, sentBytes } = stats
  return {
    ...ladder,
    progress: Math.max(ladder.progress, progressOf(stats)),
    memorySinceMs: ladder.memorySinceMs ?? (round > 0 ? elapsedMs : null),
    sent: ladder.sent?.bytes === sentBytes ? ladder.sent : { bytes: sentBytes, atMs: elapsedMs },
  }
}

export function migrationStep(
  before: Ladder,
  stats: MigrationStats,
  rules: MigrationRules,
): { ladder: Ladder; text: string; act: MigrationAct } {
  const ladder = seen(before, stats)
  const stay = { ladder, text: textOf(ladder.rung, stats), act: null }
  const climb = (rung: Rung, act: MigrationAct) => ({
    ladder: { ...ladder, rung, sinceRound: stats.round },
    text: textOf(rung, stats),
    act,
  })
  const tried = stats.round - ladder.sinceRound
  const end = () => (rules.postCopy ? climb('post-copy', { do: 'post-copy' }) : climb('given up', { do: 'give up' }))
  if (endings.includes(ladder.rung)) return stay
  if (isStalled(ladder, stats)) return climb('stalled', { do: 'give up' })
  if (isOver(ladder, stats)) return end()
  if (!isStuck(stats)) return stay
  const spent = stats.throttlePercent >= throttledEnough ? tried >= roundsPerRung : tried >= patienceRounds
  if (!spent) return stay
  return ladder.rung === 'plain' ? climb('patient', { do: 'allow pause', pauseMs: lastPauseMs }) : end()
}

const endings: readonly Rung[] = ['post-copy', 'given up', 'stalled']

/** The first round is nine tenths of the way; what changed meanwhile shares the rest. */
function progressOf({ round, totalBytes, remainingBytes }: MigrationStats): number {
  if (totalBytes <= 0) return 0
  const sent = 1 - Math.min(1, remainingBytes / totalBytes)
  return Math.floor(round <= 1 ? sent * 90 : 90 + sent * 9)
}

function textOf(rung: Rung, stats: MigrationStats): string {
  if (rung === 'post-copy') return 'it runs there, the rest of its memory follows'
  if (rung === 'given up' || rung === 'stalled') return 'giving up'
  if (stats.throttlePercent > 0) return `slowing the guest down by ${stats.throttlePercent} %`
  if (stats.diskRemainingBytes > 0) return 'sending its disk'
  return stats.round > 1 ? `sending what changed meanwhile, round ${stats.round}` : 'sending its memory'
}
