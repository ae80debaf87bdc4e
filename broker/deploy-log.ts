/** One log of how a desktop came to its person: the steps of its task and what its scripts wrote, in the order of time. Pure. */
import type { SetupRunRow } from '../db/customisation.ts'
import type { TaskStep } from '../db/schema.ts'

export interface LogLine {
  at: Date
  text: string
}

/** A step that has begun, and how long it took; scripts by their name, all tries of one together. */
export interface DeployStep {
  name: string
  state: 'running' | 'done' | 'failed'
  ms: number
  /** Of a script's last try; null where there is none. */
  exitCode: number | null
  attempts: number
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
const endOf = ({ started_at, ms }: SetupRunRow) => new Date(started_at.getTime() + ms)

/** A script's begin, what it wrote, and its end. @param output whether that is told: it may name what its person should not see. */
function linesOf(run: SetupRunRow, output: boolean): LogLine[] {
  const name = run.attempt === 1 ? run.step : `${run.step}, try ${run.attempt}`
  const words = output ? run.output.trimEnd().split('\n').filter(Boolean) : []
  const ended = run.text || `ended with exit code ${run.exit_code}`
  const at = endOf(run)
  return [
    { at: run.started_at, text: `${name}: begins` },
    ...words.map(text => ({ at, text: `${run.step} | ${text}` })),
    ...(run.state === 'running' ? [] : [{ at, text: `${name}: ${ended} after ${seconds(run.ms)}` }]),
  ]
}

/** Lines of one moment keep their order. */
export const logMerged = (lines: LogLine[], runs: SetupRunRow[], output: boolean): LogLine[] =>
  [...lines, ...runs.flatMap(run => linesOf(run, output))].toSorted((a, b) => a.at.getTime() - b.at.getTime())

/** What took how long, first what began first. @param endedAt of the task, or now. */
export function deploySteps(
  task: { steps: readonly TaskStep[]; failed: boolean; endedAt: Date },
  lines: readonly LogLine[],
  runs: readonly SetupRunRow[],
): DeployStep[] {
  const names = task.steps.map(({ name }) => name)
  const nameOf = ({ text }: LogLine) => names.find(name => text === name || text.startsWith(`${name}: `))
  const begun = lines.flatMap(line => ({ name: nameOf(line), at: line.at }))
  const changes = begun.filter(({ name }, at) => name !== undefined && name !== begun[at - 1]?.name)
  const steps = changes.flatMap(({ name = '', at }, index) => {
    // Its scripts are told one by one.
    if (name === 'customise') return []
    const next = changes[index + 1]
    // Of two processes that wrote at the same moment, the later line may bear the earlier time.
    const ms = Math.max(0, (next?.at ?? task.endedAt).getTime() - at.getTime())
    const state = next ? 'done' : task.failed ? 'failed' : (stateNow(task.steps, name) ?? 'done')
    return [{ name, state, ms, exitCode: null, attempts: 1 } satisfies DeployStep]
  })
  return [...steps, ...scriptSteps(runs)]
}

/** All tries of a script together. */
export const scriptSteps = (runs: readonly SetupRunRow[]): DeployStep[] =>
  [...Map.groupBy(runs, ({ step }) => step)].map(([name, tries]) => {
    const last = tries.at(-1)
    const ms = tries.reduce((sum, run) => sum + run.ms, 0)
    return { name, state: last?.state ?? 'running', ms, exitCode: last?.exit_code ?? null, attempts: tries.length }
  })

const stateNow = (steps: readonly TaskStep[], name: string) =>
  steps.find(step => step.name === name)?.state === 'current' ? ('running' as const) : undefined
