import { copyRows } from '../../db/copies.ts'
import { setupRunsPrune } from '../../db/customisation.ts'
import { desktopRows } from '../../db/desktops.ts'
import { eventsPrune } from '../../db/events.ts'
import { exportRows } from '../../db/exports.ts'
import { hostsInMaintenance, migrationRows } from '../../db/migrations.ts'
import { poolExists } from '../../db/pools.ts'
import { noCounts, pushCounts, pushRows } from '../../db/pushes.ts'
import { operationsOf, type TaskSettled, tasksCounted, tasksOpen, tasksSettle } from '../../db/tasks.ts'
import { versionsObserved } from '../../db/templates.ts'
import { verificationRows } from '../../db/verifications.ts'
import type { Broker } from '../broker.ts'
import { copyKind } from '../copies.ts'
import { evacuationText } from '../evacuation.ts'
import { exportKind } from '../exports.ts'
import { evacuationItems } from '../maintenance.ts'
import { pushTask } from '../push-plan.ts'
import { pushKind } from '../pushes.ts'
import { trialKind } from '../script-trials.ts'
import {
  bulkTask,
  copyTask,
  desktopForTask,
  desktopTask,
  exportTask,
  type MaintenanceForTask,
  maintenanceTaskRules,
  moveTask,
  type TaskOutcome,
  taskSettled,
  vanished,
  versionTask,
} from '../task-progress.ts'
import { bulkKind, moveKind } from '../tasks.ts'
import { verifyKind } from '../verifications.ts'
import { verificationTask } from '../verify-plan.ts'
import type { Reconciler } from './driver.ts'
import { storageReceipts } from './storage-receipts.ts'

type HostInMaintenance = Awaited<ReturnType<typeof hostsInMaintenance>>[number]
type Open = Awaited<ReturnType<typeof tasksOpen>>[number]

/** Tasks that end with an operation of a host instead of a state. */
const operationKinds = ['desktop.reboot', 'desktop.reset', trialKind]

/** Shorter: the event table is read through for nothing; longer: it grows. */
const pruneMs = 60_000

/** Brings every open receipt to what its subject has become. */
export function tasksReconciler(broker: Broker): Reconciler {
  let prunedAtMs = 0
  return {
    name: 'tasks',
    everyMs: 5_000,
    // Longer: who waits for a receipt hears of its end later; shorter: all receipts are read for each change of a class.
    restMs: 100,
    async step() {
      const open = await tasksOpen(broker.db)
      const look = await subjects(broker, open)
      const now = broker.clock.now()
      const settled: TaskSettled[] = []
      for (const task of open) settled.push(...taskSettled(task, await look(task), now))
      await tasksSettle(broker.db, settled, now)
      const nowMs = now.getTime()
      if (nowMs - prunedAtMs < pruneMs) return
      prunedAtMs = nowMs
      await eventsPrune(broker.db)
      await setupRunsPrune(broker.db)
    },
  }
}

async function subjects(
  broker: Broker,
  open: Open[],
): Promise<(task: Open) => Promise<TaskOutcome | undefined> | TaskOutcome | undefined> {
  const idsOf = (type: string) => [
    ...new Set(open.filter(task => task.subject_type === type).map(task => task.subject_id)),
  ]
  const desktopIds = idsOf('desktop')
  const desktops = new Map(
    desktopIds.length > 0
      ? (await desktopRows(broker.db, { ids: desktopIds, limit: desktopIds.length })).map(row => [row.id, row])
      : [],
  )
  const versions = idsOf('version').length > 0 ? await versionsObserved(broker.db) : []
  const copies = open.some(({ kind }) => kind === copyKind) ? await copyRows(broker.db) : []
  const exports = open.some(({ kind }) => kind === exportKind) ? await exportRows(broker.db) : []
  const operations = await operationsOf(
    broker.db,
    open.filter(task => operationKinds.includes(task.kind)).map(task => task.id),
  )

  const moves = await movesOf(broker, open)
  const pushes = await pushesOf(broker, open)
  const verifications = await verificationsOf(broker, open)
  const hosts = await hostsOf(broker, open)
  const ofStorage = await storageReceipts(broker, open)

  return task => {
    if (task.kind === verifyKind) return verificationTask(verifications.get(task.id))
    if (task.kind === pushKind) return pushTask(pushes.get(task.id))
    if (task.kind === moveKind) return moveTask(moves.get(task.id))
    const maintenance = maintenanceTaskRules[task.kind as keyof typeof maintenanceTaskRules]
    if (maintenance) return maintenance(hosts.get(task.subject_id), task.goal)
    // Its operation goes with the row of its host.
    const operation = operations.find(candidate => candidate.task_id === task.id)
    if (operationKinds.includes(task.kind)) return operation ? operationOutcome(operation) : vanished
    if (task.kind === copyKind) {
      const { clusterId } = task.goal
      return copyTask(
        copies.find(copy => copy.version_id === task.subject_id && copy.cluster_id === clusterId),
        task.goal,
      )
    }
    if (task.kind === exportKind) return exportTask(exports.find(({ id }) => id === task.goal.exportId))
    if (task.subject_type === 'version') {
      const version = versions.find(row => row.id === task.subject_id)
      return versionTask(version && { ...version, attempt: version.wished_attempt }, task.goal)
    }
    if (task.kind === 'pool.delete') return poolGone(broker, task)
    if (task.kind === bulkKind) return manyDone(broker, task)
    const storage = ofStorage(task)
    if (storage) return storage
    const desktop = desktops.get(task.subject_id)
    // Its host said something new, and its phase is of before: told done now, what comes next would still be refused.
    // The look that works out the phase tells its receipts in the same moment.
    if (desktop?.dirty) return
    return desktopTask(task, desktop && desktopForTask(desktop))
  }
}

async function verificationsOf({ db }: Broker, open: Open[]) {
  const taskIds = open.filter(task => task.kind === verifyKind).map(task => task.id)
  const rows = taskIds.length > 0 ? await verificationRows(db, { taskIds, limit: taskIds.length }) : []
  return new Map(rows.map(row => [row.task_id, row]))
}

async function pushesOf({ db }: Broker, open: Open[]) {
  const taskIds = open.filter(task => task.kind === pushKind).map(task => task.id)
  const rows = taskIds.length > 0 ? await pushRows(db, { taskIds, limit: taskIds.length }) : []
  const counts = await pushCounts(
    db,
    rows.map(({ id }) => id),
  )
  return new Map(rows.map(row => [row.task_id, { ...row, counts: counts.get(row.id) ?? noCounts }]))
}

async function movesOf(broker: Broker, open: Open[]) {
  const taskIds = open.filter(task => task.kind === moveKind).map(task => task.id)
  const rows = taskIds.length > 0 ? await migrationRows(broker.db, { taskIds, limit: taskIds.length }) : []
  return new Map(rows.map(row => [row.task_id, row]))
}

async function hostsOf(broker: Broker, open: Open[]): Promise<Map<string, MaintenanceForTask>> {
  const tasks = open.filter(task => task.kind in maintenanceTaskRules)
  const hosts = new Map<string, MaintenanceForTask>()
  for (const { subject_id: id, goal } of tasks) {
    const [host] = await hostsInMaintenance(broker.db, id)
    if (!host) continue
    const text = host.wished_evacuate ? await leavingText(broker, host, Number(goal.total)) : ''
    const { state, wished_state: wished, desktops, away } = host
    hosts.set(id, { state, wished, desktops: desktops ?? 0, away: away ?? 0, text })
  }
  return hosts
}

/** Above it only the number is told: the plan of a thousand desktops takes 0.1 s, and receipts are looked at all the time. */
const mostTold = 200

async function leavingText(broker: Broker, host: HostInMaintenance, total: number) {
  if ((host.desktops ?? 0) > mostTold) return `${host.desktops} of ${total} left`
  const leaving = await evacuationItems(broker.db, host, broker.clock.now())
  return leaving.length > 0 ? evacuationText(leaving, total) : ''
}

const operationOutcome = ({ done_at, trouble }: Awaited<ReturnType<typeof operationsOf>>[number]): TaskOutcome =>
  done_at === null
    ? { state: 'running', progress: 50, steps: [], error: null }
    : { state: trouble ? 'failed' : 'succeeded', progress: 100, steps: [], error: trouble }

async function manyDone(broker: Broker, { goal }: Open): Promise<TaskOutcome> {
  const ids = Array.isArray(goal.tasks) ? goal.tasks.map(String) : []
  return bulkTask(goal, await tasksCounted(broker.db, ids))
}

async function poolGone(broker: Broker, task: Open): Promise<TaskOutcome> {
  const there = await poolExists(broker.db, task.subject_id)
  return { state: there ? 'running' : 'succeeded', progress: there ? 50 : 100, steps: [], error: null }
}
