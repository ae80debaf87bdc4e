/** Moves of desktops between hosts: asked for, listed, called off. What becomes of them: reconcile/migrations.ts. */
import type { Principal } from '../auth/principal.ts'
import type { Tx } from '../db/connect.ts'
import { desktopLock } from '../db/desktops.ts'
import { type HostEnd, hostEnds } from '../db/host-ends.ts'
import { addressLock } from '../db/hosts.ts'
import { desktopsMovable, type MigrationRow, type MovableRow, migrationRows, originSet } from '../db/migrations.ts'
import type { MigrationKind } from '../db/schema-hosts.ts'
import { transact } from '../db/transact.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Broker } from './broker.ts'
import { type DesktopView, desktopGet } from './desktops.ts'
import { migrationOpen } from './move-opening.ts'
import { moveTarget, type Target, type TargetAsk } from './move-target.ts'
import { pageOf } from './pages.ts'
import { hostsToPlaceOn } from './placing.ts'
import { moveKind, type TaskView, taskOpen } from './tasks.ts'

const iso = (date: Date | null) => date?.toISOString() ?? null

function migrationView(row: MigrationRow) {
  return {
    id: row.id,
    desktopId: row.desktop_id,
    desktopName: row.desktop_name,
    fromHostId: row.from_host_id,
    fromHostName: row.from_host_name,
    toHostId: row.to_host_id,
    toHostName: row.to_host_name,
    kind: row.kind,
    cause: row.cause,
    reason: row.reason,
    state: row.state,
    progress: row.progress,
    text: row.text,
    trouble: row.trouble,
    taskId: row.task_id,
    createdAt: row.created_at.toISOString(),
    startedAt: iso(row.started_at),
    endedAt: iso(row.ended_at),
  }
}

export async function migrationList(
  broker: Broker,
  query: {
    limit: number
    cursor?: string | undefined
    hostId?: string | undefined
    desktopId?: string | undefined
    open?: boolean | undefined
  },
) {
  const { limit, cursor, ...filter } = query
  const rows = await migrationRows(broker.db, { ...filter, before: cursor, limit: limit + 1 })
  return pageOf(rows, limit, row => row.id, migrationView)
}

/** Where a desktop would go, how, and why not elsewhere. */
export interface MoveChoice {
  hostId: string | null
  hostName: string | null
  kind: MigrationKind | null
  why: string
  /** `nameable`: a person may send it there, if shut down for it; null: not asked about. */
  hosts: (Target['decision']['hosts'][number] & { nameable: boolean | null })[]
}

const choiceOf = ({ decision, kind, waits, warning }: Target): MoveChoice => ({
  hostId: decision.hostId ?? null,
  hostName: decision.hostName ?? null,
  kind,
  why: waits ?? [decision.why, ...(warning ? [warning] : [])].join('; '),
  hosts: decision.hosts.map(host => ({ ...host, nameable: null })),
})

/** Where it would go now. @throws HdcsError `not_found` (desktop or host). */
export async function desktopMovePlan(broker: Broker, principal: Principal, id: string, ask: TargetAsk) {
  const desktop = await desktopGet(broker, principal, id)
  const [row] = await desktopsMovable(broker.db, { id })
  if (!row) throw new HdcsError('not_found', 'There is no such desktop.')
  const hosts = await hostsToPlaceOn(broker.db, { poolIds: [row.pool_id] })
  const ends = await hostEnds(broker.db)
  hostNamed(ends, ask)
  const choice = choiceOf(moveTarget(hosts, ends, row, ask))
  if (ask.hostId !== null) return { desktop, choice }
  // Left to us it stays in its cluster; a person who chooses is told what holds when that host is named.
  const named = choice.hosts.map(host => {
    const at = { hostId: host.hostId, restart: true }
    const { decision, kind, waits } = moveTarget(hosts, ends, row, at)
    const nameable = kind !== null || waits !== null
    const reason = decision.hosts.find(({ hostId }) => hostId === host.hostId)?.reason
    return { ...host, nameable, ...(!nameable && reason !== undefined && { reason }) }
  })
  return { desktop, choice: { ...choice, hosts: named } }
}

/**
 * Asks for a move: to the named host, or to the best one of its cluster.
 * @throws HdcsError `not_found` (desktop or host), `conflict` (there or on its way already, not movable now), `no_host` with every host's reason.
 */
export async function desktopMove(
  broker: Broker,
  principal: Principal,
  id: string,
  ask: TargetAsk,
): Promise<{ task: TaskView; desktop: DesktopView; choice: MoveChoice }> {
  const { name, actions } = await desktopGet(broker, principal, id)
  const refused = actions.find(action => action.name === 'migrate')?.reason
  if (refused !== undefined) throw new HdcsError('conflict', `${name}: ${refused}.`)
  const now = broker.clock.now()
  const { task, choice } = await transact(broker.db, async tx => {
    const row = await movableLock(tx, id)
    const hosts = await hostsToPlaceOn(tx, { poolIds: [row.pool_id] })
    const ends = await hostEnds(tx)
    const named = hostNamed(ends, ask)
    if (named?.id === row.host_id) throw new HdcsError('conflict', `${name} is on ${named.name} already.`)
    const target = moveTarget(hosts, ends, row, ask)
    const subject = { type: 'desktop', id, name }
    const opened = await taskOpen(tx, { kind: moveKind, subject, requestedBy: principal }, now)
    const why = {
      cause: 'person' as const,
      reason: `asked by ${principal.name}`,
      taskId: opened.id,
      restart: ask.restart,
    }
    await migrationOpen(tx, row, target, why, now)
    // Where a person sends it, it stays.
    if (row.origin_host_id !== null) await originSet(tx, id, null)
    return { task: opened, choice: choiceOf(target) }
  })
  return { task, choice, desktop: await desktopGet(broker, principal, id) }
}

/** The host that was asked for by name. @throws HdcsError `not_found`. */
function hostNamed(ends: ReadonlyMap<string, HostEnd>, { hostId }: TargetAsk): HostEnd | undefined {
  if (hostId === null) return undefined
  const end = ends.get(hostId)
  if (!end) throw new HdcsError('not_found', 'There is no such host.')
  return end
}

/** The row as it is now, against changes until the transaction ends; nobody else places meanwhile. */
async function movableLock(tx: Tx, id: string): Promise<MovableRow> {
  await addressLock(tx)
  const locked = await desktopLock(tx, id)
  const [row] = await desktopsMovable(tx, { id })
  if (!locked || !row) throw new HdcsError('not_found', 'There is no such desktop.')
  return row
}
