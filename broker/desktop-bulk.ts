/** One action for many desktops: each is asked for by itself, and one that is refused keeps no other from it. */
import type { Principal } from '../auth/principal.ts'
import { principalAgain } from '../auth/principals.ts'
import { bulkDrop, bulkGoal, bulksLeft, bulkTake } from '../db/bulk.ts'
import { desktopRows } from '../db/desktops.ts'
import { nudge } from '../db/events.ts'
import type { TroubleValue } from '../db/schema.ts'
import { taskLogAdd } from '../db/tasks.ts'
import { transact } from '../db/transact.ts'
import { counted } from '../lib/counted.ts'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { desktopAct } from './desktops.ts'
import { bulkKind, type TaskView, taskOfMany, taskOpen } from './tasks.ts'

/** At once. More: a class of 500 holds every connection to the database; fewer: it takes longer. */
const atOnce = 4

/** Nothing was asked for so long: who did is gone. Longer: the rest waits; shorter: two processes do the work of one. */
const leftMs = 5_000

type Action = Parameters<typeof desktopAct>[3]

export interface BulkResult {
  id: string
  /** Its own receipt; null: it was refused. */
  task: TaskView | null
  error: TroubleValue | null
}

/**
 * The receipt comes first, with all that is wanted: whatever ends this process, the rest is asked for by `bulksGoOn`.
 * @returns what came of each, in the order of the ids, and a receipt of all. Throws nothing for one of them.
 */
export async function desktopsAct(
  broker: Broker,
  principal: Principal,
  name: Action,
  given: readonly string[],
): Promise<{ task: TaskView; results: BulkResult[] }> {
  const ids = [...new Set(given)]
  const now = broker.clock.now()
  const id = newId(now.getTime())
  const subject = { type: 'desktops', id, name: `${name}: ${counted(ids.length, 'desktop', 'desktops')}` }
  const ask = { id, kind: bulkKind, subject, requestedBy: principal, goal: { ...bulkGoal(name, ids, now) } }
  const task = await transact(broker.db, tx => taskOpen(tx, ask, now))
  const results = await each(broker, principal, { id, name }, ids)
  // Where all were refused nothing else wakes it.
  await nudge(broker.db, 'tasks')
  return { task, results }
}

/** Asks for what was left of such requests by a process that ended; with the rights that who asked has now. */
export async function bulksGoOn(broker: Broker, signal: AbortSignal): Promise<void> {
  const left = await bulksLeft(broker.db, new Date(broker.clock.now().getTime() - leftMs))
  for (const { id, requested_by: userId, goal } of left) {
    if (signal.aborted) return
    const principal = userId === null ? undefined : await principalAgain(broker.db, userId)
    // It was written by `desktopsAct`, from a name of this type.
    if (principal) await each(broker, principal, { id, name: goal.action as Action }, goal.asking.ids, signal)
    else
      await transact(broker.db, async tx => {
        const gone = { code: 'cancelled' as const, text: 'Who wanted it may not sign in any more.' }
        const dropped = counted(await bulkDrop(tx, id, gone), 'desktop was', 'desktops were')
        const line = `refused: ${dropped} not asked for: who wanted it may not sign in any more`
        await taskLogAdd(tx, id, line, broker.clock.now())
      })
    await nudge(broker.db, 'tasks')
  }
}

interface Receipt {
  id: string
  name: Action
}

async function each(
  broker: Broker,
  principal: Principal,
  receipt: Receipt,
  ids: readonly string[],
  signal?: AbortSignal,
): Promise<BulkResult[]> {
  const results: BulkResult[] = []
  for (let from = 0; from < ids.length && !signal?.aborted; from += atOnce)
    results.push(...(await Promise.all(ids.slice(from, from + atOnce).map(id => one(broker, principal, receipt, id)))))
  return results
}

/** It is done and noted at the receipt of all together, or neither. */
async function one(broker: Broker, principal: Principal, receipt: Receipt, id: string): Promise<BulkResult> {
  try {
    const { task } = await desktopAct(broker, principal, id, receipt.name, {
      async also(tx, { id: taskId }, now) {
        if (!(await bulkTake(tx, receipt.id, { id, taskId }, now)))
          throw new HdcsError('conflict', 'It was asked for meanwhile, or all was called off.')
      },
    })
    return { id, task, error: null }
  } catch (thrown) {
    const { code, message: text } = asHdcsError(thrown)
    if (code === 'internal')
      broker.log.error({ err: thrown, desktopId: id, action: receipt.name }, 'one of many failed')
    const isRefused = await refusedNote(broker, principal, receipt, { id, code, text })
    const task = isRefused ? undefined : await taskOfMany(broker, principal, receipt.id, id)
    return task ? { id, task, error: null } : { id, task: null, error: { code, text } }
  }
}

/**
 * Its name, where that is theirs to know, and why: what was refused has no receipt of its own to say so.
 * @returns false: it was asked for before, or all was called off.
 */
async function refusedNote(
  broker: Broker,
  principal: Principal,
  receipt: Receipt,
  { id, code, text }: TroubleValue & { id: string },
): Promise<boolean> {
  const now = broker.clock.now()
  return transact(broker.db, async tx => {
    const refusal = { id, type: 'desktop' as const, code, text }
    if (!(await bulkTake(tx, receipt.id, { id, taskId: null, refusal }, now))) return false
    const [row] = await desktopRows(tx, { ids: [id] })
    const isSeen = row && (row.user_id === principal.userId || principal.permissions.has('desktop.read'))
    const name = isSeen ? row.name : id
    const line = `refused: ${text.startsWith(`${name}: `) ? text : `${name}: ${text}`}`
    await taskLogAdd(tx, receipt.id, line, now)
    return true
  })
}
