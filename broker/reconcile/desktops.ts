import type { Tx } from '../../db/connect.ts'
import {
  type DesktopSettled,
  desktopRest,
  desktopsDelete,
  desktopsDirty,
  desktopsDirtyAny,
  desktopsSettle,
  desktopWish,
  transitionNote,
} from '../../db/desktops.ts'
import { sessionsEnd } from '../../db/sessions.ts'
import type { TaskSettled } from '../../db/tasks.ts'
import type { Broker } from '../broker.ts'
import { type DesktopFacts, desktopConsequence, desktopPhase } from '../desktop-state.ts'
import { releaseWish } from '../releasing.ts'
import { isCustomising, setupDone, troubleNow } from '../setup.ts'
import { desktopForTask, desktopTask, taskSettled, undone } from '../task-progress.ts'
import type { Reconciler } from './driver.ts'

/** More rows a transaction: claims wait longer behind it; fewer: a host with 1,000 desktops takes many turns. */
const batch = 100

type Row = Awaited<ReturnType<typeof desktopsDirty>>[number]
type Consequence = ReturnType<typeof desktopConsequence>

/** Those that somebody held locked are looked at again: whoever held them may have changed nothing, and then wakes nobody. */
const heldMs = 100

/** Works out the phase of every desktop that changed, notes the transition, and does what follows from it. */
export function desktopsReconciler(broker: Broker): Reconciler {
  let held = false
  return {
    name: 'desktops',
    everyMs: () => (held ? heldMs : 10_000),
    // Longer: "ready" is told later; shorter: one look per report instead of one for the reports of many hosts.
    restMs: 20,
    async step(signal) {
      while (!signal.aborted) {
        const { settled, left } = await broker.db.transaction().execute(tx => settleBatch(tx, broker.clock.now()))
        held = left
        if (settled < batch) return
      }
    },
  }
}

/** @returns how many, and whether there are more: beyond the batch, or locked by somebody. */
async function settleBatch(tx: Tx, now: Date): Promise<{ settled: number; left: boolean }> {
  const rows = await desktopsDirty(tx, batch)
  const settled = rows.map(row => ({ row, ...settle(row) }))
  await desktopsSettle(
    tx,
    settled.map(({ write }) => write),
    settled.flatMap(({ row, write, consequence }) => receiptsOf({ ...row, phase: write.phase }, consequence, now)),
    now,
  )
  for (const { row, consequence } of settled) await follow(tx, row, consequence, now)
  const [row] = rows
  return { settled: rows.length, left: row ? row.dirty_in_all > rows.length : await desktopsDirtyAny(tx) }
}

function settle(row: Row): { write: DesktopSettled; consequence: Consequence } {
  const facts = factsOf(row)
  const { phase, reason } = desktopPhase(facts)
  const sessionState: DesktopSettled['session_state'] =
    row.user_id === null
      ? null
      : row.observed_clients > 0 && !row.wished_graphics?.watch
        ? 'connected'
        : row.session_state === null
          ? null
          : 'disconnected'
  const write = {
    id: row.id,
    phase,
    phase_reason: reason,
    session_state: sessionState,
    setup_done: setupDone(row),
    disk_incarnation:
      row.observed_incarnation === row.wished_incarnation ? row.wished_incarnation : row.disk_incarnation,
    // It became ready: the claim is its person's for good, and what was noted to undo it is forgotten.
    claim_task_id: phase === 'ready' ? null : row.claim_task_id,
  }
  return { write, consequence: desktopConsequence(facts, phase) }
}

/** What became of its open receipts. Where more follows from the look, the look after that tells. */
function receiptsOf(row: Row, consequence: Consequence, now: Date): TaskSettled[] {
  // Told with the undoing: a moment later the desktop's next life has no trouble to tell.
  if (consequence.do === 'undo claim')
    return row.receipts
      .filter(({ id }) => id === row.claim_task_id)
      .flatMap(receipt => taskSettled(receipt, undone(row.observed_trouble), now))
  if (consequence.do === 'go on')
    return row.receipts
      .filter(({ kind }) => kind === 'desktop.save')
      .flatMap(receipt => taskSettled(receipt, undone(consequence.trouble), now))
  if (consequence.do !== 'nothing' && consequence.do !== 'forget') return []
  const desktop = consequence.do === 'forget' ? undefined : desktopForTask(row)
  return row.receipts.flatMap(receipt => taskSettled(receipt, desktopTask(receipt, desktop), now))
}

async function follow(tx: Tx, row: Row, consequence: Consequence, now: Date) {
  switch (consequence.do) {
    case 'nothing':
      return
    case 'forget':
      await sessionsEnd(tx, [row.id], now)
      await transitionNote(tx, [{ ...row, was: 'removing', became: 'removed', reason: consequence.because }], now)
      return desktopsDelete(tx, [row.id])
    case 'rest':
      return desktopRest(tx, row.id)
    case 'go on':
      await transitionNote(tx, [{ ...row, was: row.phase, became: 'save failed', reason: consequence.because }], now)
      return desktopWish(tx, row.id, { wished_power: 'running' })
    case 'recycle':
      await releaseWish(tx, row, 'floating', { because: consequence.because, now })
      return
    case 'undo claim':
      await releaseWish(tx, row, 'floating', { because: consequence.because, now, became: 'claim undone' })
      return
  }
}

const factsOf = (row: Row): DesktopFacts => ({
  kind: row.pool_kind,
  hostState: row.host_state,
  assigned: row.user_id !== null,
  claimOpen: row.claim_task_id !== null,
  moving: row.moving,
  customising: isCustomising(row.wished_setup, setupDone(row)),
  diskMade: row.disk_incarnation === row.wished_incarnation,
  waitsFor: row.waits_for,
  wished: {
    present: row.wished_present,
    power: row.wished_power,
    saved: row.wished_saved,
    incarnation: row.wished_incarnation,
    generation: row.generation,
  },
  observed: {
    generation: row.observed_generation,
    incarnation: row.observed_incarnation,
    power: row.observed_power,
    stopped: row.observed_stopped,
    ready: row.observed_ready,
    step: row.observed_step,
    saved: row.observed_memory,
    trouble: troubleNow(row),
    gone: row.observed_gone,
  },
})
