/**
 * Starts a desktop that stands still: where it is; or, where its host cannot take it now, on another host that has its
 * disk too, to which it moves first.
 */
import type { Tx } from '../db/connect.ts'
import { desktopLock, desktopWish } from '../db/desktops.ts'
import { type HostEnd, hostEnds } from '../db/host-ends.ts'
import { addressLock } from '../db/hosts.ts'
import { desktopsMovable, type MovableRow, originSet } from '../db/migrations.ts'
import { desktopCaptured } from '../db/templates.ts'
import { HdcsError } from '../lib/errors.ts'
import { capturedText } from './desktop-state.ts'
import { migrationOpen } from './move-opening.ts'
import { moveTarget, type Target } from './move-target.ts'
import { type HostFacts, placementFilters } from './placement.ts'
import { hostsToPlaceOn } from './placing.ts'
import { addressAtHome } from './readdressing.ts'

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

async function read(tx: Tx, id: string) {
  const [row] = await desktopsMovable(tx, { id })
  if (row?.phase !== 'stopped') return { row, elsewhere: undefined }
  const hosts = await hostsToPlaceOn(tx, { poolIds: [row.pool_id] })
  return { row, elsewhere: startElsewhere(row, hosts, await hostEnds(tx)) }
}

/** For whoever locks its row before it starts: who places locks first what all who place lock. */
export async function startLock(tx: Tx, id: string): Promise<void> {
  if ((await read(tx, id)).elsewhere) await addressLock(tx)
}

/**
 * Asks for the start, and for the move before it where that is needed. What is on its way to its start goes on.
 * @throws HdcsError `conflict` while a template version is made of its disk.
 */
export async function desktopStart(tx: Tx, id: string, now: Date): Promise<void> {
  if (await desktopCaptured(tx, id)) throw new HdcsError('conflict', `The desktop cannot start: ${capturedText}.`)
  const seen = await read(tx, id)
  if (seen.elsewhere) {
    await addressLock(tx)
    await desktopLock(tx, id)
  }
  const { row, elsewhere } = seen.elsewhere ? await read(tx, id) : seen
  if (row?.move_cause === 'start') return
  if (!row || !elsewhere) {
    await addressAtHome(tx, id)
    await desktopWish(tx, id, { wished_power: 'running' })
    return
  }
  const reason = `it is started there, because where it is ${elsewhere.because}`
  await migrationOpen(tx, row, elsewhere.target, { cause: 'start', reason, taskId: null, restart: false }, now)
  if (row.origin_host_id === null) await originSet(tx, id, row.host_id)
}
