/**
 * A host that does not come back is forgotten with all that was on it. Whoever forces that says that the host is off:
 * desktops whose disks other hosts have go there, what nobody keeps is made anew by its pool, and the rest is lost.
 */
import type { Principal } from '../auth/principal.ts'
import type { Db, Tx } from '../db/connect.ts'
import { desktopsDelete, desktopsLock, transitionNote } from '../db/desktops.ts'
import { type HostEnd, hostEnds } from '../db/host-ends.ts'
import { copiesLeftRows } from '../db/host-history.ts'
import { addressLock, type HostRow, hostDelete, hostRows, hostStateLock } from '../db/hosts.ts'
import { desktopArrive, desktopsMovable, type MovableRow, migrationsOpen } from '../db/migrations.ts'
import { sessionsEnd } from '../db/sessions.ts'
import { taskLogAdd } from '../db/tasks.ts'
import { transact } from '../db/transact.ts'
import { volumesLeave, volumesOnlyOn } from '../db/volumes.ts'
import { counted } from '../lib/counted.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Broker } from './broker.ts'
import { hostGet, removeRefused } from './hosts.ts'
import { moveEnd } from './move-ending.ts'
import { type Decision, type HostFacts, placeDesktop, withDesktop } from './placement.ts'
import { demandOf, hostsToPlaceOn, placementsNote } from './placing.ts'
import { conflictWhen } from './refusals.ts'
import { screenPortsTake } from './screen-ports.ts'
import { taskOpen } from './tasks.ts'

export interface RemovalItem {
  desktopId: string
  desktopName: string
  userName: string | null
  /**
   * `remade`: by its pool; `moved`: another host has its disk; `lost`: with what its person kept on it; `returned`: it is
   * elsewhere already, and its old copy may still run here.
   */
  fate: 'remade' | 'moved' | 'lost' | 'returned'
  hostName: string | null
  /** It goes elsewhere, and its dongle stays. */
  losesDongle: boolean
  decision: Decision | null
}

/** What becomes of each desktop. Pure; those that go to the same host are counted one after the other. */
export function planRemoval(
  hostId: string,
  desktops: readonly MovableRow[],
  world: { hosts: readonly HostFacts[]; ends: ReadonlyMap<string, HostEnd> },
): RemovalItem[] {
  let hosts = world.hosts.map(host => {
    const shares = host.id !== hostId && storageOf(world.ends, host.id) === storageOf(world.ends, hostId)
    return shares ? host : { ...host, trouble: 'it does not have its disk' }
  })
  return desktops.map(desktop => {
    const item = { desktopId: desktop.id, desktopName: desktop.name, userName: desktop.user_name, losesDongle: false }
    const kept =
      desktop.wished_present && desktop.kind === 'persistent' && desktop.user_id !== null && desktop.disk_made
    if (!kept) return { ...item, fate: 'remade' as const, hostName: null, decision: null }
    const { hardware, version_id: versionId, cluster_id: addressClusterId } = desktop
    const demand = demandOf({ ...desktop, id: desktop.pool_id }, { hardware, versionId, addressClusterId }, 'person')
    const decision = placeDesktop(hosts, demand)
    if (decision.hostId === undefined) return { ...item, fate: 'lost' as const, hostName: null, decision: null }
    hosts = hosts.map(host => (host.id === decision.hostId ? withDesktop(host, demand) : host))
    return {
      ...item,
      fate: 'moved' as const,
      hostName: decision.hostName ?? null,
      decision,
      losesDongle: desktop.pinned !== null,
    }
  })
}

/** Of a host that never told it, nothing is known to be shared. */
const storageOf = (ends: ReadonlyMap<string, HostEnd>, id: string) => ends.get(id)?.storageId ?? id

/**
 * In one sentence for the person who is about to do it; names what is lost.
 * @param host how many moves end, and old copies that may run there, named or not.
 * @param volumes names of those that no other host has.
 */
export function removalText(
  items: readonly RemovalItem[],
  { moves, copies_left: copies }: Pick<HostRow, 'moves' | 'copies_left'>,
  volumes: readonly string[] = [],
): string {
  const of = (fate: RemovalItem['fate']) => items.filter(item => item.fate === fate)
  const names = (some: readonly RemovalItem[]) =>
    some.map(({ desktopName, userName }) => (userName ? `${desktopName} of ${userName}` : desktopName))
  const [lost, old] = [names(of('lost')), names(of('returned'))]
  const undongled = names(items.filter(({ losesDongle }) => losesDongle))
  const [moved, remade] = [of('moved').length, of('remade').length]
  const parts = [
    moved > 0 ? counted(moved, 'goes to another host with its disk', 'go to other hosts with their disks') : '',
    undongled.length > 0 ? `there without its dongle: ${undongled.join(', ')}` : '',
    remade > 0
      ? counted(remade, 'is given up and made anew by its pool', 'are given up and made anew by their pools')
      : '',
    lost.length > 0 ? `lost with all that is on them: ${lost.join(', ')}` : '',
    volumes.length > 0 ? `volumes that are lost with it: ${volumes.join(', ')}` : '',
    old.length > 0 ? `returned from it before, so that old copies may still run there: ${old.join(', ')}` : '',
    moves > 0 ? counted(moves, 'move from it or to it ends', 'moves from it or to it end') : '',
    copies > old.length ? 'old copies of desktops that are gone by now may still run there' : '',
  ].filter(text => text !== '')
  return parts.length === 0 ? 'nothing is on it' : parts.join('; ')
}

const readPlan = async (db: Db | Tx, id: string) => {
  const rows = await desktopsMovable(db, { hostId: id })
  const hosts = await hostsToPlaceOn(db, { poolIds: [...new Set(rows.map(row => row.pool_id))] })
  return { rows, items: planRemoval(id, rows, { hosts, ends: await hostEnds(db) }) }
}

/** Desktops whose old copies may run on it: nobody made sure that it is off. */
const readReturned = async (db: Db, id: string): Promise<RemovalItem[]> =>
  (await copiesLeftRows(db, id)).map(row => {
    const item = { desktopId: row.id, desktopName: row.name, userName: row.user_name, losesDongle: false }
    return { ...item, fate: 'returned', hostName: row.host_name, decision: null }
  })

/** What forcing it would do now. @throws HdcsError `not_found`. */
export async function hostRemovalPlan(broker: Broker, principal: Principal, id: string) {
  const host = await hostGet(broker, principal, id)
  const { items: here } = await readPlan(broker.db, id)
  const items = [...here, ...(await readReturned(broker.db, id))]
  const desktops = items.map(({ decision: _decision, ...item }) => item)
  const [row = { moves: 0, copies_left: 0 }] = await hostRows(broker.db, { ids: [id] })
  const text = removalText(items, row, await volumesOnlyOn(broker.db, id))
  return { hostId: id, hostName: host.name, text, desktops }
}

/**
 * A host leaves: its key is worth nothing from now on, its agent's line is closed (the row's trigger), and its subnet
 * is free for another.
 * @param force although desktops, or old copies of them, are on it; only of a host that is not heard.
 * @throws HdcsError `not_found`, `conflict` while it may carry desktops, with what forcing it would lose.
 */
export async function hostRemove(broker: Broker, principal: Principal, id: string, force = false): Promise<void> {
  const host = await hostGet(broker, principal, id)
  const heard = host.state === 'online' || host.state === 'maintenance' || host.state === 'suspect'
  const [row] = await hostRows(broker.db, { ids: [id] })
  const refused = row && (removeRefused(row) ?? volumesRefused(await volumesOnlyOn(broker.db, id)))
  if (refused !== undefined && !(force && !heard)) {
    const { text } = await hostRemovalPlan(broker, principal, id)
    const how = heard
      ? 'Let them leave first: put it into maintenance.'
      : `Once it is off for certain it can be forced; then: ${text}.`
    throw new HdcsError('conflict', `${host.name} stays: ${refused}. ${how}`)
  }
  // One may have been placed there since, or is still being removed.
  const inUse = conflictWhen(
    'inUse',
    `${host.name} stays: a desktop is on it. Let them leave first: put it into maintenance.`,
  )
  const onItsWay = conflictWhen(
    'unmet',
    `${host.name} stays: a desktop is on its way to it. Wait until it has come, or call its move off.`,
  )
  await transact(broker.db, async tx => {
    const now = broker.clock.now()
    if (force && !heard) {
      const state = await hostStateLock(tx, id)
      if (state !== 'lost' && state !== 'joining')
        throw new HdcsError('conflict', `${host.name} was heard in this moment: it is not off.`)
      await removalNote(tx, await hostRemovalPlan({ ...broker, db: tx }, principal, id), principal, now)
      await clear(tx, { id, name: host.name }, principal, now)
    }
    await volumesLeave(tx, id)
    await hostDelete(tx, id, now).catch(inUse).catch(onItsWay)
  })
}

const volumesRefused = (names: readonly string[]) =>
  names.length === 0
    ? undefined
    : `${counted(names.length, 'volume is on it and on no other host', 'volumes are on it and on no other host')}, to be deleted first (${names.join(', ')})`

/** The host's own history goes with it: what was lost, and on whose word, stands among the tasks. */
async function removalNote(tx: Tx, plan: { hostId: string; hostName: string; text: string }, by: Principal, now: Date) {
  const subject = { type: 'host', id: plan.hostId, name: plan.hostName }
  const task = await taskOpen(tx, { kind: 'host.remove', subject, requestedBy: by, done: true }, now)
  await taskLogAdd(
    tx,
    task.id,
    `${by.name} says that ${plan.hostName} is off and does not come back: ${plan.text}`,
    now,
  )
}

async function clear(tx: Tx, host: { id: string; name: string }, principal: Principal, now: Date) {
  await addressLock(tx)
  const moving = () => migrationsOpen(tx, { hostId: host.id })
  const here = await desktopsMovable(tx, { hostId: host.id })
  await desktopsLock(tx, [...idsOf(here), ...(await moving()).map(move => move.desktop_id)])
  const reason = `${host.name} was removed by ${principal.name}, who says that it is off`
  for (const move of await moving()) await moveEnd(tx, move, 'failed', { code: 'unreachable', text: `${reason}.` }, now)
  const { rows, items } = await readPlan(tx, host.id)
  const decisions = new Map(items.map(({ desktopId, decision }) => [desktopId, decision]))
  const moved = rows.flatMap(row => {
    const decision = decisions.get(row.id)
    return decision?.hostId === undefined ? [] : [{ row, decision, hostId: decision.hostId }]
  })
  const removed = rows.filter(row => decisions.get(row.id)?.hostId === undefined)
  await sessionsEnd(tx, idsOf(rows), now)
  const notes = [
    ...removed.map(row => ({ ...row, was: row.phase, became: 'removed', reason })),
    ...moved.map(({ row, hostId }) => ({ ...row, host_id: hostId, was: row.phase, became: 'moved', reason })),
  ]
  await transitionNote(tx, notes, now)
  await desktopsDelete(tx, idsOf(removed))
  for (const { row, hostId } of moved) await desktopArrive(tx, row.id, hostId, null)
  const wanted = moved.map(({ row, hostId }) => ({ host_id: hostId, desktop_id: row.id }))
  await screenPortsTake(tx, wanted)
  const decided = moved.map(({ row, decision }) => ({ desktopId: row.id, decision }))
  await placementsNote(tx, 'return', decided)
}

const idsOf = (rows: readonly { id: string }[]) => rows.map(({ id }) => id)
