/**
 * A task is a receipt: how far it is follows from the state of its subject, so no program ever has to remember to
 * finish it. Pure.
 */
import type { HostState, Phase, Power, SavedValue, TaskState, TaskStep, TroubleValue } from '../db/schema.ts'
import type { SetupObserved } from '../db/schema-customisation.ts'
import type { MigrationState } from '../db/schema-hosts.ts'
import type { ReceiptOpen, TaskSettled } from '../db/tasks.ts'
import { counted } from '../lib/counted.ts'
import type { CopyOutcome } from './copies.ts'
import { isCustomising, phaseNow, setupDone, setupNow, setupText } from './setup.ts'

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
  work?: { progress: number; text: string } | null
  incarnation: { wished: number; observed: number | null }
  trouble: TroubleValue | null
  saved: { wished: boolean; observed: SavedValue | null }
  power: Power
  /** On its way to another host, or about to be: what stands still and shall start is only wished to run once it is there. */
  moving: boolean
  /** Its guest is customised before its person gets it, and how that stands; null: it is not. */
  setup: { pending: boolean; booted: boolean; text: string | undefined } | null
}

const startSteps = ['disk', 'queue', 'start', 'boot', 'ready'] as const

/** Which of the start steps is the current one, by what the agent says it is at. */
const currentStep = {
  'making disk': 0,
  queued: 1,
  starting: 2,
  booting: 3,
} as const satisfies Record<string, number>

const customisedSteps: readonly string[] = [...startSteps.slice(0, -1), 'customise', 'ready']

const steps = (names: readonly string[], current: number, text?: string): TaskStep[] =>
  names.map((name, index) => ({
    name,
    state: index < current ? 'done' : index === current ? 'current' : 'waiting',
    ...(index === current && text !== undefined && { text }),
  }))

export const done = (finished: TaskStep[] = []): TaskOutcome => ({
  state: 'succeeded',
  progress: 100,
  steps: finished,
  error: null,
})
export const failed = (error: TroubleValue): TaskOutcome => ({ state: 'failed', progress: 100, steps: [], error })
export const going = (progress: number, at: TaskStep[] = []): TaskOutcome => ({
  state: 'running',
  progress,
  steps: at,
  error: null,
})
export const vanished = failed({ code: 'not_found', text: 'It was removed meanwhile.' })

const shall = { running: 'run', paused: 'be suspended', stopped: 'stand still' } satisfies Record<Power, string>

/** Somebody, or its pool, wished something else since: what was asked for never comes. Undefined: it is still wished. */
function overtaken(desktop: DesktopForTask, asked: Power): TaskOutcome | undefined {
  if (desktop.power === asked || (asked === 'running' && desktop.moving)) return
  const text = `It was asked for something else meanwhile: it shall ${shall[desktop.power]} now.`
  return failed({ code: 'cancelled', text })
}

/** Waits for a desktop to become ready: claims and starts. */
function starting(desktop: DesktopForTask): TaskOutcome {
  const { setup } = desktop
  const names = setup ? customisedSteps : startSteps
  if (desktop.phase === 'ready') return done(steps(names, names.length))
  if (desktop.phase === 'failed') return failed(desktop.trouble ?? { code: 'start_failed', text: 'The start failed.' })
  const other = overtaken(desktop, 'running')
  if (other) return other
  if (setup?.pending && setup.booted) return going(70, steps(names, names.indexOf('customise'), setup.text))
  const at = currentStep[desktop.observedStep as keyof typeof currentStep] ?? (desktop.phase === 'making' ? 0 : 1)
  const place = at === 1 && desktop.queuePlace !== null ? `${desktop.queuePlace}` : undefined
  const text = desktop.trouble?.code === 'disk_in_use' ? 'waits until its old server is surely off' : place
  return going([5, 15, 30, 50][at] ?? 90, steps(names, at, text))
}

/** A claim whose start failed. */
export const undone = (trouble: TroubleValue | null) =>
  failed(trouble ?? { code: 'start_failed', text: 'The desktop could not be started; it was taken back. Try again.' })

const savingStep: TaskStep = { name: 'save', state: 'current' }

/** One that failed is told with its going on (desktop-state.ts). */
function saving(desktop: DesktopForTask | undefined): TaskOutcome {
  if (!desktop) return vanished
  const { wished, observed } = desktop.saved
  if (!wished) return failed({ code: 'cancelled', text: 'It was asked for something else meanwhile.' })
  if (desktop.phase === 'failed') return failed(desktop.trouble ?? { code: 'internal', text: 'It failed.' })
  // Not before it stands: until then it cannot be started again.
  if (observed?.state === 'saved') return desktop.phase === 'stopped' ? done() : going(99, [savingStep])
  // Agents of before tell of its end while it is still being saved.
  if (desktop.phase === 'stopped' && observed?.state !== 'saving')
    return failed({ code: 'conflict', text: 'It ended before its memory was saved.' })
  return going(observed?.state === 'saving' ? observed.progress : 1, [savingStep])
}

type Rule = (desktop: DesktopForTask | undefined, goal: Record<string, unknown>) => TaskOutcome

/** @param asked the power that was wished with it; null: none was. */
const until =
  (phases: readonly Phase[], asked: Power | null = null): Rule =>
  desktop =>
    !desktop
      ? vanished
      : phases.includes(desktop.phase)
        ? done()
        : desktop.phase === 'failed'
          ? failed(desktop.trouble ?? { code: 'internal', text: 'It failed.' })
          : ((asked && overtaken(desktop, asked)) ?? going(50))

/** Its disk is being copied, or waits for its turn. The receipt of one that finds no room ends: it is tried again later. */
function copying({ work, trouble }: DesktopForTask): TaskOutcome {
  if (trouble) return failed(trouble)
  const { progress = 0, text } = work ?? {}
  return going(Math.max(1, Math.min(99, progress)), [{ name: 'copy', state: 'current', ...(text && { text }) }])
}

/** Over when the copy of its disk is whole. */
const copied: Rule = (desktop, goal) =>
  desktop?.phase === 'making' ? copying(desktop) : until(['stopped', 'starting', 'ready'])(desktop, goal)

/** What each kind of task about a desktop waits for. */
const desktopTaskRules = {
  'desktop.claim': (desktop, goal) => {
    if (!desktop) return vanished
    return desktop.userId === goal.userId ? starting(desktop) : undone(desktop.trouble)
  },
  'desktop.adopt': copied,
  'desktop.start': desktop => (desktop ? starting(desktop) : vanished),
  'desktop.customise': desktop => (desktop ? starting(desktop) : vanished),
  'desktop.resume': until(['ready'], 'running'),
  'desktop.suspend': until(['paused'], 'paused'),
  'desktop.save': saving,
  'desktop.shutdown': until(['stopped', 'recycling', 'removing'], 'stopped'),
  'desktop.poweroff': until(['stopped', 'recycling', 'removing'], 'stopped'),
  'desktop.release': (desktop, goal) => {
    if (!desktop) return done()
    if (goal.incarnation === undefined) return until(['stopped'], 'stopped')(desktop, goal)
    const remade = desktop.incarnation.observed !== null && desktop.incarnation.observed >= Number(goal.incarnation)
    return remade
      ? done()
      : desktop.phase === 'failed'
        ? failed(desktop.trouble ?? { code: 'internal', text: 'It could not be remade.' })
        : going(50)
  },
  'desktop.delete': (desktop, goal) =>
    !desktop ? done() : goal.binned === true ? until(['stopped', 'failed', 'unknown'])(desktop, goal) : going(50),
  'desktop.purge': desktop => (desktop ? going(50) : done()),
  'desktop.clone': copied,
  // Ended with what their host says (db/snapshots.ts).
  'desktop.snapshot': desktop => (desktop ? going(50) : vanished),
  'desktop.snapshotRemove': desktop => (desktop ? going(50) : vanished),
  'desktop.revert': desktop => (desktop ? going(50) : vanished),
} satisfies Record<string, Rule>

/** What a receipt about a desktop has become; undefined for kinds that wait for something else than the desktop. */
export function desktopTask(task: ReceiptOpen, desktop: DesktopForTask | undefined): TaskOutcome | undefined {
  const rule = desktopTaskRules[task.kind as keyof typeof desktopTaskRules]
  return rule?.(desktop, task.goal)
}

export const desktopForTask = (row: {
  phase: Phase
  user_id: string | null
  observed_step: string | null
  observed_queue_place: number | null
  observed_work: { progress: number; text: string } | null
  wished_incarnation: number
  observed_incarnation: number | null
  observed_trouble: TroubleValue | null
  wished_saved: boolean
  observed_memory: SavedValue | null
  wished_power: Power
  /** Of its open move; null: there is none. */
  move_id: string | null
  observed_ready: boolean
  wished_setup: string | null
  wished_setup_try: number
  setup_done: string | null
  observed_setup: SetupObserved | null
}): DesktopForTask => ({
  phase: phaseNow(row),
  userId: row.user_id,
  observedStep: row.observed_step,
  queuePlace: row.observed_queue_place,
  work: row.observed_work,
  incarnation: { wished: row.wished_incarnation, observed: row.observed_incarnation },
  trouble: row.observed_trouble,
  saved: { wished: row.wished_saved, observed: row.observed_memory },
  power: row.wished_power,
  moving: row.move_id !== null,
  setup:
    row.wished_setup === null
      ? null
      : {
          pending: isCustomising(row.wished_setup, setupDone(row)),
          booted: row.observed_ready,
          text: setupText(setupNow(row)),
        },
})

/** What is to be written of it: nothing when it stands as it stood. */
export function taskSettled(task: ReceiptOpen, become: TaskOutcome | undefined, now: Date): TaskSettled[] {
  if (!become) return []
  const outcome = { ...become, steps: stepsOf(task, become) }
  if (isSame(task, outcome)) return []
  const finished_at = outcome.state === 'running' ? null : now
  return [{ ...outcome, id: task.id, finished_at, line: logLine(task, outcome) ?? null }]
}

/** To its end a receipt keeps what it went through. What says nothing of its steps has one, named as what was asked. */
function stepsOf({ kind, steps }: ReceiptOpen, become: TaskOutcome): TaskStep[] {
  if (become.steps.length > 0) return become.steps
  const only: TaskStep[] = [{ name: kind.slice(kind.indexOf('.') + 1), state: 'current' }]
  const kept = steps.length > 0 ? steps : only
  return become.state === 'succeeded' ? kept.map(step => ({ ...step, state: 'done' })) : kept
}

const isSame = (task: ReceiptOpen, outcome: TaskOutcome) =>
  outcome.state === task.state &&
  outcome.progress === task.progress &&
  outcome.steps.length === task.steps.length &&
  outcome.steps.every(({ name, state, text }, at) => {
    const was = task.steps[at]
    return was?.name === name && was.state === state && was.text === text
  })

/** What changed since the last look, as a line of the task's log; undefined when only the percent did. */
function logLine(task: ReceiptOpen, outcome: TaskOutcome): string | undefined {
  if (outcome.state === 'succeeded') return 'done'
  if (outcome.error) return `${outcome.state}: ${outcome.error.text}`
  const current = (steps: readonly TaskStep[]) => steps.find(step => step.state === 'current')
  const [was, is] = [current(task.steps), current(outcome.steps)]
  if (!is || (was?.name === is.name && was.text === is.text)) return
  return is.text === undefined ? is.name : `${is.name}: ${is.text}`
}

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
  return going(version.progress, [{ name, state: 'current', ...(version.text && { text: version.text }) }])
}

/** A version on its way to another cluster. */
export function copyTask(
  copy: (CopyOutcome & { wished_attempt: number }) | undefined,
  goal: Record<string, unknown>,
): TaskOutcome {
  if (!copy || copy.wished_attempt > Number(goal.attempt ?? 1)) return vanished
  if (copy.state === 'ready') return done()
  if (copy.state === 'failed') return failed(copy.trouble ?? { code: 'internal', text: 'It could not be copied.' })
  return going(copy.progress, [{ name: 'copy', state: 'current', ...(copy.text && { text: copy.text }) }])
}

/** A version that becomes a file. */
export function exportTask(
  file:
    | { state: 'making' | 'ready' | 'failed'; progress: number; text: string; trouble: TroubleValue | null }
    | undefined,
): TaskOutcome {
  if (!file) return vanished
  if (file.state === 'ready') return done()
  if (file.state === 'failed') return failed(file.trouble ?? { code: 'internal', text: 'The file could not be made.' })
  return going(file.progress, [{ name: 'export', state: 'current', ...(file.text && { text: file.text }) }])
}

/** A desktop on its way to another host. */
export function moveTask(
  move: { state: MigrationState; progress: number; text: string; trouble: TroubleValue | null } | undefined,
): TaskOutcome {
  if (!move) return vanished
  const { state, progress, text, trouble } = move
  if (state === 'done') return done(moveSteps(moveStepNames.length))
  if (state === 'failed') return failed(trouble ?? { code: 'internal', text: 'The move failed.' })
  if (state === 'cancelled')
    return { state: 'cancelled', progress: 100, steps: [], error: trouble ?? { code: 'cancelled', text } }
  const at = moveStepNames.indexOf(state)
  // Waiting and getting ready are quick beside the sending.
  return going([1, 5, 10 + Math.floor(progress * 0.89)][at] ?? 1, moveSteps(at, text))
}

const moveStepNames = ['queued', 'preparing', 'moving'] as const
const moveSteps = (current: number, text?: string): TaskStep[] =>
  moveStepNames.map((name, index) => ({
    name,
    state: index < current ? 'done' : index === current ? 'current' : 'waiting',
    ...(index === current && text && { text }),
  }))

/** Those of many that were not asked for yet (db/bulk.ts). */
export function bulkAsking({ asking }: Record<string, unknown>): string[] {
  const ids: unknown = typeof asking === 'object' && asking !== null && 'ids' in asking ? asking.ids : []
  return Array.isArray(ids) ? ids.map(String) : []
}

/** Many receipts in one. @param left of those that were not refused, which still stand open; and which did not come about. */
export function bulkTask(
  goal: Record<string, unknown>,
  { left, failed: broken }: { left: number; failed: number },
): TaskOutcome {
  const asked = Array.isArray(goal.tasks) ? goal.tasks.length : 0
  const refused = Number(goal.refused)
  const asking = bulkAsking(goal).length
  const text = `${asked - left - broken} done, ${broken} failed, ${refused} refused of ${asked + refused + asking}`
  if (left + asking > 0) {
    const progress = Math.max(1, Math.round((100 * (asked - left)) / (asked + asking)))
    return going(progress, [{ name: 'many', state: 'current', text }])
  }
  return broken + refused === 0
    ? done()
    : failed({
        code: 'conflict',
        text: `${text}. Its log says why those were refused, the receipts of the others why they failed.`,
      })
}

export interface MaintenanceForTask {
  state: HostState
  wished: 'online' | 'maintenance'
  /** Desktops that are on it; desktops that shall come back to it. */
  desktops: number
  away: number
  /** How its evacuation stands, in words; empty when nothing leaves. */
  text: string
}

/** What each kind of task about a host's maintenance waits for. */
export const maintenanceTaskRules = {
  'host.enterMaintenance': (host, goal) => {
    if (!host) return vanished
    if (host.wished !== 'maintenance') return endedMeanwhile
    if (host.state !== 'maintenance') return going(1, [{ name: 'close', state: 'current', text: stillText(host) }])
    if (goal.evacuate !== true) return done()
    const closed: TaskStep = { name: 'close', state: 'done' }
    if (host.desktops === 0) return done([closed, { name: 'evacuate', state: 'done' }])
    return going(share(host.desktops, goal), [closed, { name: 'evacuate', state: 'current', text: host.text }])
  },
  'host.leaveMaintenance': (host, goal) => {
    if (!host) return vanished
    if (host.wished !== 'online') return endedMeanwhile
    if (host.state !== 'online') return going(1, [{ name: 'open', state: 'current', text: stillText(host) }])
    const opened: TaskStep = { name: 'open', state: 'done' }
    if (host.away === 0)
      return done(goal.bringBack === true ? [opened, { name: 'bringBack', state: 'done' }] : [opened])
    const text = `${counted(host.away, 'is', 'are')} still to come`
    return going(share(host.away, goal), [opened, { name: 'bringBack', state: 'current', text }])
  },
} satisfies Record<string, (host: MaintenanceForTask | undefined, goal: Record<string, unknown>) => TaskOutcome>

const stillText = ({ state }: MaintenanceForTask) => `it is still ${state === 'maintenance' ? 'in maintenance' : state}`
const endedMeanwhile = failed({ code: 'cancelled', text: 'The host’s maintenance was changed meanwhile.' })
const share = (left: number, { total }: Record<string, unknown>) =>
  Math.max(2, Math.min(99, Math.round(100 * (1 - left / Math.max(1, Number(total) || left)))))
