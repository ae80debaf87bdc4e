/** One desktop each for many people of a persistent pool: of each it is told what came of it, and nothing is half done. */
import type { Principal } from '../auth/principal.ts'
import type { BulkRefusal } from '../db/bulk.ts'
import type { Tx } from '../db/connect.ts'
import { desktopRows } from '../db/desktops.ts'
import { poolGrowLock, poolRows } from '../db/pools.ts'
import type { TroubleValue } from '../db/schema.ts'
import { taskLogAdd } from '../db/tasks.ts'
import { apart, transact } from '../db/transact.ts'
import { userNames } from '../db/users.ts'
import { counted } from '../lib/counted.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { desktopMakeIn } from './desktop-making.ts'
import type { OwnWish } from './making.ts'
import { bulkKind, type TaskView, taskOpen } from './tasks.ts'

export interface PeopleWish {
  userIds: readonly string[]
  hardware?: OwnWish['hardware']
  cdrom?: string | null | undefined
}

export interface PersonResult {
  userId: string
  /** Null: who asks may not know of people, or there is nobody of this id. */
  userName: string | null
  /** What is made, or would be; null: it is refused. */
  desktop: { id: string | null; name: string; hostName: string | null } | null
  error: TroubleValue | null
}

/** Ends a transaction that shall leave nothing, with what it found. */
class Tried extends Error {
  readonly results: PersonResult[]
  constructor(results: PersonResult[]) {
    super('a dry run')
    this.results = results
  }
}

/**
 * All in one transaction: whatever ends the process in the middle, either each of them is made or refused, or nothing was
 * done. One who is refused keeps no other from theirs.
 * @throws HdcsError `not_found` (pool).
 */
export function desktopsMakeFor(
  broker: Broker,
  principal: Principal,
  poolId: string,
  wish: PeopleWish,
): Promise<{ task: TaskView; results: PersonResult[] }> {
  return transact(broker.db, async tx => {
    const { results, tasks, poolName } = await madeIn(tx, broker, principal, poolId, wish)
    const now = broker.clock.now()
    const id = newId(now.getTime())
    const count = counted(results.length, 'desktop', 'desktops')
    const subject = { type: 'desktops', id, name: `${poolName}: ${count}` }
    const refusals = results.flatMap(({ userId, userName, error }): BulkRefusal[] =>
      error ? [{ id: userId, type: 'user', name: userName, ...error }] : [],
    )
    const goal = { action: 'claim', tasks, refused: refusals.length, refusals }
    const task = await taskOpen(tx, { id, kind: bulkKind, subject, requestedBy: principal, goal }, now)
    for (const { userId, userName, error } of results)
      if (error) await taskLogAdd(tx, id, `refused: ${userName ?? userId}: ${error.text}`, now)
    return { task, results }
  })
}

/** The same, tried in full and taken back: what it says is what would be done in this moment. @throws HdcsError `not_found` (pool). */
export async function desktopsMakePlan(
  broker: Broker,
  principal: Principal,
  poolId: string,
  wish: PeopleWish,
): Promise<PersonResult[]> {
  try {
    return await transact(broker.db, async tx => {
      const { results } = await madeIn(tx, broker, principal, poolId, wish)
      throw new Tried(results.map(one => ({ ...one, desktop: one.desktop && { ...one.desktop, id: null } })))
    })
  } catch (thrown) {
    if (thrown instanceof Tried) return thrown.results
    throw thrown
  }
}

/** @returns what came of each person, in the order they are named, each once. */
async function madeIn(
  tx: Tx,
  broker: Broker,
  principal: Principal,
  poolId: string,
  { userIds, ...wish }: PeopleWish,
): Promise<{ results: PersonResult[]; tasks: string[]; poolName: string }> {
  const [pool] = await poolRows(tx, { ids: [poolId] })
  if (!pool?.wished_present) throw new HdcsError('not_found', 'There is no such pool.')
  await poolGrowLock(tx, poolId)
  const ids = [...new Set(userIds)]
  const names = principal.permissions.has('user.read') ? await userNames(tx, ids) : new Map<string, string>()
  const made = new Map<string, { id: string; taskId: string }>()
  const refused = new Map<string, TroubleValue>()
  for (const userId of ids) {
    try {
      // What one began before it was refused is taken back; the others' stays.
      const { id, task } = await apart(tx, () => desktopMakeIn(tx, broker, principal, poolId, { ...wish, userId }))
      made.set(userId, { id, taskId: task.id })
    } catch (thrown) {
      if (!(thrown instanceof HdcsError)) throw thrown
      refused.set(userId, { code: thrown.code, text: thrown.message })
    }
  }
  const desktopIds = [...made.values()].map(({ id }) => id)
  const rows = desktopIds.length > 0 ? await desktopRows(tx, { ids: desktopIds, limit: desktopIds.length }) : []
  const results = ids.map((userId): PersonResult => {
    const row = rows.find(({ id }) => id === made.get(userId)?.id)
    const desktop = row ? { id: row.id, name: row.name, hostName: row.host_name } : null
    return { userId, userName: names.get(userId) ?? null, desktop, error: refused.get(userId) ?? null }
  })
  return { results, tasks: [...made.values()].map(({ taskId }) => taskId), poolName: pool.name }
}
