/** Volumes: disks of their own on a storage pool, which a desktop may have besides its own. */

import type { Principal } from '../auth/principal.ts'
import type { Tx } from '../db/connect.ts'
import { desktopLock, desktopRows, transitionNote } from '../db/desktops.ts'
import { hostStorageRows, storagePoolLock } from '../db/storage-pools.ts'
import { transact } from '../db/transact.ts'
import { type VolumeRow, volumeInsert, volumeLock, volumeRows, volumeSet, volumeSlotFree } from '../db/volumes.ts'
import { nameAfter, nameCursor } from '../lib/cursors.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import { sizeText } from '../lib/sizes.ts'
import type { Broker } from './broker.ts'
import { binnedText, memoryRefused } from './desktop-state.ts'
import { pageOf } from './pages.ts'
import { actionsFrom, conflictWhen } from './refusals.ts'
import { type VolumeAction, type VolumeFacts, volumeRefusals, volumeState } from './storage-state.ts'
import { type TaskView, taskOpen } from './tasks.ts'

/** QEMU takes more; a desktop with more disks than this is a server. */
const volumesMost = 8

const factsOf = (row: VolumeRow): VolumeFacts => ({
  present: row.wished_present,
  wishedBytes: row.wished_bytes,
  observed: row.observed_state,
  bytes: row.observed_bytes,
  made: row.made,
  desktopId: row.desktop_id,
  kept: row.desktop_binned_at
    ? 'its desktop is in the recycle bin: restore that first'
    : memoryRefused(
        {
          wished_saved: row.wished_saved ?? false,
          observed_memory: row.observed_memory,
          observed_power: row.desktop_power,
        },
        'its desktop’s',
      ),
  usedBy: row.observed_used_by,
  hostState: row.host_state,
})

function volumeView(row: VolumeRow, principal: Principal) {
  const refused = principal.permissions.has('host.write') ? undefined : 'only administrators may do this'
  const facts = factsOf(row)
  const refusalOf = (name: VolumeAction) => refused ?? volumeRefusals[name](facts)
  return {
    id: row.id,
    name: row.name,
    poolId: row.pool_id,
    poolName: row.pool_name,
    clusterId: row.cluster_id,
    hostId: row.host_id,
    hostName: row.host_name,
    format: row.format,
    sizeBytes: row.wished_bytes,
    storedBytes: row.observed_stored_bytes,
    state: volumeState(facts),
    desktopId: row.desktop_id,
    desktopName: row.desktop_name,
    /** The desktop that runs with it; another one than `desktopId` (or one without it) while it is plugged in or out. */
    usedById: row.observed_used_by,
    usedByName: row.used_by_name,
    serial: row.id.replaceAll('-', '').slice(-20),
    trouble: row.observed_trouble,
    actions: actionsFrom({
      resize: refusalOf('resize'),
      attach: refusalOf('attach'),
      detach: refusalOf('detach'),
      delete: refusalOf('delete'),
    }),
    createdAt: row.created_at.toISOString(),
  }
}

export type VolumeView = ReturnType<typeof volumeView>

export async function volumeList(
  broker: Broker,
  principal: Principal,
  query: {
    limit: number
    cursor?: string | undefined
    poolId?: string | undefined
    desktopId?: string | undefined
    name?: string | undefined
  },
) {
  const { limit, cursor, ...filter } = query
  const rows = await volumeRows(broker.db, { ...filter, after: nameAfter(cursor), limit: limit + 1 })
  return pageOf(
    rows,
    limit,
    row => nameCursor(row.name),
    row => volumeView(row, principal),
  )
}

export async function volumeGet(broker: Broker, principal: Principal, id: string): Promise<VolumeView> {
  const [row] = await volumeRows(broker.db, { ids: [id] })
  if (!row) throw notFound()
  return volumeView(row, principal)
}

const notFound = () => new HdcsError('not_found', 'There is no such volume.')

/** When a change reaches the guest. */
export type VolumeApplies = 'now' | 'nextStart'

export interface VolumeAsked {
  task: TaskView
  volume: VolumeView
}

/**
 * @param body.hostId where it shall lie; needed where a pool is each host's own and its cluster has several.
 * @throws HdcsError `not_found` (the pool), `invalid` (which host?), `conflict` for a name that is taken.
 */
export async function volumeCreate(
  broker: Broker,
  principal: Principal,
  body: {
    name: string
    poolId: string
    sizeBytes: number
    format: 'qcow2' | 'raw'
    hostId?: string | undefined
  },
): Promise<VolumeAsked> {
  const now = broker.clock.now()
  const id = newId(now.getTime())
  sizeChecked(broker, body.sizeBytes)
  const task = await transact(broker.db, async tx => {
    const pool = await storagePoolLock(tx, body.poolId)
    if (!pool) throw new HdcsError('not_found', 'There is no such storage pool.')
    if (!pool.wished_present) throw new HdcsError('conflict', `${pool.name} is being removed.`)
    if (pool.source.type === 'rbd' && body.format !== 'raw')
      throw atField('format', `Volumes on Ceph are raw: ask for the format raw on ${pool.name}.`)
    const host_id = await keeperOf(tx, body.poolId, body.hostId)
    await fitsChecked(tx, pool, host_id, body.sizeBytes)
    const { name, sizeBytes: wished_bytes, format, poolId: pool_id } = body
    await volumeInsert(tx, { id, name, pool_id, host_id, format, wished_bytes }).catch(
      conflictWhen('taken', `A volume named ${name} already exists: choose another name.`),
    )
    return taskOpen(tx, { ...receipt('make', { id, name }, principal), goal: { bytes: wished_bytes } }, now)
  })
  return { task, volume: await volumeGet(broker, principal, id) }
}

const receipt = (what: string, { id, name }: { id: string; name: string }, requestedBy: Principal) => ({
  kind: `volume.${what}`,
  subject: { type: 'volume', id, name },
  requestedBy,
})

/** Who makes it: the host that is named, else any that has the pool, where all have the same. */
async function keeperOf(tx: Tx, poolId: string, hostId: string | undefined): Promise<string> {
  const hosts = await hostStorageRows(tx, [poolId])
  if (hostId !== undefined) {
    if (!hosts.some(({ host_id }) => host_id === hostId))
      throw atField('hostId', 'That host is not of the pool’s cluster.')
    return hostId
  }
  const ready = hosts.filter(host => host.observed_state === 'ready' && host.host_state === 'online')
  const places = new Set(ready.map(host => host.observed_storage_id))
  const [first] = ready
  if (!first)
    throw new HdcsError('conflict', 'No host that is online has this storage pool ready: wait for one, or name a host.')
  if (places.size > 1)
    throw atField('hostId', 'This storage pool is each host’s own: say on which of them the volume shall lie.')
  return first.host_id
}

const atField = (field: string, message: string) =>
  new HdcsError('invalid', message, { fields: [{ field: `body.${field}`, message }] })

function sizeChecked({ maxVirtualBytes }: Broker, sizeBytes: number) {
  if (sizeBytes > maxVirtualBytes) throw atField('sizeBytes', `A volume has ${sizeText(maxVirtualBytes)} at most here.`)
}

/** Thin as it is: what is larger than all of its storage can never be filled. */
async function fitsChecked(tx: Tx, pool: { id: string; name: string }, hostId: string | null, sizeBytes: number) {
  const here = (await hostStorageRows(tx, [pool.id])).find(({ host_id }) => host_id === hostId)
  const most = here?.observed_capacity_bytes ?? null
  if (most === null || sizeBytes <= most) return
  const text = `The storage pool ${pool.name} has ${sizeText(most)} in all: a volume there is no larger.`
  throw new HdcsError('invalid', text, { fields: [{ field: 'body.sizeBytes', message: text }] })
}

/** The row as it is now, locked, if the action may be done. */
async function volumeFor(tx: Tx, id: string, action: VolumeAction): Promise<VolumeRow> {
  const locked = await volumeLock(tx, id)
  const [row] = await volumeRows(tx, { ids: [id] })
  if (!locked || !row) throw notFound()
  const refused = volumeRefusals[action](factsOf(row))
  if (refused !== undefined) throw new HdcsError('conflict', `${row.name}: ${refused}.`)
  return row
}

/** Larger, also under the guest that runs with it. @throws HdcsError `not_found`, `conflict`, `invalid` (it never shrinks). */
export async function volumeResize(
  broker: Broker,
  principal: Principal,
  id: string,
  sizeBytes: number,
): Promise<VolumeAsked> {
  sizeChecked(broker, sizeBytes)
  const now = broker.clock.now()
  const task = await transact(broker.db, async tx => {
    const row = await volumeFor(tx, id, 'resize')
    if (sizeBytes < row.wished_bytes)
      throw atField('sizeBytes', `A volume only grows: ${row.name} has ${sizeText(row.wished_bytes)}.`)
    await fitsChecked(tx, { id: row.pool_id, name: row.pool_name }, row.host_id, sizeBytes)
    await volumeSet(tx, id, { wished_bytes: sizeBytes })
    return taskOpen(tx, { ...receipt('resize', row, principal), goal: { bytes: sizeBytes } }, now)
  })
  return { task, volume: await volumeGet(broker, principal, id) }
}

/**
 * The desktop has it from now on: plugged in at once where it runs, else at its next start.
 * @throws HdcsError `not_found`; `conflict`: it lies on another host, its desktop goes to other people, it has no room for more.
 */
export async function volumeAttach(
  broker: Broker,
  principal: Principal,
  id: string,
  desktopId: string,
): Promise<VolumeAsked & { applies: VolumeApplies }> {
  const now = broker.clock.now()
  const { task, applies } = await transact(broker.db, async tx => {
    // Before its volume, as reports lock them.
    const locked = await desktopLock(tx, desktopId)
    const [desktop] = await desktopRows(tx, { ids: [desktopId] })
    if (!locked || !desktop) throw new HdcsError('not_found', 'There is no such desktop.')
    const row = await volumeFor(tx, id, 'attach')
    const wrong = attachRefused(desktop) ?? (await reachRefused(tx, row, desktop))
    if (wrong !== undefined) throw new HdcsError('conflict', `${desktop.name}: ${wrong}.`)
    const slot = await volumeSlotFree(tx, desktopId, volumesMost)
    if (slot === undefined)
      throw new HdcsError(
        'conflict',
        `${desktop.name} has ${volumesMost} volumes, which is the most: detach one first.`,
      )
    await volumeSet(tx, id, { desktop_id: desktopId, slot, host_id: desktop.host_id })
    await noteOn(tx, desktop, 'volume attached', `${row.name} attached by ${principal.name}`, now)
    const opened = await taskOpen(tx, { ...receipt('attach', row, principal), goal: { desktopId } }, now)
    return { task: opened, applies: runs(desktop) ? ('now' as const) : ('nextStart' as const) }
  })
  return { task, applies, volume: await volumeGet(broker, principal, id) }
}

const runs = ({ observed_power }: { observed_power: string | null }) =>
  observed_power === 'running' || observed_power === 'paused'

const noteOn = (
  tx: Tx,
  desktop: { id: string; pool_id: string; host_id: string; user_id: string | null; phase: string },
  became: string,
  reason: string,
  now: Date,
) => transitionNote(tx, [{ ...desktop, was: desktop.phase, became, reason }], now)

type Attaching = Awaited<ReturnType<typeof desktopRows>>[number]

function attachRefused(desktop: Attaching): string | undefined {
  const { wished_present, pool_kind, move_id, binned_at } = desktop
  if (!wished_present) return 'it is being removed'
  if (binned_at !== null) return binnedText
  if (pool_kind === 'floating')
    return 'it goes from person to person, and a volume with it: use one of a persistent pool'
  return move_id === null ? memoryRefused(desktop) : 'it is on its way to another host: attach it when it has arrived'
}

/** Whether the desktop's host has what lies on the pool where the volume is. */
async function reachRefused(tx: Tx, volume: VolumeRow, desktop: Attaching): Promise<string | undefined> {
  const hosts = await hostStorageRows(tx, [volume.pool_id])
  const here = hosts.find(({ host_id }) => host_id === desktop.host_id)
  if (!here) return `it is of another cluster than the storage pool ${volume.pool_name}`
  const there = hosts.find(({ host_id }) => host_id === volume.host_id)
  if (here.host_id === there?.host_id) return undefined
  const same = here.observed_storage_id !== null && here.observed_storage_id === there?.observed_storage_id
  return same
    ? undefined
    : `it is on ${desktop.host_name}, and ${volume.name} lies on ${volume.host_name ?? 'no host'} alone`
}

/** Taken out at once where its guest lets go of it, else at its next start. @throws HdcsError `not_found`, `conflict`. */
export async function volumeDetach(
  broker: Broker,
  principal: Principal,
  id: string,
): Promise<VolumeAsked & { applies: VolumeApplies }> {
  const now = broker.clock.now()
  const before = await volumeGet(broker, principal, id)
  const { task, applies } = await transact(broker.db, async tx => {
    if (before.desktopId !== null) await desktopLock(tx, before.desktopId)
    const row = await volumeFor(tx, id, 'detach')
    const [desktop] = row.desktop_id === null ? [] : await desktopRows(tx, { ids: [row.desktop_id] })
    if (row.desktop_id !== before.desktopId)
      throw new HdcsError('conflict', `${row.name} was changed meanwhile: try again.`)
    await volumeSet(tx, id, { desktop_id: null, slot: null })
    if (desktop) await noteOn(tx, desktop, 'volume detached', `${row.name} detached by ${principal.name}`, now)
    const opened = await taskOpen(tx, receipt('detach', row, principal), now)
    return { task: opened, applies: row.observed_used_by === null ? ('nextStart' as const) : ('now' as const) }
  })
  return { task, applies, volume: await volumeGet(broker, principal, id) }
}

/** With all that is on it. @throws HdcsError `not_found`, `conflict` while a desktop has it. */
export async function volumeDelete(broker: Broker, principal: Principal, id: string): Promise<VolumeAsked> {
  const now = broker.clock.now()
  const task = await transact(broker.db, async tx => {
    const row = await volumeFor(tx, id, 'delete')
    await volumeSet(tx, id, { wished_present: false })
    return taskOpen(tx, receipt('delete', row, principal), now)
  })
  return { task, volume: await volumeGet(broker, principal, id) }
}
