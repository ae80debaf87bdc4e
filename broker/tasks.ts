import type { Principal } from '../auth/principal.ts'
import type { Tx } from '../db/connect.ts'
import { copyTakeBack } from '../db/copies.ts'
import { desktopLock } from '../db/desktops.ts'
import { nudge } from '../db/events.ts'
import { hostHistoryAdd } from '../db/host-history.ts'
import { hostMaintenanceSet, migrationRows, migrationsCancel, originsForget } from '../db/migrations.ts'
import type { TaskState } from '../db/schema.ts'
import { type TaskNew, type TaskRow, taskInsert, taskLogAdd, taskLogRows, taskRows, taskSet } from '../db/tasks.ts'
import { versionGiveUp } from '../db/templates.ts'
import { transact } from '../db/transact.ts'
import { pause } from '../lib/clock.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { taskEstimate } from './estimates.ts'
import { pageOf } from './pages.ts'
import { releaseWish } from './releasing.ts'
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
  cancellable: boolean
}

const iso = (date: Date | null) => date?.toISOString() ?? null
const open = (state: TaskState) => state === 'queued' || state === 'running'

function taskView(row: TaskRow, estimateMs: number | null): TaskView {
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    progress: row.progress,
    steps: row.steps,
    error: row.error,
    subject: { type: row.subject_type, id: row.subject_id, name: row.subject_name },
    startAt: iso(row.start_at),
    createdAt: row.created_at.toISOString(),
    finishedAt: iso(row.finished_at),
    estimateMs,
    requestedBy: row.requested_by_name,
    cancellable: open(row.state) && cancellable.has(row.kind),
  }
}

/** Kinds that can still be taken back: the rest is over before anybody could. */
const cancellable = new Set([
  'desktop.claim',
  'template.make',
  'template.copy',
  'desktop.migrate',
  'host.enterMaintenance',
  'host.leaveMaintenance',
])

export interface TaskAsk {
  kind: string
  subject: { type: string; id: string; name: string }
  requestedBy: Principal | null
  goal?: Record<string, unknown>
  /** Already done: the receipt is written as such. */
  done?: boolean
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
    state: ask.done ? ('succeeded' as const) : ('running' as const),
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
  const shown = { ...row, steps: [], error: null, start_at: null, requested_by_name: ask.requestedBy?.name ?? null }
  return { row, view: taskView(shown, null) }
}

const taskShown = (principal: Principal, row: TaskRow, estimateMs: number | null): TaskView => {
  const view = taskView(row, estimateMs)
  return row.subject_type === 'desktop' ? { ...view, error: troubleFor(principal, view.error) } : view
}

export async function taskList(
  broker: Broker,
  principal: Principal,
  query: {
    limit: number
    cursor?: string | undefined
    state?: TaskState | undefined
    subjectId?: string | undefined
    mine?: boolean | undefined
  },
) {
  const all = principal.permissions.has('task.read') && !query.mine
  const rows = await taskRows(broker.db, {
    requestedBy: all ? undefined : principal.userId,
    state: query.state,
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

async function taskSeen(broker: Broker, principal: Principal, id: string): Promise<{ row: TaskRow; task: TaskView }> {
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

export async function taskLog(broker: Broker, principal: Principal, id: string) {
  const { row, task } = await taskSeen(broker, principal, id)
  const rows = await taskLogRows(broker.db, id)
  // The line that says how it failed holds the host's words as well.
  const told = (text: string) =>
    row.error && task.error ? text.replace(row.error.text, () => task.error?.text ?? '') : text
  return rows.map(({ at, text }) => ({ at: at.toISOString(), text: told(text) }))
}

/** Ends the receipt and undoes what was begun: a claim is taken back, an image is no longer made. */
export async function taskCancel(broker: Broker, principal: Principal, id: string): Promise<TaskView> {
  const task = await taskRead(broker, principal, id)
  if (!open(task.state)) throw new HdcsError('conflict', 'The task has already ended.')
  if (!task.cancellable) throw new HdcsError('conflict', 'This kind of task cannot be cancelled.')
  if (task.kind === 'desktop.migrate') return moveCallOff(broker, principal, task)
  const now = broker.clock.now()
  const error = { code: 'cancelled' as const, text: `Cancelled by ${principal.name}.` }
  await transact(broker.db, async tx => {
    // Before its receipt, as the desktops reconciler locks them.
    if (task.subject.type === 'desktop') await desktopLock(tx, task.subject.id)
    const { progress, steps } = task
    const ended = await taskSet(tx, id, { state: 'cancelled', progress, steps, error, finished_at: now })
    if (!ended || !(await takeBack(tx, task, principal, now)))
      throw new HdcsError('conflict', 'It was done in this very moment: there is nothing left to cancel.')
  })
  await nudge(broker.db, 'tasks')
  return taskRead(broker, principal, id)
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

/** Undoes what the task began, in its subject. @returns false when it is done already. */
async function takeBack(tx: Tx, task: TaskView, principal: Principal, now: Date): Promise<boolean> {
  if (task.kind === 'host.enterMaintenance') {
    await hostMaintenanceSet(tx, task.subject.id, { wished_state: 'online', wished_evacuate: false })
    const event = { hostId: task.subject.id, what: 'maintenanceEnded' as const, userName: principal.name }
    await hostHistoryAdd(tx, event, now)
    return true
  }
  if (task.kind === 'host.leaveMaintenance') {
    await originsForget(tx, task.subject.id)
    return true
  }
  if (task.kind === 'template.copy') return copyTakeBack(tx, task.id)
  if (task.kind !== 'desktop.claim') {
    const text = `Cancelled by ${principal.name}; it can be tried again.`
    return versionGiveUp(tx, task.subject.id, { code: 'cancelled', text })
  }
  const desktop = await desktopLock(tx, task.subject.id)
  if (desktop?.claim_task_id !== task.id) return false
  await releaseWish(tx, desktop, 'floating', { because: `claim cancelled by ${principal.name}`, now })
  return true
}
