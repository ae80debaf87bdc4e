/**
 * Starts a desktop that stands still: where it is; or, where its host cannot take it now, on another host that has its
 * disk too, to which it moves first. Where no host has the memory for it, it is refused: hosts promise no byte twice,
 * while vCPUs beyond what a host offers only make its guests slower.
 */
import type { Tx } from '../db/connect.ts'
import { desktopLock, desktopWish } from '../db/desktops.ts'
import { type HostEnd, hostEnds } from '../db/host-ends.ts'
import { addressLock, hostPromiseLock, hostStartLock } from '../db/hosts.ts'
import { desktopsMovable, type MovableRow, originSet } from '../db/migrations.ts'
import { tasksOpen, tasksSettle } from '../db/tasks.ts'
import { HdcsError } from '../lib/errors.ts'
import { capturedText } from './desktop-state.ts'
import { migrationOpen } from './move-opening.ts'
import { movedDemand, moveTarget, type Target } from './move-target.ts'
import { type HostFacts, placementFilters } from './placement.ts'
import { hostsToPlaceOn } from './placing.ts'
import { addressAtHome } from './readdressing.ts'
import { offersUntold } from './start-room.ts'
import { failed, taskSettled } from './task-progress.ts'

/** What keeps a desktop that is on a host from being started there; the rest (its address, its port) it has. */
const hindering = ['state', 'off', 'trouble', 'vcpus', 'memory'] as const satisfies (keyof typeof placementFilters)[]

interface Elsewhere {
  target: Target
  /** Why not where it is. */
  because: string
}

/** What keeps it from starting where it is; undefined: nothing does, or it is not for this to start it. Pure. */
function hinderedBy(row: MovableRow, hosts: readonly HostFacts[]): string | undefined {
  const home = hosts.find(({ id }) => id === row.host_id)
  if (!home || row.phase !== 'stopped' || row.user_id === null || row.move_id !== null) return
  const demand = movedDemand(row)
  return hindering.map(name => placementFilters[name](home, demand)).find(reason => reason !== undefined)
}

/** Where it starts instead; undefined: where it is, also when no other host could take it. Pure. */
export function startElsewhere(
  row: MovableRow,
  hosts: readonly HostFacts[],
  ends: ReadonlyMap<string, HostEnd>,
): Elsewhere | undefined {
  const because = hinderedBy(row, hosts)
  if (because === undefined) return
  const storageId = ends.get(row.host_id)?.storageId ?? null
  const sharing = hosts.map(host =>
    storageId !== null && ends.get(host.id)?.storageId === storageId
      ? host
      : { ...host, trouble: 'its disk is not there' },
  )
  const target = moveTarget(sharing, ends, row, { hostId: null, restart: false })
  return target.kind === null ? undefined : { target, because }
}

/**
 * Why the host where it would run has no memory for it, as a sentence; undefined: it has, or the desktop counts there
 * already. Pure.
 */
export function memoryLacking(row: MovableRow, hosts: readonly HostFacts[]): string | undefined {
  if (row.wished_power !== 'stopped' || row.move_cause === 'start') return
  const host = hosts.find(({ id }) => id === (row.target_id ?? row.host_id))
  if (!host || offersUntold(host)) return
  const refusal = placementFilters.memory(host, movedDemand(row))
  return (
    refusal && `No memory left on ${host.name} to start ${row.name}: ${refusal}. Shut down or move another one first.`
  )
}

/** @param held hosts of which nobody else promises anything; where it goes or would go is among them when this ends. */
async function read(tx: Tx, id: string, held: Set<string>) {
  const [row] = await desktopsMovable(tx, { id })
  if (row?.wished_power !== 'stopped') return { row, elsewhere: undefined, lacking: undefined }
  if (row.target_id !== null) await hostPromiseLock(tx, row.target_id)
  for (;;) {
    const hosts = await hostsToPlaceOn(tx, { poolIds: [row.pool_id] })
    const elsewhere = hinderedBy(row, hosts) === undefined ? undefined : startElsewhere(row, hosts, await hostEnds(tx))
    const { hostId } = elsewhere?.target.decision ?? {}
    if (hostId === undefined || held.has(hostId)) return { row, elsewhere, lacking: memoryLacking(row, hosts) }
    await hostPromiseLock(tx, hostId)
    held.add(hostId)
  }
}

/**
 * For whoever locks its row before it starts: what a host has left is promised to one at a time, by who holds this first.
 * Of each host alone: behind one lock for all, a morning of a thousand starts stands in one line.
 */
export const startLock = hostStartLock

/**
 * Asks for the start, and for the move before it where that is needed. What is on its way to its start goes on.
 * @throws HdcsError `conflict` while a template version is made of its disk; `no_host` where no memory is left for it.
 */
export async function desktopStart(tx: Tx, id: string, now: Date): Promise<void> {
  const locked = await startLock(tx, id)
  const here = await desktopLock(tx, id)
  const arrived = here !== undefined && here.host_id !== locked?.hostId
  // While this waited.
  if (arrived) await hostPromiseLock(tx, here.host_id)
  const { row, elsewhere, lacking } = await read(tx, id, new Set(here && [here.host_id]))
  if (row?.captured) throw new HdcsError('conflict', `The desktop cannot start: ${capturedText}.`)
  if (row?.move_cause === 'start') return
  if (!row || !elsewhere) {
    if (lacking !== undefined) throw new HdcsError('no_host', lacking)
    if (arrived || locked?.foreign) await addressAtHome(tx, id)
    await desktopWish(tx, id, { wished_power: 'running' })
    return
  }
  const reason = `it is started there, because where it is ${elsewhere.because}`
  await migrationOpen(tx, row, elsewhere.target, { cause: 'start', reason, taskId: null, restart: false }, now)
  if (row.origin_host_id === null) await originSet(tx, id, row.host_id)
}

/** After a move to be started elsewhere that did not come off: where it is, if there is memory for it; else who waits is told. */
export async function startStayed(tx: Tx, id: string, now: Date): Promise<void> {
  await addressLock(tx)
  const [row] = await desktopsMovable(tx, { id })
  const lacking = row && memoryLacking(row, await hostsToPlaceOn(tx, { poolIds: [row.pool_id] }))
  if (lacking === undefined) return desktopWish(tx, id, { wished_power: 'running' })
  const open = await tasksOpen(tx, { subjectId: id })
  const waiting = open.filter(({ kind }) => kind === 'desktop.start' || kind === 'desktop.claim')
  const outcome = failed({ code: 'no_host', text: lacking })
  await tasksSettle(
    tx,
    waiting.flatMap(task => taskSettled(task, outcome, now)),
    now,
  )
}
