import type { Permission } from '../auth/policy.ts'
import type { Principal } from '../auth/principal.ts'
import { bulkDrop } from '../db/bulk.ts'
import type { Tx } from '../db/connect.ts'
import { setupRuns } from '../db/customisation.ts'
import { desktopLock } from '../db/desktops.ts'
import { nudge } from '../db/events.ts'
import { migrationRows, migrationsCancel } from '../db/migrations.ts'
import type { TaskState, TaskStep } from '../db/schema.ts'
import {
  type TaskNew,
  type TaskRow,
  taskInsert,
  taskKinds,
  taskLogAdd,
  taskLogRows,
  taskRows,
  taskSet,
} from '../db/tasks.ts'
import { transact } from '../db/transact.ts'
import { pause } from '../lib/clock.ts'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { deploySteps, logMerged } from './deploy-log.ts'
import { taskEstimate } from './estimates.ts'
import { pageOf } from './pages.ts'
import { takeBacks } from './taking-back.ts'
import { type TakesBack, takesBackWords } from './taking-back-words.ts'
import { troubleFor } from './trouble-words.ts'

export interface TaskView {
  id: string
  kind: string
  state: TaskState
  progress: number
  steps: TaskRow['steps']
  error: TaskRow['error']
  subject: { type: string; id: string; name: string }
  startAt: string | null
  createdAt: string
  finishedAt: string | null
  estimateMs: number | null
  requestedBy: string | null
  requestedById: string | null
  /** What it wants to reach, as far as one value says it; nothing for those who may not read machines. */
  goal: Record<string, string | number | boolean>
  cancellable: boolean
  /** What cancelling it takes back; null: it cannot be cancelled. */
  takesBack: TakesBack | null
}

/** Ends with its move, by what both hosts say. */
export const moveKind = 'desktop.migrate'
/** Many receipts in one. */
export const bulkKind = 'desktop.many'

const iso = (date: Date | null) => date?.toISOString() ?? null
const open = (state: TaskState) => state === 'queued' || state === 'running'

/** Kinds that can still be taken back: the rest is over before anybody could. */
const takenBack = ({ kind, goal }: Pick<TaskRow, 'kind' | 'goal'>) =>
  kind === bulkKind ? `desktop.${goal.action}` in takeBacks : kind === moveKind || kind in takeBacks

/** Once it succeeded, what the last look found under way is done, and what was said of that is past. */
const stepDone = (step: TaskStep): TaskStep => (step.state === 'done' ? step : { name: step.name, state: 'done' })

function taskView(row: TaskRow, estimateMs: number | null): TaskView {
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    progress: row.progress,
    steps: row.state === 'succeeded' ? row.steps.map(stepDone) : row.steps,
    error: row.error,
    subject: { type: row.subject_type, id: row.subject_id, name: row.subject_name },
    startAt: iso(row.start_at),
    createdAt: row.created_at.toISOString(),
    finishedAt: iso(row.finished_at),
    estimateMs,
    requestedBy: row.requested_by_name,
    requestedById: row.requested_by,
    goal: {},
    cancellable: open(row.state) && takenBack(row),
    takesBack: null,
  }
}

/** Only plain values: what else a goal holds (scripts, many ids) is for those who carry it out. */
const goalShown = (goal: TaskRow['goal']): TaskView['goal'] =>
  Object.fromEntries(
    Object.entries(goal).flatMap(([name, value]) =>
      typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? [[name, value]] : [],
    ),
  )

export interface TaskAsk {
  kind: string
  subject: { type: string; id: string; name: string }
  requestedBy: Principal | null
  goal?: Record<string, unknown>
  /** Already done: the receipt is written as such. */
  done?: boolean
  /** Not before: it waits for its time. */
  startAt?: Date | undefined
  /** db/tasks.ts */
  followed?: boolean
  id?: string
}

/** Opens a receipt in the caller's transaction. */
export async function taskOpen(tx: Tx, ask: TaskAsk, now: Date): Promise<TaskView> {
  const { row, view } = taskNew(ask, now)
  await taskInsert(tx, row)
  return view
}

/** A receipt as it is written, and as it is shown. Pure. */
export function taskNew(ask: TaskAsk, now: Date): { row: TaskNew; view: TaskView } {
  const row = {
    id: ask.id ?? newId(now.getTime()),
    kind: ask.kind,
    state: ask.done ? ('succeeded' as const) : ask.startAt ? ('queued' as const) : ('running' as const),
    start_at: ask.startAt ?? null,
    subject_type: ask.subject.type,
    subject_id: ask.subject.id,
    subject_name: ask.subject.name,
    goal: ask.goal ?? {},
    requested_by: ask.requestedBy?.userId ?? null,
    created_at: now,
    finished_at: ask.done ? now : null,
    progress: ask.done ? 100 : 0,
    followed: ask.followed ?? false,
  }
  const shown = { ...row, steps: [], error: null, requested_by_name: ask.requestedBy?.name ?? null }
  return { row, view: taskView(shown, null) }
}

/** Who may change a thing may also call off what is done to it; all others of the host's administrators. */
const cancelPermissions: Record<string, Permission> = {
  desktop: 'desktop.write',
  desktops: 'desktop.write',
  pool: 'pool.write',
  template: 'template.write',
}

export function taskShown(principal: Principal, row: TaskRow, estimateMs: number | null): TaskView {
  const view = taskView(row, estimateMs)
  const permission = cancelPermissions[row.subject_type] ?? 'host.write'
  const mine = row.requested_by === principal.userId || principal.permissions.has(permission)
  const error = row.subject_type === 'desktop' ? troubleFor(principal, view.error) : view.error
  const cancellable = view.cancellable && mine
  return {
    ...view,
    error,
    goal: principal.permissions.has('task.read') ? goalShown(row.goal) : {},
    cancellable,
    takesBack: cancellable ? (takesBackWords[row.kind] ?? null) : null,
  }
}

/** Open: not ended. Ended: however. */
export type TaskStateAsked = TaskState | 'open' | 'ended'
const statesOf = (asked: TaskStateAsked): readonly TaskState[] =>
  asked === 'open' ? ['queued', 'running'] : asked === 'ended' ? ['succeeded', 'failed', 'cancelled'] : [asked]

export async function taskList(
  broker: Broker,
  principal: Principal,
  query: {
    limit: number
    cursor?: string | undefined
    state?: TaskStateAsked | undefined
    kind?: string | undefined
    search?: string | undefined
    /** `nobody`: what HDCS began by itself. */
    requestedBy?: string | undefined
    subjectId?: string | undefined
    mine?: boolean | undefined
  },
) {
  const all = principal.permissions.has('task.read') && !query.mine
  const asked = query.requestedBy === 'nobody' ? null : query.requestedBy
  // Of others' nothing is told: nobody else's are among one's own.
  if (!all && asked !== undefined && asked !== principal.userId) return { items: [], nextCursor: null }
  const rows = await taskRows(broker.db, {
    requestedBy: all ? asked : principal.userId,
    states: query.state && statesOf(query.state),
    kind: query.kind,
    search: query.search,
    subjectId: query.subjectId,
    before: query.cursor,
    limit: query.limit + 1,
  })
  return pageOf(
    rows,
    query.limit,
    row => row.id,
    row => taskShown(principal, row, null),
  )
}

/** The kinds of the tasks one sees, for choosing among them. */
export const taskKindList = async (broker: Broker, principal: Principal): Promise<{ items: string[] }> => ({
  items: await taskKinds(broker.db, principal.permissions.has('task.read') ? undefined : principal.userId),
})

export async function taskSeen(
  broker: Broker,
  principal: Principal,
  id: string,
): Promise<{ row: TaskRow; task: TaskView }> {
  const [row] = await taskRows(broker.db, { ids: [id] })
  if (!row || (row.requested_by !== principal.userId && !principal.permissions.has('task.read')))
    throw new HdcsError('not_found', 'There is no such task.')
  return { row, task: taskShown(principal, row, await taskEstimate(broker, row.kind)) }
}
const taskRead = async (broker: Broker, principal: Principal, id: string): Promise<TaskView> =>
  (await taskSeen(broker, principal, id)).task

/** Between two looks at a task somebody waits for. Shorter: more queries; longer: the answer comes later. */
const lookMs = 100

/** One task; with `waitMs` the answer comes when it ended, or when the time is over. */
export async function taskGet(
  broker: Broker,
  principal: Principal,
  id: string,
  waitMs: number,
  signal: AbortSignal,
): Promise<TaskView> {
  const deadline = Date.now() + waitMs
  for (;;) {
    const task = await taskRead(broker, principal, id)
    if (!open(task.state) || Date.now() >= deadline || signal.aborted) return task
    await pause(Math.min(lookMs, deadline - Date.now()), signal)
  }
}

/** What happened, line by line; of a desktop also what its scripts wrote meanwhile, and what took how long. */
export async function taskStory(broker: Broker, principal: Principal, id: string) {
  const { row, task } = await taskSeen(broker, principal, id)
  const rows = await taskLogRows(broker.db, id)
  // The line that says how it failed holds the host's words as well.
  const told = (text: string) =>
    row.error && task.error ? text.replace(row.error.text, () => task.error?.text ?? '') : text
  const lines = rows.map(({ at, text }) => ({ at, text: told(text) }))
  const meanwhile = { from: row.created_at, to: row.finished_at }
  const runs =
    row.subject_type === 'desktop' ? await setupRuns(broker.db, { desktopId: row.subject_id, ...meanwhile }) : []
  const endedAt = row.finished_at ?? broker.clock.now()
  const steps = deploySteps({ steps: row.steps, failed: row.state === 'failed', endedAt }, lines, runs)
  return {
    summary: { state: row.state, ms: endedAt.getTime() - row.created_at.getTime(), steps },
    items: logMerged(lines, runs, principal.permissions.has('desktop.read')).map(({ at, text }) => ({
      at: at.toISOString(),
      text,
    })),
  }
}

/** Its lines alone. */
export const taskLog = async (...asked: Parameters<typeof taskStory>) => (await taskStory(...asked)).items

/** Ends the receipt and undoes what was begun: a claim is taken back, an image is no longer made. */
export async function taskCancel(broker: Broker, principal: Principal, id: string): Promise<TaskView> {
  const { row, task } = await taskSeen(broker, principal, id)
  if (!open(task.state)) throw new HdcsError('conflict', 'The task has already ended.')
  if (!task.cancellable)
    throw new HdcsError('conflict', 'You cannot cancel this task: its kind cannot be taken back, or it is not yours.')
  if (task.kind === moveKind) return moveCallOff(broker, principal, task)
  if (task.kind === bulkKind) return manyCallOff(broker, principal, row)
  const now = broker.clock.now()
  const error = { code: 'cancelled' as const, text: `Cancelled by ${principal.name}.` }
  await transact(broker.db, async tx => {
    // Before its receipt, as the desktops reconciler locks them.
    if (task.subject.type === 'desktop') await desktopLock(tx, task.subject.id)
    const { progress } = task
    const ended = await taskSet(tx, id, { state: 'cancelled', progress, error, finished_at: now })
    const takeBack = takeBacks[task.kind]
    if (!ended || !(await takeBack?.({ tx, task: row, by: principal.name, now })))
      throw new HdcsError('conflict', 'It was done in this very moment: there is nothing left to cancel.')
  })
  await nudge(broker.db, 'tasks')
  return taskRead(broker, principal, id)
}

/** The receipts of those of many that were asked for. */
async function tasksOfMany({ db }: Broker, id: string): Promise<TaskRow[]> {
  const [row] = await taskRows(db, { ids: [id] })
  const ids = Array.isArray(row?.goal.tasks) ? row.goal.tasks.map(String) : []
  return ids.length > 0 ? taskRows(db, { ids, limit: ids.length }) : []
}

/** The receipt of one of many; undefined: it has none. */
export async function taskOfMany(broker: Broker, principal: Principal, id: string, subjectId: string) {
  const row = (await tasksOfMany(broker, id)).find(({ subject_id }) => subject_id === subjectId)
  return row && taskShown(principal, row, null)
}

/** Each of them that can still be called off is, and no other is asked for; the receipt of all ends with the last. */
async function manyCallOff(broker: Broker, principal: Principal, row: TaskRow): Promise<TaskView> {
  const dropped = await transact(broker.db, tx =>
    bulkDrop(tx, row.id, { code: 'cancelled', text: `Cancelled by ${principal.name}.` }),
  )
  const rows = await tasksOfMany(broker, row.id)
  let ended = dropped
  for (const one of rows.filter(({ state }) => open(state))) {
    const isDone = (error: unknown) => {
      if (asHdcsError(error).code !== 'conflict') throw error
    }
    await taskCancel(broker, principal, one.id).then(() => ended++, isDone)
  }
  if (ended === 0) throw new HdcsError('conflict', 'None of them can be taken back any more.')
  await taskLogAdd(
    broker.db,
    row.id,
    `${principal.name} called off ${ended} of ${rows.length + dropped}`,
    broker.clock.now(),
  )
  return taskRead(broker, principal, row.id)
}

/** The hosts decide where the guest is: the task ends with its move, which may still arrive. */
async function moveCallOff(broker: Broker, principal: Principal, task: TaskView): Promise<TaskView> {
  await transact(broker.db, async tx => {
    const [move] = await migrationRows(tx, { taskIds: [task.id], open: true })
    if (!move) throw new HdcsError('conflict', 'The move is over: there is nothing left to cancel.')
    await migrationsCancel(tx, { id: move.id })
    await taskLogAdd(tx, task.id, `${principal.name} asked to cancel it`, broker.clock.now())
  })
  return taskRead(broker, principal, task.id)
}
