import type { Tx } from '../../db/connect.ts'
import { desktopDelete, desktopLock, transitionNote } from '../../db/desktops.ts'
import { nudge } from '../../db/events.ts'
import { addressesFree, addressLock } from '../../db/hosts.ts'
import {
  desktopReturn,
  desktopWaitsSet,
  type ReturnHostRow,
  type ReturnRow,
  returnHostLock,
  returnHosts,
  returnRows,
} from '../../db/returns.ts'
import { sessionsEnd } from '../../db/sessions.ts'
import { transact } from '../../db/transact.ts'
import type { Broker } from '../broker.ts'
import { makeFencing } from '../fencing.ts'
import { type Decision, type Demand, decisionText, type HostFacts, placeDesktop, withDesktop } from '../placement.ts'
import { demandOf, hostsToPlaceOn, placementNote } from '../placing.ts'
import {
  desktopRests,
  listeningSince,
  lostForCertain,
  mayTake,
  type ReturnHost,
  type ReturnPlan,
  returnPlan,
} from '../returning.ts'
import { screenPortTake } from '../screen-ports.ts'
import type { Reconciler } from './driver.ts'

/**
 * The target of a move that failed may still be ending its copy, unguarded by a lock. Shorter: it might still write;
 * longer: who was on the way when its host was lost waits.
 */
const afterMoveMs = 30_000

/**
 * So many are placed on what was read of the hosts once, each counted for those after it. More: what others place meanwhile
 * is seen late; fewer: a host with hundreds of desktops takes longer than people wait.
 */
const placedOnce = 25

type Back = Extract<ReturnPlan, { do: 'return' }>

/** Brings the desktops of lost hosts back elsewhere (returning.ts), and has those hosts fenced where that is set up. */
export function returnsReconciler(broker: Broker): Reconciler {
  let listening = broker.clock.now()
  const fencing = makeFencing(broker)
  return {
    name: 'returns',
    everyMs: 2_000,
    async step(signal) {
      const now = broker.clock.now()
      const hosts = await returnHosts(broker.db)
      listening = listeningSince(listening, hosts.map(heard), now)
      const lost = hosts.filter(host => lostForCertain(factsOfHost(host), now, listening))
      await fencing.step(hosts, lost)
      for (const host of lost) await leave(broker, host, hosts, signal)
    },
  }
}

async function leave(broker: Broker, host: ReturnHostRow, hosts: ReturnHostRow[], signal: AbortSignal) {
  const { db } = broker
  const rows = await returnRows(db, { hostId: host.id })
  const poolIds = [...new Set(rows.map(row => row.pool_id))]
  let room: HostFacts[] = []
  let used = placedOnce
  for (const row of rows) {
    if (signal.aborted) return
    const plan = planOf(row, host, hosts, broker.clock.now())
    if (plan.do === 'wait') {
      if (row.waits_for !== plan.for) await desktopWaitsSet(db, row.id, plan.for)
      continue
    }
    if (used >= placedOnce) room = await hostsToPlaceOn(db, { poolIds })
    if (used >= placedOnce) used = 0
    // What is still told for the same reason needs no transaction.
    const waited = plan.do === 'return' && row.waits_for !== null
    if (waited && row.waits_for === waitsText(placed(row, plan, host, hosts, room).decision)) continue
    const went = await transact(db, tx => bringBack(tx, broker, host, hosts, row.id, room))
    if (went) room = room.map(to => (to.id === went.hostId ? withDesktop(to, went.demand) : to))
    used++
  }
}

const heard = (host: ReturnHostRow) => ({ beatAt: host.observed_beat_at, lostMs: host.lost_ms })
const factsOfHost = (host: ReturnHostRow) => ({
  state: host.state,
  stateSince: host.state_since,
  ...heard(host),
})
const storageOf = ({ observed_facts: facts }: ReturnHostRow): ReturnHost => ({
  storageId: facts?.storageId ?? null,
  diskLocks: facts?.diskLocks ?? false,
})

/** @returns where it went and with what demand, if it went. */
async function bringBack(
  tx: Tx,
  broker: Broker,
  host: ReturnHostRow,
  hosts: ReturnHostRow[],
  id: string,
  room: readonly HostFacts[],
): Promise<{ hostId: string; demand: Demand } | undefined> {
  const now = broker.clock.now()
  await addressLock(tx)
  // Read again: it may have been heard, or given back, in this very moment.
  const locked = await desktopLock(tx, id)
  const fresh = await returnHostLock(tx, host.id)
  const [row] = await returnRows(tx, { id })
  if (!locked || !fresh || row?.host_id !== host.id) return
  if (fresh.state !== 'lost' || (fresh.observed_beat_at && fresh.observed_beat_at >= fresh.state_since)) return
  const plan = planOf(row, { ...host, ...fresh }, hosts, now)
  if (plan.do === 'wait') return
  if (plan.do === 'forget') {
    await forget(tx, row, plan.because, now)
    return
  }
  const { decision, demand, near } = placed(row, plan, host, hosts, room)
  const { hostId, hostName = '' } = decision
  const [address] = hostId === undefined || near ? [] : await addressesFree(tx, hostId, 1)
  await placementNote(tx, id, 'return', decision)
  if (hostId === undefined || (!near && address === undefined)) {
    await desktopWaitsSet(tx, id, waitsText(decision) ?? null)
    return
  }
  await taken(tx, row, plan, { hostId, hostName, address: address ?? null }, now)
  return { hostId, demand }
}

const waitsText = (decision: Decision) =>
  decision.hostId === undefined ? `a host that can take it (${decisionText(decision)})` : undefined

async function forget(tx: Tx, row: ReturnRow, because: string, now: Date) {
  await sessionsEnd(tx, row.id, now)
  await transitionNote(tx, [{ ...row, was: 'removing', became: 'removed', reason: because }], now)
  await desktopDelete(tx, row.id)
  await nudge(tx, 'tasks')
}

async function taken(
  tx: Tx,
  row: ReturnRow,
  plan: Back,
  to: { hostId: string; hostName: string; address: string | null },
  now: Date,
) {
  const own = plan.disk === 'own'
  const incarnation = row.wished_incarnation + (own ? 0 : 1)
  await desktopReturn(tx, row.id, { ...to, incarnation, diskMade: own && row.disk_incarnation === incarnation })
  await screenPortTake(tx, to.hostId, row.id)
  await sessionsEnd(tx, row.id, now)
  const reason = `${plan.because}, on ${to.hostName}`
  await transitionNote(tx, [{ ...row, host_id: to.hostId, was: row.phase, became: 'returned', reason }], now)
}

function planOf(row: ReturnRow, host: ReturnHostRow, hosts: readonly ReturnHostRow[], now: Date): ReturnPlan {
  const movedMs = row.moved_at ? now.getTime() - row.moved_at.getTime() : Number.POSITIVE_INFINITY
  return returnPlan({
    present: row.wished_present,
    kind: row.kind,
    assigned: row.user_id !== null,
    ha: row.ha,
    diskMade: row.disk_incarnation === row.wished_incarnation,
    rests: desktopRests(
      {
        wishedPower: row.wished_power,
        generation: row.generation,
        observed: { generation: row.observed_generation, power: row.observed_power, step: row.observed_step },
        stepSince: row.step_since,
      },
      host.state_since,
    ),
    moving: row.moving || movedMs < afterMoveMs,
    host: { name: host.name, lostSince: host.state_since, fencedAt: host.fenced_at, ...storageOf(host) },
    others: hosts.filter(other => other.cluster_id === host.cluster_id && other.state === 'online').map(storageOf),
  })
}

/** In its own cluster it keeps its address (`near`); with a new disk it may also go to another one, where it gets one of there. */
function placed(
  row: ReturnRow,
  plan: Back,
  home: ReturnHostRow,
  hosts: readonly ReturnHostRow[],
  room: readonly HostFacts[],
): { decision: Decision; demand: Demand; near: boolean } {
  const priority = row.user_id === null ? ('prewarm' as const) : ('person' as const)
  const pool = { ...row, id: row.pool_id }
  const desktop = { hardware: row.hardware, versionId: row.version_id }
  const byId = new Map(hosts.map(host => [host.id, host]))
  const here = room.map(to => {
    const host = byId.get(to.id)
    if (host?.cluster_id !== home.cluster_id)
      return { ...to, trouble: `its address is of the cluster ${home.cluster_name}` }
    return mayTake(plan, storageOf(host))
      ? to
      : { ...to, trouble: 'its disk is not there, or not guarded by locks there' }
  })
  const demand = demandOf(pool, { ...desktop, addressClusterId: home.cluster_id }, priority)
  const decision = placeDesktop(here, demand)
  if (decision.hostId !== undefined || plan.disk === 'own') return { decision, demand, near: true }
  const anywhere = demandOf(pool, desktop, priority)
  const away = placeDesktop(room, anywhere)
  return away.hostId === undefined
    ? { decision, demand, near: true }
    : { decision: away, demand: anywhere, near: false }
}
