/**
 * Brings desktops of a lost host back elsewhere (returning.ts), many in one transaction: what each needs is read again
 * under its locks, they are placed one after the other in memory, and written together.
 */
import type { Tx } from '../db/connect.ts'
import { desktopsDelete, desktopsLock, transitionNote } from '../db/desktops.ts'
import { nudge } from '../db/events.ts'
import { hostHistoryAdd } from '../db/host-history.ts'
import { addressesFree, addressLock } from '../db/hosts.ts'
import {
  desktopsReturn,
  desktopsWaitSet,
  type ReturnHostRow,
  type ReturnRow,
  returnHostLock,
  returnHosts,
  returnRows,
} from '../db/returns.ts'
import { sessionsEnd } from '../db/sessions.ts'
import { type Decision, type Demand, decisionText, type HostFacts, placeDesktop, withDesktop } from './placement.ts'
import { demandOf, hostsToPlaceOn, placementsNote } from './placing.ts'
import { desktopRests, isFenced, mayTake, type ReturnHost, type ReturnPlan, returnPlan } from './returning.ts'
import { screenPortsTake } from './screen-ports.ts'
import { returnWithVolumes, volumesRefusal } from './volume-reach.ts'

/**
 * So long the target of a move that failed may still be ending its copy. Shorter: it might still write to a disk that no
 * lock guards; longer: who was on the way there when its host was lost waits.
 */
const afterMoveMs = 30_000

type Back = Extract<ReturnPlan, { do: 'return' }>

interface Placed {
  decision: Decision
  demand: Demand
  /** In its own cluster, where it keeps its address. */
  near: boolean
}

interface Returning extends Placed {
  row: ReturnRow
  plan: Back
}

/** Where it may go: what is asked only of what returns. */
type Placing = 'cluster_ids' | 'placement' | 'affinity' | 'needs' | 'network'

/** What becomes of a desktop of a lost host, as its rows stand. @param hosts all there are. */
export function planOf(
  row: Omit<ReturnRow, 'moved_at' | 'volumes' | Placing> & Partial<Pick<ReturnRow, 'moved_at' | 'volumes'>>,
  host: ReturnHostRow,
  hosts: readonly ReturnHostRow[],
  now: Date,
): ReturnPlan {
  const movedMs = row.moved_at ? now.getTime() - row.moved_at.getTime() : Number.POSITIVE_INFINITY
  const { volumes = null } = row
  const reach = (other: ReturnHostRow) => volumesRefusal(volumes, host.storages, other.storages) === undefined
  const plan = returnPlan({
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
    moving: row.moving,
    justMoved: movedMs < afterMoveMs,
    pinned: row.pinned,
    host: { name: host.name, lostSince: host.state_since, fencedAt: host.fenced_at, ...storageOf(host) },
    others: hosts
      .filter(other => other.cluster_id === host.cluster_id && other.state === 'online' && reach(other))
      .map(storageOf),
  })
  const fenced = isFenced({ fencedAt: host.fenced_at, lostSince: host.state_since })
  return returnWithVolumes(plan, volumes, { name: host.name, fenced })
}

const storageOf = ({ observed_facts: facts }: ReturnHostRow): ReturnHost => ({
  storageId: facts?.storageId ?? null,
  diskLocks: facts?.diskLocks ?? false,
})

/** In its own cluster it keeps its address (`near`); with a new disk it may also go to another one, where it gets one of there. */
export function placed(
  row: ReturnRow,
  plan: Back,
  home: ReturnHostRow,
  hosts: readonly ReturnHostRow[],
  room: readonly HostFacts[],
): Placed {
  const priority = row.user_id === null ? ('prewarm' as const) : ('person' as const)
  const pool = { ...row, id: row.pool_id }
  const desktop = { hardware: row.hardware, versionId: row.version_id }
  const byId = new Map(hosts.map(host => [host.id, host]))
  const here = room.map(to => {
    const host = byId.get(to.id)
    if (host?.cluster_id !== home.cluster_id)
      return { ...to, trouble: `its address is of the cluster ${home.cluster_name}` }
    const apart = volumesRefusal(row.volumes, home.storages, host.storages)
    if (apart !== undefined) return { ...to, trouble: apart }
    return mayTake(plan, storageOf(host))
      ? to
      : { ...to, trouble: 'its disk is not there, or not guarded by locks there' }
  })
  const demand = demandOf(pool, { ...desktop, addressClusterId: home.cluster_id }, priority)
  const decision = placeDesktop(here, demand)
  if (decision.hostId !== undefined || plan.disk === 'own' || row.volumes) return { decision, demand, near: true }
  const anywhere = demandOf(pool, desktop, priority)
  const away = placeDesktop(room, anywhere)
  return away.hostId === undefined
    ? { decision, demand, near: true }
    : { decision: away, demand: anywhere, near: false }
}

/** What a desktop waits for that no host can take; undefined: one can. */
export const waitsText = (decision: Decision) =>
  decision.hostId === undefined ? `a host that can take it (${decisionText(decision)})` : undefined

/** Those of the desktops that still shall and still may come back, in the order of `returnRows`. @param ids of one lost host. */
export async function desktopsBringBack(tx: Tx, hostId: string, ids: string[], now: Date): Promise<void> {
  await addressLock(tx)
  // Read again: they may have been heard, or given back, in this very moment.
  await desktopsLock(tx, ids)
  await returnHostLock(tx, hostId)
  const hosts = await returnHosts(tx)
  const host = hosts.find(({ id }) => id === hostId)
  if (host?.state !== 'lost' || (host.observed_beat_at && host.observed_beat_at >= host.state_since)) return
  const rows = (await returnRows(tx, { ids })).filter(row => row.host_id === hostId)
  const planned = rows.map(row => ({ row, plan: planOf(row, host, hosts, now) }))
  const forgotten = planned.flatMap(({ row, plan }) => (plan.do === 'forget' ? [{ row, plan }] : []))
  await forget(tx, forgotten, now)
  const back = planned.flatMap(({ row, plan }) => (plan.do === 'return' ? [{ row, plan }] : []))
  if (back.length === 0) return
  const room = await hostsToPlaceOn(tx, { poolIds: [...new Set(back.map(({ row }) => row.pool_id))] })
  await bringBack(tx, host, inTurn(back, host, hosts, room), now)
}

/** Each is counted for those after it. */
function inTurn(
  back: readonly { row: ReturnRow; plan: Back }[],
  host: ReturnHostRow,
  hosts: readonly ReturnHostRow[],
  room: readonly HostFacts[],
): Returning[] {
  let left = room
  return back.map(({ row, plan }) => {
    const where = placed(row, plan, host, hosts, left)
    const { hostId } = where.decision
    if (hostId !== undefined) left = left.map(to => (to.id === hostId ? withDesktop(to, where.demand) : to))
    return { row, plan, ...where }
  })
}

async function forget(tx: Tx, rows: { row: ReturnRow; plan: { because: string } }[], now: Date) {
  if (rows.length === 0) return
  const ids = rows.map(({ row }) => row.id)
  await sessionsEnd(tx, ids, now)
  const notes = rows.map(({ row, plan }) => ({ ...row, was: 'removing', became: 'removed', reason: plan.because }))
  await transitionNote(tx, notes, now)
  await desktopsDelete(tx, ids)
  await nudge(tx, 'tasks')
}

async function bringBack(tx: Tx, host: ReturnHostRow, returning: Returning[], now: Date) {
  const addresses = await addressesFor(tx, returning)
  const decided = returning.map(({ row, decision }) => ({ desktopId: row.id, decision }))
  await placementsNote(tx, 'return', decided)
  const waiting: Waiting[] = []
  const going: (Returning & { hostId: string; hostName: string; address: string | null })[] = []
  for (const one of returning) {
    const { hostId, hostName = '' } = one.decision
    const address = addresses.get(one.row.id) ?? null
    const { id, waits_for: told, wished_present: present } = one.row
    if (hostId === undefined) waiting.push({ id, told, present, waits_for: waitsText(one.decision) ?? '' })
    else if (!one.near && address === null)
      waiting.push({ id, told, present, waits_for: `an address: the subnet of ${hostName} has none left` })
    else going.push({ ...one, hostId, hostName, address })
  }
  await desktopsWaitSet(tx, waiting)
  await waitingNote(tx, host.id, waiting, now)
  await take(tx, going, now)
  await takingNote(tx, host, going, now)
}

interface Waiting {
  id: string
  waits_for: string
  /** What it was said to wait for before; null: it did not. */
  told: string | null
  /** False: it is being removed, and nobody waits for it. */
  present: boolean
}

/** Those that wait from now on, in the history of their host, with what the first of them waits for. */
export async function waitingNote(tx: Tx, hostId: string, waiting: readonly Waiting[], now: Date) {
  const [first, ...others] = waiting.filter(({ told, present }) => told === null && present)
  const event = { hostId, what: 'waiting' as const, amount: others.length + 1, reason: first?.waits_for ?? '' }
  if (first) await hostHistoryAdd(tx, event, now)
}

const startsThen = 'on their own disks: each starts once its old copy has ended, which still has the lock'

async function takingNote(tx: Tx, host: ReturnHostRow, going: readonly { hostId: string; plan: Back }[], now: Date) {
  const locked = going.filter(({ plan }) => plan.locked).length
  const returned = { hostId: host.id, what: 'returned' } as const
  if (locked < going.length) await hostHistoryAdd(tx, { ...returned, amount: going.length - locked }, now)
  if (locked > 0) await hostHistoryAdd(tx, { ...returned, amount: locked, reason: startsThen }, now)
  for (const [hostId, { length }] of Map.groupBy(going, one => one.hostId))
    await hostHistoryAdd(tx, { hostId, what: 'took', amount: length, reason: host.name }, now)
}

/** An address of its new host for each that comes to another cluster, while there is one. By desktop. */
async function addressesFor(tx: Tx, returning: readonly Returning[]): Promise<Map<string, string>> {
  const away = returning.filter(({ near }) => !near)
  const byHost = Map.groupBy(away, ({ decision }) => decision.hostId ?? '')
  const free = await addressesFree(tx, new Map([...byHost].map(([hostId, ones]) => [hostId, ones.length])))
  return new Map(
    [...byHost].flatMap(([hostId, ones]) =>
      (free.get(hostId) ?? []).map((address, index): [string, string] => [ones[index]?.row.id ?? '', address]),
    ),
  )
}

async function take(
  tx: Tx,
  going: (Returning & { hostId: string; hostName: string; address: string | null })[],
  now: Date,
) {
  const returned = going.map(({ row, plan, hostId, address }) => {
    const own = plan.disk === 'own'
    const incarnation = row.wished_incarnation + (own ? 0 : 1)
    const diskMade = own && row.disk_incarnation === incarnation
    return { id: row.id, host_id: hostId, incarnation, disk_made: diskMade, address }
  })
  await desktopsReturn(tx, returned, now)
  const wanted = going.map(({ row, hostId }) => ({ host_id: hostId, desktop_id: row.id }))
  await screenPortsTake(tx, wanted)
  const ids = going.map(({ row }) => row.id)
  await sessionsEnd(tx, ids, now)
  const notes = going.map(({ row, plan, hostId, hostName }) => {
    const reason = `${plan.because}, on ${hostName}`
    return { ...row, host_id: hostId, was: row.phase, became: 'returned', reason }
  })
  await transitionNote(tx, notes, now)
}
