import type { Principal } from '../auth/principal.ts'
import type { Tx } from '../db/connect.ts'
import { desktopSetupAgain } from '../db/customisation.ts'
import {
  type DesktopRow,
  desktopLock,
  desktopRows,
  desktopWish,
  transitionNote,
  transitionsOf,
} from '../db/desktops.ts'
import { operationInsert } from '../db/tasks.ts'
import { transact } from '../db/transact.ts'
import { nameAfter, nameCursor } from '../lib/cursors.ts'
import { HdcsError } from '../lib/errors.ts'
import { hardwareFull } from '../lib/hardware.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { type DesktopAction, desktopActionsFor, isSaved, memoryKept } from './desktop-state.ts'
import { taskEstimate } from './estimates.ts'
import { networkIn, nicView } from './nics.ts'
import { pageOf } from './pages.ts'
import { binInstead, binLock, binnedView, binRestore } from './recycle-bin.ts'
import { releaseWish } from './releasing.ts'
import { phaseNow, setupNow, setupText } from './setup.ts'
import { desktopStart, startLock } from './starting.ts'
import { type TaskView, taskOpen } from './tasks.ts'
import { troubleFor } from './trouble-words.ts'
import { hostsWaitedFor, waitsForHost } from './waiting.ts'

const iso = (date: Date | null) => date?.toISOString() ?? null
const actorOf = (principal: Principal, userId: string | null) => ({
  owner: userId === principal.userId,
  administrator: principal.permissions.has('desktop.write'),
})

export type DesktopView = ReturnType<typeof desktopView>

function desktopView(
  row: DesktopRow,
  principal: Principal,
  estimateMs: number | null,
  waits: ReturnType<typeof waitsForHost>,
) {
  const phase = phaseNow(row)
  const moving = ['making', 'starting', 'stopping', 'recycling', 'removing'].includes(phase)
  const trouble = troubleFor(principal, row.observed_trouble)
  return {
    id: row.id,
    name: row.name,
    poolId: row.pool_id,
    poolName: row.pool_name,
    kind: row.pool_kind,
    hostId: row.host_id,
    hostName: row.host_name,
    userId: row.user_id,
    userName: row.user_name,
    // On a network of the site its guest has what that gives it.
    address: row.pool_network.mode === 'bridge' ? null : row.address_text,
    nic: nicView(row.address_text, networkIn(row.pool_network, row.networks)),
    templateVersion: row.version_number,
    hardware: hardwareFull(row.hardware),
    phase,
    // One that failed says why in its host's words.
    reason: row.phase === 'failed' ? (trouble?.text ?? row.phase_reason) : row.phase_reason,
    since: row.phase_since.toISOString(),
    power: row.observed_power,
    saved:
      isSaved(row) && row.observed_memory?.state === 'saved'
        ? { at: row.observed_memory.savedAt, bytes: row.observed_memory.bytes }
        : null,
    step: moving
      ? {
          name: row.observed_step ?? (phase === 'starting' && row.observed_ready ? 'customising' : phase),
          startedAt: row.step_since.toISOString(),
          estimateMs,
          queuePlace: row.observed_queue_place,
          text: setupText(setupNow(row)) ?? null,
        }
      : null,
    session:
      row.session_state && row.session_since
        ? { state: row.session_state, since: row.session_since.toISOString(), clients: row.observed_clients }
        : null,
    trouble,
    waitsForHost: waits,
    noNetwork: row.foreign_network
      ? 'it came running from another cluster, whose address it still has: it has no network until it is shut down and started again'
      : null,
    backAt: iso(row.back_at),
    capturedBy: principal.permissions.has('template.read') ? row.captured_by : null,
    move:
      row.move_id !== null && row.move_state !== null && row.move_kind !== null
        ? {
            id: row.move_id,
            state: row.move_state,
            kind: row.move_kind,
            toHostId: row.move_host_id,
            toHostName: row.move_host_name,
            progress: row.move_progress ?? 0,
            text: row.move_text ?? '',
          }
        : null,
    cdrom: row.wished_cdrom,
    bootDisc: row.boot_disc,
    drive: row.observed_cdrom !== null && row.observed_power !== 'stopped',
    runsWith: row.observed_power === 'running' || row.observed_power === 'paused' ? row.observed_hardware : null,
    binned: binnedView(row),
    binDays: row.pool_kind === 'persistent' && row.user_id !== null && row.binned_at === null ? row.bin_days : 0,
    assignedAt: iso(row.assigned_at),
    madeAt: row.made_at.toISOString(),
    actions: desktopActions(row, principal),
  }
}

/** What this person may do with it now. */
export const desktopActions = (row: DesktopRow, principal: Principal) =>
  desktopActionsFor(
    {
      // Of two who remove it at once the second is told so, before its phase is looked at anew.
      phase: row.wished_present ? phaseNow(row) : 'removing',
      power: row.wished_power,
      assigned: row.user_id !== null,
      kind: row.pool_kind,
      warm: row.pool_enabled ? row.pool_warm : 0,
      starved: row.wished_power === 'running' && row.observed_trouble?.code === 'storage_full',
      moving: row.move_id !== null,
      captured: row.captured,
      pinned: row.pinned,
      volumes: row.volume_names,
      memory: memoryKept(row),
      can: row.host_can ?? [],
      setupFailed: row.phase === 'failed' && row.observed_trouble?.code === 'setup_failed',
      binned: row.binned_at !== null,
    },
    actorOf(principal, row.user_id),
  )

export async function desktopList(
  broker: Broker,
  principal: Principal,
  query: {
    limit: number
    cursor?: string | undefined
    mine?: boolean | undefined
    poolId?: string | undefined
    hostId?: string | undefined
    userId?: string | undefined
    phase?: string | undefined
    name?: string | undefined
    troubled?: boolean | undefined
    noNetwork?: boolean | undefined
    binned?: boolean | undefined
    search?: string | undefined
  },
) {
  const all = principal.permissions.has('desktop.read') && !query.mine
  const { limit, cursor, mine: _mine, ...filter } = query
  const rows = await desktopRows(broker.db, {
    ...filter,
    ...(!all && { userId: principal.userId }),
    after: nameAfter(cursor),
    limit: limit + 1,
  })
  const show = await desktopsShow(broker, principal, rows)
  return pageOf(rows, limit, row => nameCursor(row.name), show)
}

/** @throws HdcsError `not_found` also for what one may not know of. */
export async function desktopGet(broker: Broker, principal: Principal, id: string): Promise<DesktopView> {
  const [row] = await desktopRows(broker.db, { ids: [id] })
  const own = row?.user_id === principal.userId && row.binned_at === null
  if (!row || !(own || principal.permissions.has('desktop.read')))
    throw new HdcsError('not_found', 'There is no such desktop.')
  return desktopShown(broker, principal, row)
}

/** A desktop as this person sees it, from its row. */
export const desktopShown = async (broker: Broker, principal: Principal, row: DesktopRow): Promise<DesktopView> =>
  (await desktopsShow(broker, principal, [row]))(row)

/** How these desktops are shown to this person. */
async function desktopsShow(broker: Broker, principal: Principal, rows: readonly DesktopRow[]) {
  const estimateMs = await taskEstimate(broker, 'desktop.start')
  const hosts = await hostsWaitedFor(broker, rows)
  const now = broker.clock.now()
  return (row: DesktopRow) => desktopView(row, principal, estimateMs, waitsForHost(row, hosts, now))
}

export async function desktopHistory(
  broker: Broker,
  id: string,
  query: { limit: number; cursor?: string | undefined },
) {
  const rows = await transitionsOf(broker.db, id, query.limit + 1, query.cursor ? Number(query.cursor) : undefined)
  return pageOf(
    rows,
    query.limit,
    row => String(row.id),
    row => ({ at: row.at.toISOString(), from: row.was, to: row.became, reason: row.reason, userName: row.user_name }),
  )
}

/** Asked politely for so long, then the power is cut. Shorter: guests lose what they were writing. */
const shutdownGraceMs = 60_000

/** What each action writes as the new wish; the agent and the reconcilers do the rest. */
const wishes = {
  start: desktopStart,
  resume: async (tx, id) => desktopWish(tx, id, { wished_power: 'running' }),
  suspend: async (tx, id) => desktopWish(tx, id, { wished_power: 'paused' }),
  shutdown: async (tx, id) => desktopWish(tx, id, { wished_power: 'stopped', wished_stop_grace_ms: shutdownGraceMs }),
  poweroff: async (tx, id) =>
    desktopWish(tx, id, { wished_power: 'stopped', wished_stop_grace_ms: 0, wished_saved: false }),
  // An agent that cannot save, of a host that was downgraded since, asks the guest to shut down.
  save: async (tx, id) =>
    desktopWish(tx, id, { wished_power: 'stopped', wished_stop_grace_ms: shutdownGraceMs, wished_saved: true }),
  delete: async (tx, id) => desktopWish(tx, id, { wished_present: false }),
  purge: async (tx, id) => desktopWish(tx, id, { wished_present: false }),
  customise: desktopSetupAgain,
} satisfies Partial<Record<DesktopAction, (tx: Tx, id: string, now: Date) => Promise<void>>>

/**
 * @param how.atOnce what is deleted is not kept in the recycle bin.
 * @param how.also last in the same transaction, which is given up when it throws.
 * @throws HdcsError `conflict` with the reason when the action is refused now, `not_found`, `forbidden`.
 */
export async function desktopAct(
  broker: Broker,
  principal: Principal,
  id: string,
  name: Exclude<DesktopAction, 'migrate' | 'capture' | 'clone' | 'rename' | 'change' | 'console' | 'screen'>,
  { atOnce = false, also }: { atOnce?: boolean; also?: (tx: Tx, task: TaskView, now: Date) => Promise<void> } = {},
): Promise<{ task: TaskView; desktop: DesktopView }> {
  const before = await desktopGet(broker, principal, id)
  const now = broker.clock.now()
  const asked = async (tx: Tx) => {
    if (name === 'start') await startLock(tx, id)
    if (name === 'restore') await binLock(tx, before.poolId)
    const row = await desktopLock(tx, id)
    const [shown] = await desktopRows(tx, { ids: [id] })
    if (!row || !shown) throw new HdcsError('not_found', 'There is no such desktop.')
    const actor = actorOf(principal, row.user_id)
    const action = desktopActions(shown, principal).find(candidate => candidate.name === name)
    if (!actor.owner && !actor.administrator) throw new HdcsError('forbidden', 'This desktop is not yours.')
    if (!action?.allowed) throw new HdcsError('conflict', `${row.name}: ${action?.reason ?? 'not possible now'}.`)

    const taskId = newId(now.getTime())
    const subject = { type: 'desktop', id, name: row.name }
    const ask = { id: taskId, kind: `desktop.${name}`, subject, requestedBy: principal }
    const note = (became: string) =>
      transitionNote(tx, [{ ...row, was: row.phase, became, reason: `${name} asked by ${principal.name}` }], now)
    if (name === 'release') {
      const goal = await releaseWish(tx, row, before.kind, { because: `given back by ${principal.name}`, now })
      return taskOpen(tx, { ...ask, goal }, now)
    }
    if (name === 'restore') {
      await binRestore(tx, row)
      await note('restored')
      return taskOpen(tx, { ...ask, done: true }, now)
    }
    if (name === 'delete' && !atOnce && (await binInstead(tx, row, before.kind, now))) {
      await note('binned')
      return taskOpen(tx, { ...ask, goal: { binned: true } }, now)
    }
    await note(`${name} asked`)
    const opened = await taskOpen(tx, ask, now)
    if (name === 'reboot' || name === 'reset')
      await operationInsert(tx, {
        id: newId(now.getTime()),
        host_id: row.host_id,
        desktop_id: id,
        task_id: taskId,
        name,
      })
    else await wishes[name](tx, id, now)
    return opened
  }
  const task = await transact(broker.db, async tx => {
    const opened = await asked(tx)
    await also?.(tx, opened, now)
    return opened
  })
  return { task, desktop: await desktopGet(broker, principal, id).catch(whenGone(before)) }
}

/** A released desktop is no longer its person's to see; the answer shows it as it was, now without a person. */
const whenGone = (before: DesktopView) => (error: unknown) => {
  if (error instanceof HdcsError && error.code === 'not_found')
    return { ...before, userId: null, userName: null, phase: 'recycling' as const, session: null, actions: [] }
  throw error
}
