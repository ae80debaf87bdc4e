/** What a host went through and what was done about it: each is written where it is decided, in the same transaction. */
import type { Principal } from '../auth/principal.ts'
import type { Tx } from '../db/connect.ts'
import {
  copiesElsewhere,
  type HostHistoryNew,
  hostAgentSet,
  hostHistoryAdd,
  hostHistoryRows,
  hostLossRows,
  hostSaidBefore,
} from '../db/host-history.ts'
import type { HostState, TroubleValue } from '../db/schema.ts'
import type { HostEvent } from '../db/schema-hosts.ts'
import { transact } from '../db/transact.ts'
import type { MachineReport } from '../vmm/report.ts'
import type { Broker } from './broker.ts'
import { hostGet } from './hosts.ts'
import { pageOf } from './pages.ts'

export { hostEvents } from '../db/schema-hosts.ts'

/** A change of state as an event; undefined: the wish for it was told already. Pure. */
export function stateEvent(host: {
  id: string
  was: HostState
  state: HostState
  suspect_ms: number
  lost_ms: number
}): HostHistoryNew | undefined {
  const { id: hostId, was, state } = host
  const of = (what: HostEvent, silentMs?: number) => ({
    hostId,
    what,
    ...(silentMs !== undefined && { amount: Math.round(silentMs / 1000) }),
  })
  if (state === 'suspect') return of('suspect', host.suspect_ms)
  if (state === 'lost') return of('lost', host.lost_ms)
  if (was === 'joining') return of('heard')
  if (was === 'suspect') return of('heardAgain')
  return was === 'lost' ? of('back') : undefined
}

/** What a host says now that it did not say before. Pure. */
export function saidEvents(
  hostId: string,
  before: { troubles: readonly TroubleValue[]; agentAt: Date | null },
  said: { troubles: readonly TroubleValue[]; agentAt: Date | undefined },
): HostHistoryNew[] {
  const differing = (of: readonly TroubleValue[], than: readonly TroubleValue[]) =>
    of.filter(({ text }) => !than.some(other => other.text === text)).map(({ text }) => text)
  const { agentAt, troubles } = said
  const restarted = agentAt !== undefined && before.agentAt !== null && before.agentAt.getTime() !== agentAt.getTime()
  return [
    ...(restarted ? [{ hostId, what: 'agentStarted' as const }] : []),
    ...differing(before.troubles, troubles).map(reason => ({ hostId, what: 'troubleOver' as const, reason })),
    ...differing(troubles, before.troubles).map(reason => ({ hostId, what: 'trouble' as const, reason })),
  ]
}

/** Before what the host says is written over what it said before. @param startedAt when its agent began, if it tells. */
export async function hostSaid(
  tx: Tx,
  id: string,
  said: { troubles: readonly TroubleValue[]; startedAt?: string | undefined },
  at: Date,
) {
  const row = await hostSaidBefore(tx, id)
  if (!row) return
  const before = { troubles: row.observed_troubles, agentAt: row.observed_agent_at }
  const agentAt = said.startedAt === undefined ? undefined : new Date(said.startedAt)
  for (const event of saidEvents(id, before, { troubles: said.troubles, agentAt })) await hostHistoryAdd(tx, event, at)
  if (agentAt && agentAt.getTime() !== before.agentAt?.getTime()) await hostAgentSet(tx, id, agentAt)
}

/** Of everything that a host has, as it says when it is heard anew: what lives elsewhere by now, and ends there. */
export async function copiesNote(broker: Broker, hostId: string, machines: readonly MachineReport[]) {
  const running = machines.filter(({ power }) => power !== 'stopped').map(({ id }) => id)
  const amount = await copiesElsewhere(broker.db, hostId, running)
  if (amount > 0) await historyNote(broker, { hostId, what: 'copiesEnded', amount })
}

export const historyNote = (broker: Broker, event: HostHistoryNew) =>
  transact(broker.db, tx => hostHistoryAdd(tx, event, broker.clock.now()))

/** Newest first. @throws HdcsError `not_found`. */
export async function hostHistory(
  broker: Broker,
  principal: Principal,
  id: string,
  query: { limit: number; cursor?: string | undefined },
) {
  await hostGet(broker, principal, id)
  const rows = await hostHistoryRows(broker.db, id, query.limit + 1, query.cursor ? Number(query.cursor) : undefined)
  return pageOf(
    rows,
    query.limit,
    row => String(row.id),
    ({ id: rowId, at, what, amount, reason, user_name }) => ({
      id: String(rowId),
      at: at.toISOString(),
      what,
      amount,
      reason,
      userName: user_name,
    }),
  )
}

/** Longer: what was seen to yesterday stands beside what is wrong now; shorter: nobody who comes in the morning sees the night. */
const lossesMs = 24 * 3_600_000
/** More than so many in a day are one story, told by the newest. */
const mostLosses = 20

/** Hosts that were lost since yesterday, and what became of their desktops; newest first. */
export async function hostLossList(broker: Broker, _principal: Principal) {
  const since = new Date(broker.clock.now().getTime() - lossesMs)
  const rows = await hostLossRows(broker.db, since, mostLosses)
  const items = rows.map(({ id, host_id, name, at, back_at, returned, waiting }) => ({
    id: String(id),
    hostId: host_id,
    hostName: name,
    at: at.toISOString(),
    backAt: back_at?.toISOString() ?? null,
    returned,
    waiting,
  }))
  return { items, nextCursor: null }
}
