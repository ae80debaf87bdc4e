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
import type { Broker } from '../broker.ts'
import { makeFencing } from '../fencing.ts'
import { type Decision, decisionText } from '../placement.ts'
import { demandOf, placeDesktops, placementNote } from '../placing.ts'
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
      for (const host of lost) {
        for (const { id } of await returnRows(broker.db, { hostId: host.id })) {
          if (signal.aborted) return
          await broker.db.transaction().execute(tx => bringBack(tx, broker, host, hosts, id))
        }
      }
    },
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

async function bringBack(tx: Tx, broker: Broker, host: ReturnHostRow, hosts: ReturnHostRow[], id: string) {
  const now = broker.clock.now()
  await addressLock(tx)
  // Read again: it may have been heard, or given back, in this very moment.
  const locked = await desktopLock(tx, id)
  const fresh = await returnHostLock(tx, host.id)
  const [row] = await returnRows(tx, { id })
  if (!locked || !fresh || row?.host_id !== host.id) return
  if (fresh.state !== 'lost' || (fresh.observed_beat_at && fresh.observed_beat_at >= fresh.state_since)) return
  const plan = planOf(row, { ...host, ...fresh }, hosts, now)
  if (plan.do === 'wait') return waits(tx, row, plan.for)
  if (plan.do === 'forget') return forget(tx, row, plan.because, now)
  const { decision, address } = await placed(tx, row, plan, host, hosts)
  if (decision.hostId === undefined) {
    const text = `a host that can take it (${decisionText(decision)})`
    if (row.waits_for === text) return
    await placementNote(tx, id, 'return', decision)
    return waits(tx, row, text)
  }
  await taken(tx, row, plan, { hostId: decision.hostId, hostName: decision.hostName ?? '', address }, now)
  await placementNote(tx, id, 'return', decision)
}

async function waits(tx: Tx, row: ReturnRow, text: string) {
  if (row.waits_for !== text) await desktopWaitsSet(tx, row.id, text)
}

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

/** In its own cluster it keeps its address; with a new disk it may also go to another one, where it gets one of there. */
async function placed(
  tx: Tx,
  row: ReturnRow,
  plan: Back,
  home: ReturnHostRow,
  hosts: readonly ReturnHostRow[],
): Promise<{ decision: Decision; address: string | null }> {
  const priority = row.user_id === null ? ('prewarm' as const) : ('person' as const)
  const pool = { ...row, id: row.pool_id }
  const desktop = { hardware: row.hardware, versionId: row.version_id }
  const near = new Map<string, string>()
  for (const host of hosts) {
    if (host.cluster_id !== home.cluster_id) near.set(host.id, `its address is of the cluster ${home.cluster_name}`)
    else if (!mayTake(plan, storageOf(host))) near.set(host.id, 'its disk is not there, or not guarded by locks there')
  }
  const kept = demandOf(pool, { ...desktop, addressClusterId: home.cluster_id }, priority)
  const here = await placeDesktops(tx, { demand: kept, count: 1, exclude: near })
  const [first] = here.placed
  const decision = first ?? here.short
  if (!decision) throw new Error('placement of one desktop gave no decision')
  if (first || plan.disk === 'own') return { decision, address: null }
  const anywhere = await placeDesktops(tx, { demand: demandOf(pool, desktop, priority), count: 1 })
  const [away] = anywhere.placed
  if (!away) return { decision, address: null }
  const [address] = await addressesFree(tx, away.hostId, 1)
  return address === undefined ? { decision, address: null } : { decision: away, address }
}
