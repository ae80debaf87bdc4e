/**
 * Starts a desktop that stands still: where it is; or, where its host cannot take it now, on another host that has its
 * disk too, to which it moves first. Where no host has the memory for it, it is refused: hosts promise no byte twice,
 * while vCPUs beyond what a host offers only make its guests slower.
 */
import type { Tx } from '../db/connect.ts'
import { desktopLock, desktopWish } from '../db/desktops.ts'
import { type HostEnd, hostEnds } from '../db/host-ends.ts'
import { addressLock } from '../db/hosts.ts'
import { desktopsMovable, type MovableRow, originSet } from '../db/migrations.ts'
import { tasksOpen, tasksSettle } from '../db/tasks.ts'
import { desktopCaptured } from '../db/templates.ts'
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

/** Where it starts instead; undefined: where it is, also when no other host could take it. Pure. */
export function startElsewhere(
  row: MovableRow,
  hosts: readonly HostFacts[],
  ends: ReadonlyMap<string, HostEnd>,
): Elsewhere | undefined {
  const home = hosts.find(({ id }) => id === row.host_id)
  if (!home || row.phase !== 'stopped' || row.user_id === null || row.move_id !== null) return
  const storageId = ends.get(row.host_id)?.storageId ?? null
  const sharing = hosts.map(host =>
    storageId !== null && ends.get(host.id)?.storageId === storageId
      ? host
      : { ...host, trouble: 'its disk is not there' },
  )
  const target = moveTarget(sharing, ends, row, { hostId: null, restart: false })
  const because = hindering
    .map(name => placementFilters[name](home, target.demand))
    .find(reason => reason !== undefined)
  return because === undefined || target.kind === null ? undefined : { target, because }
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

async function read(tx: Tx, id: string) {
  const [row] = await desktopsMovable(tx, { id })
  if (row?.wished_power !== 'stopped') return { row, elsewhere: undefined, lacking: undefined }
  const hosts = await hostsToPlaceOn(tx, { poolIds: [row.pool_id] })
  const elsewhere = startElsewhere(row, hosts, await hostEnds(tx))
  return { row, elsewhere, lacking: memoryLacking(row, hosts) }
}

/** For whoever locks its row before it starts: what a host has left is promised to one at a time, by who holds this first. */
export const startLock = (tx: Tx): Promise<void> => addressLock(tx)

/**
 * Asks for the start, and for the move before it where that is needed. What is on its way to its start goes on.
 * @throws HdcsError `conflict` while a template version is made of its disk; `no_host` where no memory is left for it.
 */
export async function desktopStart(tx: Tx, id: string, now: Date): Promise<void> {
  if (await desktopCaptured(tx, id)) throw new HdcsError('conflict', `The desktop cannot start: ${capturedText}.`)
  await startLock(tx)
  await desktopLock(tx, id)
  const { row, elsewhere, lacking } = await read(tx, id)
  if (row?.move_cause === 'start') return
  if (!row || !elsewhere) {
    if (lacking !== undefined) throw new HdcsError('no_host', lacking)
    await addressAtHome(tx, id)
    await desktopWish(tx, id, { wished_power: 'running' })
    return
  }
  const reason = `it is started there, because where it is ${elsewhere.because}`
  await migrationOpen(tx, row, elsewhere.target, { cause: 'start', reason, taskId: null, restart: false }, now)
  if (row.origin_host_id === null) await originSet(tx, id, row.host_id)
}

/** After a move to be started elsewhere that did not come off: where it is, if there is memory for it; else who waits is told. */
export async function startStayed(tx: Tx, id: string, now: Date): Promise<void> {
  await startLock(tx)
  const { lacking } = await read(tx, id)
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
