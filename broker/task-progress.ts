/**
 * A task is a receipt: how far it is follows from the state of its subject, so no program ever has to remember to
 * finish it. Pure.
 */
import type { Phase, TaskState, TaskStep, TroubleValue } from '../db/schema.ts'

export interface TaskOutcome {
  state: TaskState
  progress: number
  steps: TaskStep[]
  error: TroubleValue | null
}

export interface DesktopForTask {
  phase: Phase
  userId: string | null
  observedStep: string | null
  queuePlace: number | null
  incarnation: { wished: number; observed: number | null }
  trouble: TroubleValue | null
}

const startSteps = ['disk', 'queue', 'start', 'boot', 'ready'] as const

/** Which of the start steps is the current one, by what the agent says it is at. */
const currentStep = {
  'making disk': 0,
  queued: 1,
  starting: 2,
  booting: 3,
} as const satisfies Record<string, number>

const steps = (current: number, text?: string): TaskStep[] =>
  startSteps.map((name, index) => ({
    name,
    state: index < current ? 'done' : index === current ? 'current' : 'waiting',
    ...(index === current && text !== undefined && { text }),
  }))

const done = (finished: TaskStep[] = []): TaskOutcome => ({
  state: 'succeeded',
  progress: 100,
  steps: finished,
  error: null,
})
const failed = (error: TroubleValue): TaskOutcome => ({ state: 'failed', progress: 100, steps: [], error })
const going = (progress: number, at: TaskStep[] = []): TaskOutcome => ({
  state: 'running',
  progress,
  steps: at,
  error: null,
})
const vanished = failed({ code: 'not_found', text: 'It was removed meanwhile.' })

/** Waits for a desktop to become ready: claims and starts. */
function starting(desktop: DesktopForTask): TaskOutcome {
  if (desktop.phase === 'ready') return done(steps(startSteps.length))
  if (desktop.phase === 'failed') return failed(desktop.trouble ?? { code: 'start_failed', text: 'The start failed.' })
  const at = currentStep[desktop.observedStep as keyof typeof currentStep] ?? (desktop.phase === 'making' ? 0 : 1)
  const text = at === 1 && desktop.queuePlace !== null ? `${desktop.queuePlace}` : undefined
  return going([5, 15, 30, 50][at] ?? 90, steps(at, text))
}

type Rule = (desktop: DesktopForTask | undefined, goal: Record<string, unknown>) => TaskOutcome

const until =
  (phases: readonly Phase[]): Rule =>
  desktop =>
    !desktop
      ? vanished
      : phases.includes(desktop.phase)
        ? done()
        : desktop.phase === 'failed'
          ? failed(desktop.trouble ?? { code: 'internal', text: 'It failed.' })
          : going(50)

/** What each kind of task about a desktop waits for. */
export const desktopTaskRules = {
  'desktop.claim': (desktop, goal) => {
    if (!desktop) return vanished
    if (desktop.userId !== goal.userId)
      return failed(
        desktop.trouble ?? {
          code: 'start_failed',
          text: 'The desktop could not be started; it was taken back. Try again.',
        },
      )
    return starting(desktop)
  },
  'desktop.start': desktop => (desktop ? starting(desktop) : vanished),
  'desktop.resume': until(['ready']),
  'desktop.suspend': until(['paused']),
  'desktop.shutdown': until(['stopped', 'recycling', 'removing']),
  'desktop.poweroff': until(['stopped', 'recycling', 'removing']),
  'desktop.release': (desktop, goal) => {
    if (!desktop) return done()
    if (goal.incarnation === undefined) return until(['stopped'])(desktop, goal)
    const remade = desktop.incarnation.observed !== null && desktop.incarnation.observed >= Number(goal.incarnation)
    return remade
      ? done()
      : desktop.phase === 'failed'
        ? failed(desktop.trouble ?? { code: 'internal', text: 'It could not be remade.' })
        : going(50)
  },
  'desktop.delete': desktop => (desktop ? going(50) : done()),
} satisfies Record<string, Rule>

/** A version that is being built, fetched, converted and sealed. */
export function versionTask(
  version:
    | {
        state: 'uploading' | 'making' | 'sealed' | 'failed'
        progress: number
        text: string
        trouble: TroubleValue | null
        attempt: number
      }
    | undefined,
  goal: Record<string, unknown>,
): TaskOutcome {
  if (!version) return vanished
  if (version.state === 'sealed') return done()
  if (version.state === 'failed' && version.attempt >= Number(goal.attempt ?? 1))
    return failed(version.trouble ?? { code: 'internal', text: 'The image could not be made.' })
  const name = version.state === 'uploading' ? 'upload' : 'make'
  return going(version.progress, [{ name, state: 'current', text: version.text }])
}
