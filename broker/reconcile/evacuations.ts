import type { Tx } from '../../db/connect.ts'
import { desktopLock, desktopWishFree, transitionNote } from '../../db/desktops.ts'
import { addressLock } from '../../db/hosts.ts'
import { desktopsMovable, hostsInMaintenance, type MovableRow, originSet } from '../../db/migrations.ts'
import { warmSpared } from '../../db/pools.ts'
import { transact } from '../../db/transact.ts'
import type { Broker } from '../broker.ts'
import type { EvacuationItem } from '../evacuation.ts'
import { evacuationItems, returnItems } from '../maintenance.ts'
import { migrationOpen } from '../move-opening.ts'
import type { Reconciler } from './driver.ts'

const turn = {
  /**
   * Moves of one host that stand in the queue or are under way. More: the last ones were placed by what was true long
   * before their turn; fewer than may move at once: turns are missed.
   */
  open: 4,
  /** Desktops begun anew elsewhere in one turn. More: their starts delay those of people who wait on the other hosts. */
  remade: 4,
}

/**
 * So long prewarmed desktops stay until others of their pools are ready elsewhere. Longer: a pool whose desktops never get
 * ready holds its host; shorter: slow guests leave their pool empty.
 */
const patienceMs = 10 * 60_000

/** While a host is being left or come back to. Longer: turns are missed; shorter: plans are made for nothing. */
const openMs = 2_000
/** Otherwise: who begins a maintenance or ends one wakes us, and so does a host that comes online. */
const idleMs = 15_000

type Host = Awaited<ReturnType<typeof hostsInMaintenance>>[number]

/** Lets the desktops of hosts in maintenance leave, and those that left come back after it: by the plan, made anew each turn for those that may go now. */
export function evacuationsReconciler(broker: Broker): Reconciler {
  let open = false
  return {
    name: 'evacuations',
    everyMs: () => (open ? openMs : idleMs),
    async step(signal) {
      open = false
      for (const host of await hostsInMaintenance(broker.db)) {
        if (signal.aborted) return
        const leaves = host.wished_state === 'maintenance' && host.wished_evacuate && (host.desktops ?? 0) > 0
        const returns = host.wished_state === 'online' && host.state === 'online' && (host.away ?? 0) > 0
        open ||= leaves || returns
        if (leaves) await transact(broker.db, tx => evacuate(tx, host, broker.clock.now()))
        if (returns) await transact(broker.db, tx => bringBack(tx, host, broker.clock.now()))
      }
    },
  }
}

async function evacuate(tx: Tx, host: Host, now: Date) {
  await addressLock(tx)
  const patient = now.getTime() - host.state_since.getTime() < patienceMs
  const remadeOf = patient ? await warmSpared(tx, host.id) : new Map<string, number>()
  const items = await evacuationItems(tx, host, now, { ...turn, remadeOf })
  const reason = `${host.name} goes into maintenance`
  for (const item of items) {
    const row = await chosen(tx, item)
    if (!row) continue
    const moves = item.do === 'migrate' || item.do === 'restart'
    if (moves && item.target) {
      const why = { cause: 'maintenance' as const, reason, taskId: null, restart: item.do === 'restart' }
      await migrationOpen(tx, row, item.target, why, now)
      if (row.origin_host_id === null) await originSet(tx, row.id, host.id)
    } else if (item.do === 'remake' || item.do === 'remove') await begunAnew(tx, row, item, reason, now)
  }
}

async function bringBack(tx: Tx, host: Host, now: Date) {
  await addressLock(tx)
  const items = await returnItems(tx, host, turn)
  for (const item of items) {
    const row = await chosen(tx, item)
    if (!row) continue
    if (item.forget) {
      const reason = `not brought back to ${host.name}: ${item.because}`
      await transitionNote(tx, [{ ...row, was: row.phase, became: 'stays', reason }], now)
      await originSet(tx, row.id, null)
    } else if (item.do === 'migrate' && item.target) {
      const why = { cause: 'return' as const, reason: 'its maintenance ended', taskId: null, restart: false }
      await migrationOpen(tx, row, item.target, why, now)
    }
  }
}

/** The row as the plan saw it, locked; undefined when there is nothing to do or it was claimed, given back or moved since. */
async function chosen(tx: Tx, item: EvacuationItem & { forget?: boolean }): Promise<MovableRow | undefined> {
  if (item.open || (item.do === 'wait' && item.forget !== true)) return
  await desktopLock(tx, item.desktopId)
  const [row] = await desktopsMovable(tx, { id: item.desktopId })
  return row && row.move_id === null && (row.user_id === null) === item.free ? row : undefined
}

/**
 * Its disk holds nothing of anybody: it ends here, and its pool makes another one elsewhere. Beginning the same one
 * elsewhere at once was tried: until this host's agent heard of it, one address ran twice.
 */
async function begunAnew(tx: Tx, row: MovableRow, item: EvacuationItem, reason: string, now: Date) {
  const done = await desktopWishFree(tx, row.id, { wished_present: false })
  const noted = { ...row, was: row.phase, became: 'remove planned', reason: `${reason}: ${item.because}` }
  if (done) await transitionNote(tx, [noted], now)
}
