/** What a receipt of many is made of: each with its own result, also those that have no receipt of their own. */
import type { Principal } from '../auth/principal.ts'
import type { BulkRefusal } from '../db/bulk.ts'
import { desktopRows } from '../db/desktops.ts'
import type { TroubleValue } from '../db/schema.ts'
import { type TaskRow, taskRows } from '../db/tasks.ts'
import type { Broker } from './broker.ts'
import { bulkAsking } from './task-progress.ts'
import { bulkKind, taskSeen, taskShown } from './tasks.ts'

/** `waiting`: not asked for yet; `refused`: it was not done, and has no receipt. */
export const partStates = ['waiting', 'refused', 'queued', 'running', 'succeeded', 'failed', 'cancelled'] as const
type PartState = (typeof partStates)[number]

export interface TaskPart {
  /** A desktop; or the person who was refused one. Its name is its id where one may not know more. */
  subject: { type: 'desktop' | 'user'; id: string; name: string }
  state: PartState
  progress: number
  /** Its own receipt. */
  taskId: string | null
  error: TroubleValue | null
}

/** What needs somebody stands first, what is done last. */
const order = {
  refused: 0,
  failed: 0,
  cancelled: 0,
  running: 1,
  queued: 2,
  waiting: 2,
  succeeded: 3,
} satisfies Record<PartState, number>

/** The parts of a receipt; none for one that is about one thing. @throws HdcsError `not_found`. */
export async function taskPartList(
  broker: Broker,
  principal: Principal,
  id: string,
): Promise<{ items: TaskPart[]; nextCursor: null }> {
  const { row } = await taskSeen(broker, principal, id)
  if (row.kind !== bulkKind) return { items: [], nextCursor: null }
  const receiptIds = textsIn(row.goal.tasks)
  const asked = receiptIds.length > 0 ? await taskRows(broker.db, { ids: receiptIds, limit: receiptIds.length }) : []
  const refusals = refusalsOf(row.goal)
  const waiting = bulkAsking(row.goal)
  const names = await desktopNames(broker, principal, [...waiting, ...refusals.map(one => one.id)])
  const items = [
    ...asked.map(one => partOf(principal, one)),
    ...refusals.map(
      ({ id: of, type, name, code, text }): TaskPart => ({
        subject: { type, id: of, name: names.get(of) ?? name ?? of },
        state: 'refused',
        progress: 0,
        taskId: null,
        error: { code, text },
      }),
    ),
    ...waiting.map(
      (of): TaskPart => ({
        subject: { type: 'desktop', id: of, name: names.get(of) ?? of },
        state: 'waiting',
        progress: 0,
        taskId: null,
        error: null,
      }),
    ),
  ]
  const sorted = items.toSorted(
    (one, other) =>
      order[one.state] - order[other.state] ||
      one.subject.name.localeCompare(other.subject.name, 'en', { numeric: true }),
  )
  return { items: sorted, nextCursor: null }
}

function partOf(principal: Principal, row: TaskRow): TaskPart {
  const { state, progress, error, subject } = taskShown(principal, row, null)
  return { subject: { ...subject, type: 'desktop' }, state, progress, taskId: row.id, error }
}

const textsIn = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : [])

/** As db/bulk.ts and desktops-for-people.ts wrote them; receipts of before this was kept have none. */
const refusalsOf = ({ refusals }: Record<string, unknown>): BulkRefusal[] => (Array.isArray(refusals) ? refusals : [])

/** As they are called now, where that is theirs to know. */
async function desktopNames({ db }: Broker, principal: Principal, ids: string[]): Promise<Map<string, string>> {
  const rows = ids.length > 0 ? await desktopRows(db, { ids, limit: ids.length }) : []
  const seen = rows.filter(row => row.user_id === principal.userId || principal.permissions.has('desktop.read'))
  return new Map(seen.map(row => [row.id, row.name]))
}
