/**
 * Makes sure that lost hosts are off: by the cluster's fence command, which the leading process runs, or by the word of an
 * administrator who looked. Each attempt is a task with its log; an attempt that nobody ended begins anew.
 */
import type { Principal } from '../auth/principal.ts'
import { nudge } from '../db/events.ts'
import { hostHistoryAdd } from '../db/host-history.ts'
import { hostFencedSet, type ReturnHostRow, returnHosts } from '../db/returns.ts'
import { type TaskRow, taskLogAdd, taskRows, taskSet, tasksOpen } from '../db/tasks.ts'
import { transact } from '../db/transact.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Broker } from './broker.ts'
import { commandRun } from './commands.ts'
import { fenceRefused } from './returning.ts'
import { type TaskView, taskOpen } from './tasks.ts'

/** Longer: desktops wait for a power switch that hangs; shorter: slow ones are given up while they work. */
const commandMs = 60_000
/** Between attempts. Shorter: a power switch that is away is asked all the time; longer: desktops wait for it. */
export const fenceAgainMs = 60_000

export const fenceKind = 'host.fence'

const refusedNow = (host: Pick<ReturnHostRow, 'state' | 'state_since' | 'fenced_at'>) =>
  fenceRefused({ state: host.state, lostSince: host.state_since, fencedAt: host.fenced_at })

/**
 * Asks for the fence command to be run, or takes an administrator's word that the host is off.
 * @throws HdcsError `not_found`, `conflict` (not lost, off already, or nothing to fence with).
 */
export async function hostFence(
  broker: Broker,
  principal: Principal,
  id: string,
  ask: { confirmed?: boolean | undefined },
): Promise<TaskView> {
  const host = (await returnHosts(broker.db)).find(candidate => candidate.id === id)
  if (!host) throw new HdcsError('not_found', 'There is no such host.')
  const refused = refusedNow(host)
  if (refused !== undefined) throw new HdcsError('conflict', `${host.name} is not fenced: ${refused}.`)
  const subject = { type: 'host', id, name: host.name }
  const now = broker.clock.now()
  if (!ask.confirmed) {
    if (host.fence_command === null)
      throw new HdcsError(
        'conflict',
        `The cluster ${host.cluster_name} has no fence command. Is ${host.name} off? Look, then confirm that it is: hdcs hosts fence ${host.name} --off.`,
      )
    if (isOpen(await fenceLast(broker, id))) throw new HdcsError('conflict', `${host.name} is being fenced already.`)
    return openFence(broker, principal, host)
  }
  return broker.db.transaction().execute(async tx => {
    if (!(await hostFencedSet(tx, id, now)))
      throw new HdcsError('conflict', `${host.name} was heard in this moment: it is not off.`)
    const task = await taskOpen(tx, { kind: fenceKind, subject, requestedBy: principal, done: true }, now)
    await taskLogAdd(tx, task.id, `${principal.name} confirmed that ${host.name} is off`, now)
    await hostHistoryAdd(tx, { hostId: id, what: 'fenced', userName: principal.name }, now)
    await nudge(tx, 'returns')
    return task
  })
}

function openFence(broker: Broker, requestedBy: Principal | null, host: ReturnHostRow): Promise<TaskView> {
  const subject = { type: 'host', id: host.id, name: host.name }
  return broker.db.transaction().execute(async tx => {
    const task = await taskOpen(tx, { kind: fenceKind, subject, requestedBy }, broker.clock.now())
    await nudge(tx, 'returns')
    return task
  })
}

/** The last attempt at a host, if any. */
const fenceLast = async (broker: Broker, hostId: string): Promise<TaskRow | undefined> =>
  (await taskRows(broker.db, { subjectId: hostId, limit: 20 })).find(task => task.kind === fenceKind)
const isOpen = (task: TaskRow | undefined) => task?.state === 'running' || task?.state === 'queued'

/** Whether another attempt is due: the first since it was lost, or long enough after the last. */
function fenceDue(last: TaskRow | undefined, host: ReturnHostRow, nowMs: number): boolean {
  // Switched off by ourselves to save power.
  if (host.wished_off_at !== null || isOpen(last)) return false
  const ended = last?.finished_at
  // Nothing of it has to be safe elsewhere, and it may be booting: switched on by ourselves, or by somebody's hand.
  if (!ended || ended < host.state_since) return host.carries
  return nowMs - ended.getTime() >= fenceAgainMs
}

export interface Fencing {
  /** Opens what is due and runs what is open. Commands run beside the caller. @param lost those of `hosts` that are lost for certain. */
  step(hosts: readonly ReturnHostRow[], lost: readonly ReturnHostRow[]): Promise<void>
}

export function makeFencing(broker: Broker): Fencing {
  const running = new Set<string>()

  async function run(task: { id: string }, host: ReturnHostRow): Promise<void> {
    const command = host.fence_command
    const fresh = (await returnHosts(broker.db)).find(candidate => candidate.id === host.id)
    // Never at a host that is heard.
    const refused = !fresh ? 'it left' : refusedNow(fresh)
    if (refused !== undefined || command === null)
      return end(task, `not fenced: ${refused ?? 'no command'}`, 'cancelled')
    const note = (text: string) => taskLogAdd(broker.db, task.id, text, broker.clock.now())
    // Its arguments may be a password.
    const [program = ''] = command.split(' ')
    await note(`runs ${program} for ${host.name}`)
    const userName = (await taskRows(broker.db, { ids: [task.id] }))[0]?.requested_by_name ?? null
    const outcome = await commandRun(command, [host.name, host.observed_facts?.address ?? ''], commandMs)
    for (const line of outcome.lines) await note(line)
    const off = await transact(broker.db, async tx => {
      const now = broker.clock.now()
      const fenced = outcome.ok && (await hostFencedSet(tx, host.id, now))
      const by = { hostId: host.id, ...(userName !== null && { userName }) }
      if (fenced) await hostHistoryAdd(tx, { ...by, what: 'fenced', reason: program }, now)
      const reason = outcome.lines.at(-1) ?? ''
      if (!outcome.ok) await hostHistoryAdd(tx, { ...by, what: 'fenceFailed', amount: 1, reason }, now)
      return fenced
    })
    const text = off
      ? `${host.name} is off for certain`
      : outcome.ok
        ? `${host.name} was heard meanwhile`
        : `the fence command for ${host.name} failed: ${outcome.lines.at(-1)}. Look at its power switch, or confirm by hand that the host is off.`
    await end(task, text, off ? 'succeeded' : outcome.ok ? 'cancelled' : 'failed')
  }

  async function end(task: { id: string }, text: string, state: 'succeeded' | 'failed' | 'cancelled'): Promise<void> {
    const error = state === 'succeeded' ? null : { code: state === 'failed' ? 'unreachable' : 'cancelled', text }
    const ended = { state, progress: 100, finished_at: broker.clock.now() }
    await taskSet(broker.db, task.id, { ...ended, error: error as TaskRow['error'] })
    await taskLogAdd(broker.db, task.id, text, broker.clock.now())
    await nudge(broker.db, 'returns')
  }

  function begin(task: { id: string }, host: ReturnHostRow): void {
    running.add(task.id)
    void run(task, host)
      .catch(error => broker.log.error({ err: error, host: host.name }, 'a lost host could not be fenced'))
      .finally(() => running.delete(task.id))
  }

  return {
    async step(hosts, lost) {
      // Also what another process began, or a person asked for.
      for (const task of (await tasksOpen(broker.db)).filter(
        ({ kind, id }) => kind === fenceKind && !running.has(id),
      )) {
        const host = hosts.find(({ id }) => id === task.subject_id)
        if (host?.state !== 'lost') await end(task, `${task.subject_name} is not lost any more`, 'cancelled')
        else if (lost.includes(host)) begin(task, host)
      }
      for (const host of lost) {
        if (host.fence_command === null || refusedNow(host) !== undefined) continue
        const last = await fenceLast(broker, host.id)
        if (fenceDue(last, host, broker.clock.now().getTime())) await openFence(broker, null, host)
      }
    },
  }
}
