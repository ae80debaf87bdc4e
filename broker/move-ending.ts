/** A move that ends with its desktop where it was: told on the desktop, whoever ends it. */
import type { Tx } from '../db/connect.ts'
import { desktopWish, transitionNote } from '../db/desktops.ts'
import { type MigrationOpenRow, migrationSet, originForgetHere } from '../db/migrations.ts'
import type { HdcsError } from '../lib/errors.ts'
import { startStayed } from './starting.ts'

export async function moveEnd(
  tx: Tx,
  row: MigrationOpenRow,
  state: 'failed' | 'cancelled',
  trouble: { code: HdcsError['code']; text: string },
  now: Date,
) {
  await migrationSet(tx, row.id, { state, trouble, text: trouble.text, ended_at: now })
  const reason = `to ${row.to_host_name}, ${row.reason}: ${trouble.text}`
  const noted = { ...row, id: row.desktop_id }
  await transitionNote(tx, [{ ...noted, was: row.phase, became: `move ${state}`, reason }], now)
  await originForgetHere(tx, row.desktop_id)
  if (isForStart(row)) await startStayed(tx, row.desktop_id, now)
}

/** It moved to be started there. */
export async function moveStart(tx: Tx, row: MigrationOpenRow) {
  if (isForStart(row)) await desktopWish(tx, row.desktop_id, { wished_power: 'running' })
}

const isForStart = ({ cause, wished_present }: MigrationOpenRow) => cause === 'start' && wished_present
