import type { Principal } from '../auth/principal.ts'
import { eventNouns, eventRows, eventSpan } from '../db/events.ts'
import { poolIdsUsable } from '../db/pools.ts'
import type { Broker } from './broker.ts'

/**
 * Events after an id, oldest first, of what this person may see: everything for those who read machines; else the own
 * desktops and tasks, and the pools one may use.
 */
export async function eventsAfter(broker: Broker, principal: Principal, lastId: number, limit: number) {
  const everything = principal.permissions.has('desktop.read') || principal.permissions.has('user.read')
  if (everything) return eventRows(broker.db, lastId, { userId: null, poolIds: [] }, limit)
  const { userId } = principal
  return eventRows(broker.db, lastId, { userId, poolIds: await poolIdsUsable(broker.db, userId) }, limit)
}

export { eventNouns }

export const eventsSpan = (broker: Broker) => eventSpan(broker.db)

type Listener = () => void
const listeners = new WeakMap<Broker, Set<Listener>>()

/** Calls back whenever something happened anywhere; one database connection serves all listeners of a process. */
export function eventListen(broker: Broker, onEvent: Listener): Disposable {
  const set = listeners.get(broker) ?? new Set()
  listeners.set(broker, set)
  set.add(onEvent)
  return { [Symbol.dispose]: () => set.delete(onEvent) }
}

/** For whoever hears the database (bin/control.ts). */
export function eventsHeard(broker: Broker) {
  for (const listener of listeners.get(broker) ?? []) listener()
}
