/** One action for many desktops: each is asked for by itself, and one that is refused keeps no other from it. */
import type { Principal } from '../auth/principal.ts'
import { desktopRows } from '../db/desktops.ts'
import type { TroubleValue } from '../db/schema.ts'
import { taskLogAdd } from '../db/tasks.ts'
import { transact } from '../db/transact.ts'
import { counted } from '../lib/counted.ts'
import { asHdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { desktopAct } from './desktops.ts'
import { bulkKind, type TaskView, taskOpen } from './tasks.ts'

/** At once. More: a class of 500 holds every connection to the database; fewer: it takes longer. */
const atOnce = 4

export interface BulkResult {
  id: string
  /** Its own receipt; null: it was refused. */
  task: TaskView | null
  error: TroubleValue | null
}

/** @returns what came of each, in the order of the ids, and a receipt of all. Throws nothing for one of them. */
export async function desktopsAct(
  broker: Broker,
  principal: Principal,
  name: Parameters<typeof desktopAct>[3],
  given: readonly string[],
): Promise<{ task: TaskView; results: BulkResult[] }> {
  const ids = [...new Set(given)]
  const results: BulkResult[] = []
  for (let from = 0; from < ids.length; from += atOnce)
    results.push(...(await Promise.all(ids.slice(from, from + atOnce).map(id => one(broker, principal, id, name)))))
  const now = broker.clock.now()
  const tasks = results.flatMap(({ task }) => task?.id ?? [])
  const id = newId(now.getTime())
  const subject = { type: 'desktops', id, name: `${name}: ${counted(ids.length, 'desktop', 'desktops')}` }
  const goal = { action: name, tasks, refused: ids.length - tasks.length }
  const ask = { id, kind: bulkKind, subject, requestedBy: principal, goal }
  const refused = await refusedLines(broker, principal, results)
  const task = await transact(broker.db, async tx => {
    const opened = await taskOpen(tx, ask, now)
    for (const line of refused) await taskLogAdd(tx, id, line, now)
    return opened
  })
  return { task, results }
}

/** Of each that was refused its name, where that is theirs to know, and why: it has no receipt of its own to say so. */
async function refusedLines(broker: Broker, principal: Principal, results: readonly BulkResult[]): Promise<string[]> {
  const refused = results.flatMap(({ id, error }) => (error ? [{ id, text: error.text }] : []))
  if (refused.length === 0) return []
  const rows = await desktopRows(broker.db, { ids: refused.map(({ id }) => id) })
  const seen = rows.filter(row => row.user_id === principal.userId || principal.permissions.has('desktop.read'))
  const names = new Map(seen.map(({ id, name }) => [id, name]))
  return refused.map(({ id, text }) => {
    const name = names.get(id) ?? id
    return `refused: ${text.startsWith(`${name}: `) ? text : `${name}: ${text}`}`
  })
}

async function one(
  broker: Broker,
  principal: Principal,
  id: string,
  name: Parameters<typeof desktopAct>[3],
): Promise<BulkResult> {
  try {
    const { task } = await desktopAct(broker, principal, id, name)
    return { id, task, error: null }
  } catch (thrown) {
    const { code, message: text } = asHdcsError(thrown)
    if (code === 'internal') broker.log.error({ err: thrown, desktopId: id, action: name }, 'one of many failed')
    return { id, task: null, error: { code, text } }
  }
}
