/** Maintenance of a host: nothing more is placed on it, its desktops leave by plan and come back when it ends. */
import type { Principal } from '../auth/principal.ts'
import type { Db, Tx } from '../db/connect.ts'
import { desktopRows } from '../db/desktops.ts'
import { nudge } from '../db/events.ts'
import { hostEnds } from '../db/host-ends.ts'
import { hostHistoryAdd } from '../db/host-history.ts'
import { hostLock } from '../db/hosts.ts'
import {
  desktopsMovable,
  hostMaintenanceSet,
  hostsInMaintenance,
  type MaintenanceWish,
  migrationsFailed,
  originsForget,
} from '../db/migrations.ts'
import { transact } from '../db/transact.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Broker } from './broker.ts'
import { type EvacuationItem, evacuationCounts, planEvacuation, planReturn, type Turn } from './evacuation.ts'
import { hostGet } from './hosts.ts'
import { hostsToPlaceOn } from './placing.ts'
import { type TaskView, taskOpen } from './tasks.ts'

export type MaintenancePlan = Awaited<ReturnType<typeof planView>>

/** With who works on each: the page names them before anything happens to their desktops. */
async function planView(db: Db, host: { id: string; name: string }, items: readonly EvacuationItem[]) {
  const ids = items.map(({ desktopId }) => desktopId)
  const rows = ids.length > 0 ? await desktopRows(db, { ids, limit: ids.length }) : []
  const people = new Map(rows.map(row => [row.id, row.user_name]))
  return {
    hostId: host.id,
    hostName: host.name,
    desktops: items.map(({ desktopId, desktopName, do: step, kind, hostId, hostName, because }) => {
      const userName = people.get(desktopId) ?? null
      return { desktopId, desktopName, userName, do: step, kind, hostId, hostName, because }
    }),
    counts: evacuationCounts(items),
  }
}

type Host = Awaited<ReturnType<typeof hostsInMaintenance>>[number]

/** How the desktops of a host would leave it now. @param turn only of those whose turn it may be. */
export async function evacuationItems(db: Db | Tx, host: Pick<Host, 'id' | 'state_since'>, now: Date, turn?: Turn) {
  const failed = await migrationsFailed(db, { fromHostId: host.id }, 'maintenance', host.state_since)
  const { desktops, world } = await leaving(db, { hostId: host.id }, failed)
  return planEvacuation(desktops, world, now, turn)
}

/** How those that left it would come back now. @param turn only of those whose turn it may be. */
export async function returnItems(db: Db | Tx, host: Pick<Host, 'id' | 'name' | 'state' | 'state_since'>, turn?: Turn) {
  const failed = await migrationsFailed(db, { toHostId: host.id }, 'return', host.state_since)
  const { desktops, world } = await leaving(db, { originHostId: host.id }, failed)
  return planReturn(host, desktops, world, turn)
}

async function leaving(
  db: Db | Tx,
  which: Parameters<typeof desktopsMovable>[1],
  failed: Awaited<ReturnType<typeof migrationsFailed>>,
) {
  const rows = await desktopsMovable(db, which)
  const hosts = await hostsToPlaceOn(db, { poolIds: [...new Set(rows.map(row => row.pool_id))] })
  const desktops = rows.map(row => ({ ...row, failed: failed.get(row.id) ?? null }))
  return { desktops, world: { hosts, ends: await hostEnds(db) } }
}

export interface MaintenanceAnswer {
  /** Undefined: only asked how it would go. */
  task: TaskView | undefined
  plan: MaintenancePlan
  host: Awaited<ReturnType<typeof hostGet>>
}

/** @throws HdcsError `not_found`, `conflict` when it is so already. */
export async function maintenanceEnter(
  broker: Broker,
  principal: Principal,
  id: string,
  ask: { evacuate: boolean; dryRun: boolean },
): Promise<MaintenanceAnswer> {
  const host = await hostRead(broker.db, id)
  const items = ask.evacuate ? await evacuationItems(broker.db, host, broker.clock.now()) : []
  const plan = await planView(broker.db, host, items)
  if (ask.dryRun) return { task: undefined, plan, host: await hostGet(broker, principal, id) }
  const task = await maintenanceWish(broker, principal, id, now => {
    const already = now.wished_state === 'maintenance' && (now.wished_evacuate || !ask.evacuate)
    if (already) throw new HdcsError('conflict', `${now.name} is in maintenance already.`)
    const wish = { wished_state: 'maintenance' as const, wished_evacuate: ask.evacuate }
    return { wish, kind: 'host.enterMaintenance', goal: { evacuate: ask.evacuate, total: now.desktops } }
  })
  return { task, plan, host: await hostGet(broker, principal, id) }
}

/** @throws HdcsError `not_found`, `conflict` when it is not in maintenance. */
export async function maintenanceLeave(
  broker: Broker,
  principal: Principal,
  id: string,
  ask: { bringBack: boolean; dryRun: boolean },
): Promise<MaintenanceAnswer> {
  const host = await hostRead(broker.db, id)
  const plan = await planView(broker.db, host, ask.bringBack ? await returnItems(broker.db, host) : [])
  if (ask.dryRun) return { task: undefined, plan, host: await hostGet(broker, principal, id) }
  const task = await maintenanceWish(broker, principal, id, now => {
    if (now.wished_state === 'online') throw new HdcsError('conflict', `${now.name} is not in maintenance.`)
    const wish = { wished_state: 'online' as const, wished_evacuate: false }
    const goal = { bringBack: ask.bringBack, total: ask.bringBack ? now.away : 0 }
    return { wish, kind: 'host.leaveMaintenance', goal, forget: !ask.bringBack }
  })
  return { task, plan, host: await hostGet(broker, principal, id) }
}

async function hostRead(db: Db | Tx, id: string): Promise<Host> {
  const [host] = await hostsInMaintenance(db, id)
  if (!host) throw new HdcsError('not_found', 'There is no such host.')
  return host
}

interface Asked {
  wish: MaintenanceWish
  kind: string
  goal: Record<string, unknown>
  forget?: boolean
}

/** @param asked what is wished of the host as it is now, looked at under its lock: of two who ask at once one is refused. */
async function maintenanceWish(
  broker: Broker,
  principal: Principal,
  id: string,
  asked: (host: Host) => Asked,
): Promise<TaskView> {
  const now = broker.clock.now()
  const task = await transact(broker.db, async tx => {
    await hostLock(tx, id)
    const host = await hostRead(tx, id)
    const { wish, kind, goal, forget } = asked(host)
    await hostMaintenanceSet(tx, id, wish)
    if (forget) await originsForget(tx, id)
    await hostHistoryAdd(tx, { hostId: id, what: wishEvent(wish), userName: principal.name }, now)
    return taskOpen(tx, { kind, subject: { type: 'host', id, name: host.name }, requestedBy: principal, goal }, now)
  })
  for (const reconciler of ['hosts', 'evacuations']) await nudge(broker.db, reconciler)
  return task
}

const wishEvent = (wish: MaintenanceWish) =>
  wish.wished_state === 'online' ? 'maintenanceEnded' : wish.wished_evacuate ? 'evacuation' : 'maintenance'
