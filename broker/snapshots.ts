/** Snapshots of persistent desktops: asked for here, taken and told of by their hosts (docs/operations.md). */
import type { Principal } from '../auth/principal.ts'
import { type DesktopRow, desktopLock, desktopRows, transitionNote } from '../db/desktops.ts'
import { revertWish, type SnapshotRow, snapshotInsert, snapshotRemoveWish, snapshotRows } from '../db/snapshots.ts'
import { transact } from '../db/transact.ts'
import { HdcsError, nameTaken } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { binnedText, capturedText, memoryRefused } from './desktop-state.ts'
import { actionsFrom } from './refusals.ts'
import { taskOpen } from './tasks.ts'

/** Each keeps what was overwritten since, and a person loses sight of more. Higher: disks that are mostly their past. */
export const mostSnapshots = 10

type Why = string | undefined

/** Why nothing may be done about a desktop's snapshots now. Pure. */
function refusedAll(row: DesktopRow): Why {
  if (row.pool_kind !== 'persistent')
    return 'it is of a floating pool: its disk is made anew when it is given back, and its snapshots with it'
  if (!row.wished_present) return 'it is being removed'
  if (row.binned_at !== null) return binnedText
  if (!(row.host_can ?? []).includes('snapshots')) return 'its host’s agent is too old for this: update it'
  if (row.move_id !== null) return 'it is on its way to another host'
  if (row.captured) return capturedText
  const kept = memoryRefused(row)
  if (kept !== undefined) return kept
  if (row.wished_revert) return 'its disk is just being reverted'
  return ['ready', 'paused', 'stopped'].includes(row.phase) ? undefined : 'it is neither running nor stopped'
}

const revertRefused = (row: DesktopRow): Why =>
  refusedAll(row) ?? (row.phase === 'stopped' ? undefined : 'its disk is in use: shut it down first')
const takeRefused = (row: DesktopRow, has: number): Why =>
  refusedAll(row) ??
  (has >= mostSnapshots ? `it has ${has} snapshots, and may have ${mostSnapshots}: remove one first` : undefined)

const stateOf = (row: SnapshotRow) =>
  !row.wished_present ? ('removing' as const) : row.observed_taken_at ? ('ready' as const) : ('taking' as const)

function snapshotView(row: SnapshotRow, desktop: DesktopRow) {
  const state = stateOf(row)
  const unready = state === 'ready' ? undefined : state === 'taking' ? 'it is being taken' : 'it is being removed'
  return {
    id: row.id,
    name: row.name,
    note: row.note,
    state,
    takenAt: row.observed_taken_at?.toISOString() ?? null,
    takenBy: row.created_by_name,
    diskBytes: row.observed_disk_bytes,
    frozen: row.observed_frozen,
    actions: actionsFrom({
      revert: unready ?? revertRefused(desktop),
      remove: unready ?? refusedAll(desktop),
    }),
  }
}

async function desktopOf(broker: Broker, id: string): Promise<DesktopRow> {
  const [row] = await desktopRows(broker.db, { ids: [id] })
  if (!row) throw new HdcsError('not_found', 'There is no such desktop.')
  return row
}

/** @throws HdcsError `not_found`. */
export async function snapshotList(broker: Broker, id: string) {
  const desktop = await desktopOf(broker, id)
  const rows = await snapshotRows(broker.db, id)
  return {
    items: rows.map(row => snapshotView(row, desktop)),
    most: mostSnapshots,
    actions: actionsFrom({ take: takeRefused(desktop, rows.length) }),
  }
}

/** Locks the desktop and answers what is wished of it. @throws HdcsError `conflict` with the reason when it is refused now. */
async function asked<T>(
  broker: Broker,
  id: string,
  why: (desktop: DesktopRow, rows: SnapshotRow[]) => Why,
  work: (tx: Parameters<Parameters<typeof transact>[1]>[0], desktop: DesktopRow, rows: SnapshotRow[]) => Promise<T>,
): Promise<T> {
  return transact(broker.db, async tx => {
    await desktopLock(tx, id)
    const [desktop] = await desktopRows(tx, { ids: [id] })
    if (!desktop) throw new HdcsError('not_found', 'There is no such desktop.')
    const rows = await snapshotRows(tx, id)
    const refused = why(desktop, rows)
    if (refused !== undefined) throw new HdcsError('conflict', `${desktop.name}: ${refused}.`)
    return work(tx, desktop, rows)
  })
}

const note = (desktop: DesktopRow, became: string, reason: string) => ({
  ...desktop,
  was: desktop.phase,
  became,
  reason,
})

/** @throws HdcsError `not_found`, `conflict` (a name that is taken, too many, or not now). */
export async function snapshotTake(
  broker: Broker,
  principal: Principal,
  id: string,
  { name, note: text }: { name: string; note: string },
) {
  const now = broker.clock.now()
  const task = await asked(
    broker,
    id,
    (desktop, rows) => takeRefused(desktop, rows.length),
    async (tx, desktop, rows) => {
      if (rows.some(row => row.name === name)) throw nameTaken(`${desktop.name} has a snapshot ${name} already.`)
      const snapshotId = newId(now.getTime())
      const subject = { type: 'desktop', id, name: desktop.name }
      const goal = { snapshotId, snapshot: name }
      const task = await taskOpen(tx, { kind: 'desktop.snapshot', subject, requestedBy: principal, goal }, now)
      const by = { created_by: principal.userId, created_at: now, task_id: task.id }
      const incarnation = desktop.wished_incarnation
      await snapshotInsert(tx, { id: snapshotId, desktop_id: id, incarnation, name, note: text, ...by })
      await transitionNote(tx, [note(desktop, 'snapshot asked', `snapshot ${name} asked by ${principal.name}`)], now)
      return task
    },
  )
  return { task, ...(await snapshotList(broker, id)) }
}

function named(rows: SnapshotRow[], name: string): SnapshotRow {
  const row = rows.find(one => one.name === name)
  if (!row) throw new HdcsError('not_found', `There is no snapshot ${name}.`)
  if (stateOf(row) !== 'ready') throw new HdcsError('conflict', `The snapshot ${name} is not there yet, or any more.`)
  return row
}

/** What was written since stays; only the past is forgotten. @throws HdcsError `not_found`, `conflict`. */
export async function snapshotRemove(broker: Broker, principal: Principal, id: string, name: string) {
  const now = broker.clock.now()
  const task = await asked(broker, id, refusedAll, async (tx, desktop, rows) => {
    const row = named(rows, name)
    const subject = { type: 'desktop', id, name: desktop.name }
    const goal = { snapshotId: row.id, snapshot: name }
    const task = await taskOpen(tx, { kind: 'desktop.snapshotRemove', subject, requestedBy: principal, goal }, now)
    await snapshotRemoveWish(tx, row.id, task.id)
    await transitionNote(tx, [note(desktop, 'snapshot removed', `snapshot ${name} removed by ${principal.name}`)], now)
    return task
  })
  return { task, ...(await snapshotList(broker, id)) }
}

/** Its disk as it was then: what came after is lost. @throws HdcsError `not_found`, `conflict` while it runs. */
export async function snapshotRevert(broker: Broker, principal: Principal, id: string, name: string) {
  const now = broker.clock.now()
  const task = await asked(broker, id, revertRefused, async (tx, desktop, rows) => {
    const row = named(rows, name)
    const subject = { type: 'desktop', id, name: desktop.name }
    const goal = { snapshotId: row.id, snapshot: name }
    const task = await taskOpen(tx, { kind: 'desktop.revert', subject, requestedBy: principal, goal }, now)
    await revertWish(tx, id, { id: newId(now.getTime()), snapshotId: row.id, taskId: task.id })
    await transitionNote(tx, [note(desktop, 'reverted', `reverted to ${name} by ${principal.name}`)], now)
    return task
  })
  return { task, ...(await snapshotList(broker, id)) }
}
