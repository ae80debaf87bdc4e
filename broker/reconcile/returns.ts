import { desktopsWaitSet, type ReturnHostRow, returnHosts, returnRows } from '../../db/returns.ts'
import { transact } from '../../db/transact.ts'
import { desktopsBringBack, placed, planOf, waitingNote, waitsText } from '../bringing-back.ts'
import type { Broker } from '../broker.ts'
import { makeFencing } from '../fencing.ts'
import { hostsToPlaceOn } from '../placing.ts'
import { listeningSince, lostForCertain } from '../returning.ts'
import type { Reconciler } from './driver.ts'

/**
 * So many come back in one transaction. More: whoever wants a desktop made waits until it ends; fewer: a host with
 * hundreds of desktops takes longer than people wait.
 */
const atOnce = 50

/** While a host is silent. Longer: people wait for their desktops; shorter: queries for nothing. */
const awayMs = 2_000
/** Otherwise: a host that falls silent wakes us. */
const calmMs = 10_000

/** Brings the desktops of lost hosts back elsewhere (returning.ts), and has those hosts fenced where that is set up. */
export function returnsReconciler(broker: Broker): Reconciler {
  let listening = broker.clock.now()
  let lookedAt = listening
  /** At the last look; at the first one as well, for what an earlier process left open. */
  let away = true
  const fencing = makeFencing(broker)
  return {
    name: 'returns',
    everyMs: () => (away ? awayMs : calmMs),
    async step(signal) {
      const now = broker.clock.now()
      const hosts = await returnHosts(broker.db)
      const wasAway = away
      away = hosts.some(({ state }) => state === 'suspect' || state === 'lost')
      listening = listeningSince(listening, lookedAt, hosts.map(heard), now)
      const lost = hosts.filter(host => lostForCertain(factsOfHost(host), now, listening))
      if (away || wasAway) await fencing.step(hosts, lost)
      for (const host of lost) await leave(broker, host, hosts, signal)
      lookedAt = broker.clock.now()
    },
  }
}

async function leave(broker: Broker, host: ReturnHostRow, hosts: ReturnHostRow[], signal: AbortSignal) {
  const { db, clock } = broker
  const rows = await returnRows(db, { hostId: host.id })
  const planned = rows.map(row => ({ row, plan: planOf(row, host, hosts, clock.now()) }))
  const waiting = planned.flatMap(({ row, plan }) =>
    plan.do === 'wait' && row.waits_for !== plan.for
      ? [{ id: row.id, waits_for: plan.for, told: row.waits_for, present: row.wished_present }]
      : [],
  )
  if (waiting.length > 0)
    await transact(db, async tx => {
      await desktopsWaitSet(tx, waiting)
      await waitingNote(tx, host.id, waiting, clock.now())
    })
  const told = planned.some(({ row, plan }) => plan.do === 'return' && row.waits_for !== null)
  const room = told ? await hostsToPlaceOn(db, { poolIds: [...new Set(rows.map(row => row.pool_id))] }) : []
  const due = planned.flatMap(({ row, plan }) => {
    if (plan.do === 'wait') return []
    // What is still told for the same reason needs no transaction.
    const same =
      plan.do === 'return' &&
      row.waits_for !== null &&
      row.waits_for === waitsText(placed(row, plan, host, hosts, room).decision)
    return same ? [] : [row.id]
  })
  for (let from = 0; from < due.length && !signal.aborted; from += atOnce) {
    const ids = due.slice(from, from + atOnce)
    await transact(db, tx => desktopsBringBack(tx, host.id, ids, clock.now()))
  }
}

const heard = ({ observed_beat_at: beatAt, suspect_ms: suspectMs }: ReturnHostRow) => ({ beatAt, suspectMs })
const factsOfHost = (host: ReturnHostRow) => ({
  state: host.state,
  stateSince: host.state_since,
  beatAt: host.observed_beat_at,
  lostMs: host.lost_ms,
})
