/**
 * How a desktop was made and customised, life by life of its disk, whether anybody waited for it or not: its changes of
 * state and what its scripts wrote, in the order of time, with a summary of what took how long.
 */
import type { Principal } from '../auth/principal.ts'
import { type SetupRunRow, setupRuns } from '../db/customisation.ts'
import { transitionsOf } from '../db/desktops.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Broker } from './broker.ts'
import { type DeployStep, type LogLine, logMerged, scriptSteps } from './deploy-log.ts'
import { desktopGet } from './desktops.ts'

export interface LifeChange {
  at: Date
  became: string
  reason: string
  user_name: string | null
  /** Null: noted before lives were. */
  life: number | null
}

export interface Life {
  life: number
  from: Date
  /** When the next one began; null: it is the one of now. */
  to: Date | null
  /** `ended`: never ready, and over. */
  state: 'running' | 'ready' | 'failed' | 'ended'
  /** Until it was ready, or as long as it is not. */
  ms: number
  /** Whose it was, last; null: nobody's. */
  userName: string | null
  steps: DeployStep[]
  lines: LogLine[]
}

/** Of a life what is looked at: older changes of one that is used for months tell nothing of how it was made. */
const mostChanges = 1_000

/** Phases that take time on the way to `ready`. */
const ways = ['making', 'recycling', 'stopped', 'starting', 'stopping', 'paused', 'unknown']

/** Newest first. @param changes oldest first. Pure. */
export function livesOf(changes: readonly LifeChange[], runs: readonly SetupRunRow[], now: Date): Life[] {
  const groups = [...Map.groupBy(changes, ({ life }) => life ?? 0)].toSorted(([a], [b]) => a - b)
  return groups
    .map(([life, own], index): Life => {
      const from = own[0]?.at ?? now
      const to = groups[index + 1]?.[1][0]?.at ?? null
      return lifeOf(life, own, runsIn(runs, life, from, to), { from, to, now })
    })
    .toReversed()
}

function lifeOf(
  life: number,
  changes: readonly LifeChange[],
  runs: SetupRunRow[],
  { from, to, now }: { from: Date; to: Date | null; now: Date },
): Life {
  const readyAt = changes.findIndex(({ became }) => became === 'ready')
  const way = readyAt < 0 ? changes : changes.slice(0, readyAt)
  const end = changes[readyAt]?.at ?? to ?? now
  const last = changes.findLast(({ became }) => [...ways, 'ready', 'failed'].includes(became))?.became
  const state = last === 'failed' ? 'failed' : readyAt >= 0 ? 'ready' : to ? 'ended' : 'running'
  const lines = changes.map(({ at, became, reason, user_name }) => ({
    at,
    text: `${became}${user_name === null ? '' : ` (${user_name})`}: ${reason}`,
  }))
  return {
    life,
    from,
    to,
    state,
    ms: end.getTime() - from.getTime(),
    userName: changes.findLast(({ user_name }) => user_name !== null)?.user_name ?? null,
    steps: [...waySteps(way, runs, end, state === 'running'), ...scriptSteps(runs)],
    lines: logMerged(lines, runs, true),
  }
}

/** Each phase with its time, less that of the scripts in it, which are told one by one. */
function waySteps(way: readonly LifeChange[], runs: readonly SetupRunRow[], end: Date, goesOn: boolean): DeployStep[] {
  const phases = way.filter(({ became }) => ways.includes(became) || became === 'failed')
  return phases.flatMap(({ became, at }, index) => {
    if (became === 'failed') return []
    const next = phases[index + 1]
    const until = next?.at ?? end
    const inside = runs.filter(run => run.started_at >= at && run.started_at < until)
    const scripts = inside.reduce((sum, { ms }) => sum + ms, 0)
    const ms = Math.max(0, until.getTime() - at.getTime() - scripts)
    const state = next?.became === 'failed' ? 'failed' : !next && goesOn ? 'running' : 'done'
    return [{ name: became, state, ms, exitCode: null, attempts: 1 } satisfies DeployStep]
  })
}

/** Of a life by their id (setup.ts); what was tried by hand, by its time. */
const runsIn = (runs: readonly SetupRunRow[], life: number, from: Date, to: Date | null) =>
  runs.filter(({ step, step_id, started_at }) =>
    step === 'trial'
      ? started_at >= from && (to === null || started_at < to)
      : /^[a-z]+-(\d+)-/i.exec(step_id)?.[1] === String(life),
  )

/** @throws HdcsError `not_found`: no such desktop, or nothing is known of such a life. */
export async function desktopLog(broker: Broker, principal: Principal, id: string, asked: number | undefined) {
  await desktopGet(broker, principal, id)
  const changes = (await transitionsOf(broker.db, id, mostChanges)).toReversed()
  const lives = livesOf(changes, await setupRuns(broker.db, { desktopId: id }), broker.clock.now())
  const shown = asked === undefined ? lives[0] : lives.find(({ life }) => life === asked)
  if (!shown && asked !== undefined)
    throw new HdcsError('not_found', `Nothing is known of a life ${asked} of this desktop.`)
  return {
    lives: lives.map(({ steps: _steps, lines: _lines, from, to, ...life }) => ({
      ...life,
      from: from.toISOString(),
      to: to?.toISOString() ?? null,
    })),
    life: shown?.life ?? null,
    steps: shown?.steps ?? [],
    items: (shown?.lines ?? []).map(({ at, text }) => ({ at: at.toISOString(), text })),
  }
}
