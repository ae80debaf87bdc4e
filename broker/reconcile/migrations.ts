import type { Db, Tx } from '../../db/connect.ts'
import { desktopLock, transitionNote } from '../../db/desktops.ts'
import {
  desktopArrive,
  type MigrationOpenRow,
  migrationLock,
  migrationSet,
  migrationsCancel,
  migrationsOpen,
} from '../../db/migrations.ts'
import { placementsInsert } from '../../db/placements.ts'
import { transact } from '../../db/transact.ts'
import { asHdcsError, HdcsError } from '../../lib/errors.ts'
import type { Broker } from '../broker.ts'
import { isSaved, savedText } from '../desktop-state.ts'
import { type MoveEnd, type MoveFacts, type MoveStep, moveFits, planMove, storageShared } from '../migration-plan.ts'
import { makeTurns, type Turns } from '../migration-turns.ts'
import { moveEnd, moveStart } from '../move-ending.ts'
import { cardDiffers } from '../nics.ts'
import { addressAtHome } from '../readdressing.ts'
import { screenPortTake } from '../screen-ports.ts'
import type { Reconciler } from './driver.ts'

/** While a move is open. Longer: deadlines and turns are noticed late; shorter: queries for nothing. */
const openMs = 2_000
/** Otherwise: moves that begin wake us. */
const idleMs = 15_000

/** Takes every open move its next step (migration-plan.ts). */
export function migrationsReconciler(broker: Broker): Reconciler {
  let moving = false
  return {
    name: 'migrations',
    everyMs: () => (moving ? openMs : idleMs),
    async step(signal) {
      const open = await migrationsOpen(broker.db)
      moving = open.length > 0
      const turns = makeTurns(open)
      for (const row of open) {
        if (signal.aborted) return
        await advance(broker, row, turns)
      }
    },
  }
}

async function advance(broker: Broker, row: MigrationOpenRow, turns: Turns) {
  const now = broker.clock.now()
  const step = planMove(factsOf(row, turns.refusal(row)), now)
  if (step.do === 'wait') return waits(broker.db, row, step)
  if (step.do === 'admit') turns.take(row)
  await transact(broker.db, async tx => {
    // Whoever claims, gives back or deletes the desktop holds its row first: the other order would meet them head-on.
    const desktop = await desktopLock(tx, row.desktop_id)
    const move = await migrationLock(tx, row.id)
    // Cancelled or changed since it was read: the next turn plans anew.
    if (!desktop || !move || move.wished_cancel !== row.wished_cancel || desktop.generation !== row.generation) return
    await steps[step.do](tx, row, step as never, now)
  })
}

async function waits(db: Db, row: MigrationOpenRow, { text, progress }: Extract<MoveStep, { do: 'wait' }>) {
  if (text !== row.text || progress !== row.progress) await migrationSet(db, row.id, { text, progress })
}

type Act<Do extends MoveStep['do']> = (
  tx: Tx,
  row: MigrationOpenRow,
  step: Extract<MoveStep, { do: Do }>,
  now: Date,
) => Promise<void>

const steps: { [Do in Exclude<MoveStep['do'], 'wait'>]: Act<Do> } = {
  async admit(tx, row, { kind }, now) {
    const port = await screenPortTake(tx, row.to_host_id, row.desktop_id).catch((error: unknown) => asHdcsError(error))
    if (port instanceof HdcsError) return moveEnd(tx, row, 'failed', { code: port.code, text: port.message }, now)
    const [from_storage_id = null, to_storage_id = null] = storagesBetween(row)
    const begun = { kind, state: 'preparing', started_at: now, text: `${row.to_host_name} gets ready` } as const
    await migrationSet(tx, row.id, { ...begun, from_storage_id, to_storage_id })
  },
  async send(tx, row) {
    await migrationSet(tx, row.id, { state: 'moving', text: 'begins' })
  },
  arrive,
  async 'call off'(tx, row, { trouble }) {
    await migrationSet(tx, row.id, { trouble })
    await migrationsCancel(tx, { id: row.id })
  },
  async fail(tx, row, { trouble }, now) {
    await moveEnd(tx, row, 'failed', trouble, now)
  },
  async cancel(tx, row, { because }, now) {
    await moveEnd(tx, row, 'cancelled', { code: 'cancelled', text: `The move was called off: ${because}.` }, now)
  },
}

/** At home on the target from this commit on: the source's whole wish does not name it any more. */
async function arrive(tx: Tx, row: MigrationOpenRow, { because }: { because: string }, now: Date) {
  const target = row.observed_target
  await desktopArrive(tx, row.desktop_id, row.to_host_id, target?.state === 'arrived' ? target.machine : null)
  if (row.kind === 'offline') await addressAtHome(tx, row.desktop_id)
  const reason = `from ${row.from_host_name} to ${row.to_host_name}, ${row.reason}: ${because}`
  const moved = { ...row, id: row.desktop_id, host_id: row.to_host_id }
  await transitionNote(tx, [{ ...moved, was: row.phase, became: 'moved', reason }], now)
  const { why, hosts } = row.decision ?? { why: row.reason, hosts: [] }
  const host_id = row.to_host_id
  const noted = { desktop_id: row.desktop_id, cause: 'move' as const, host_id, why: `${row.reason}; ${why}`, hosts }
  await placementsInsert(tx, [noted])
  await migrationSet(tx, row.id, { state: 'done', progress: 100, text: because, trouble: null, ended_at: now })
  await moveStart(tx, row)
}

/** Between which its disk is copied; none when both hosts share one. */
function storagesBetween({ from_facts, to_facts }: MigrationOpenRow): string[] {
  const [from, to] = [from_facts?.storageId, to_facts?.storageId]
  return from && to && from !== to ? [from, to] : []
}

function factsOf(row: MigrationOpenRow, turn: string | null): MoveFacts {
  const source = endOf(row.from_host_name, row.from_facts)
  const target = endOf(row.to_host_name, row.to_facts)
  return {
    // Rows that have ended are not read.
    state: row.state as MoveFacts['state'],
    kind: row.kind,
    cancel: row.wished_cancel,
    trouble: row.trouble,
    startedAt: row.started_at,
    desktop: {
      present: row.wished_present,
      wishedPower: row.wished_power,
      power: row.observed_power,
      heard: row.observed_generation === row.generation,
      settled: row.observed_incarnation === row.wished_incarnation,
    },
    source: { name: row.from_host_name, state: row.from_state, said: row.observed_source },
    target: { name: row.to_host_name, state: row.to_state, wished: row.to_wished_state, said: row.observed_target },
    shared: storageShared({ source, target }),
    fits: moveFits({
      phase: row.phase,
      captured: row.captured,
      restart: row.restart,
      pinned: isSaved(row) ? savedText : row.pinned,
      snapshots: row.snapshots_any,
      otherNetwork: cardDiffers(row.network, row.from_networks, row.to_networks),
      source,
      target,
    }),
    turn,
  }
}

const endOf = (name: string, facts: MigrationOpenRow['from_facts']): MoveEnd => ({
  name,
  storageId: facts?.storageId ?? null,
  migrationUri: facts?.migrationUri ?? null,
})
