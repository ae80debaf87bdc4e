import type { Tx } from '../../db/connect.ts'
import { desktopDelete, desktopSettle, desktopsDirty, transitionNote } from '../../db/desktops.ts'
import { sessionsEnd } from '../../db/sessions.ts'
import type { Broker } from '../broker.ts'
import { type DesktopFacts, desktopConsequence, desktopPhase } from '../desktop-state.ts'
import { releaseWish } from '../releasing.ts'
import type { Reconciler } from './driver.ts'

/** More rows a transaction: claims wait longer behind it; fewer: a host with 1,000 desktops takes many turns. */
const batch = 100

type Row = Awaited<ReturnType<typeof desktopsDirty>>[number]

/** Works out the phase of every desktop that changed, notes the transition, and does what follows from it. */
export function desktopsReconciler(broker: Broker): Reconciler {
  return {
    name: 'desktops',
    everyMs: 10_000,
    async step(signal) {
      while (!signal.aborted) {
        const settled = await broker.db.transaction().execute(async tx => {
          const rows = await desktopsDirty(tx, batch)
          for (const row of rows) await settle(tx, row, broker.clock.now())
          return rows.length
        })
        if (settled < batch) return
      }
    },
  }
}

async function settle(tx: Tx, row: Row, now: Date) {
  const facts = factsOf(row)
  const { phase, reason } = desktopPhase(facts)
  const changed = phase !== row.phase
  if (changed) await transitionNote(tx, [{ ...row, was: row.phase, became: phase, reason }], now)
  const sessionState =
    row.user_id === null
      ? null
      : row.observed_clients > 0
        ? 'connected'
        : row.session_state === null
          ? null
          : 'disconnected'
  await desktopSettle(tx, row.id, {
    ...(changed && { phase, phase_since: now }),
    ...(reason !== row.phase_reason && { phase_reason: reason }),
    ...(sessionState !== row.session_state && { session_state: sessionState, session_since: sessionState && now }),
    ...(row.observed_incarnation === row.wished_incarnation && { disk_incarnation: row.wished_incarnation }),
    // It became ready: the claim is its person's for good, and what was noted to undo it is forgotten.
    ...(phase === 'ready' && row.claim_task_id !== null && { claim_task_id: null }),
  })
  await follow(tx, row, desktopConsequence(facts, phase), now)
}

async function follow(tx: Tx, row: Row, consequence: ReturnType<typeof desktopConsequence>, now: Date) {
  switch (consequence.do) {
    case 'nothing':
      return
    case 'forget':
      await sessionsEnd(tx, row.id, now)
      await transitionNote(tx, [{ ...row, was: 'removing', became: 'removed', reason: consequence.because }], now)
      return desktopDelete(tx, row.id)
    case 'rest':
      return desktopSettle(tx, row.id, { wished_power: 'stopped' })
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
  waitsFor: row.waits_for,
  wished: {
    present: row.wished_present,
    power: row.wished_power,
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
    trouble: row.observed_trouble,
    gone: row.observed_gone,
  },
})
