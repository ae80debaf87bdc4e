import type { Tx } from '../db/connect.ts'
import { transitionNote } from '../db/desktops.ts'
import { type MovableRow, migrationInsert } from '../db/migrations.ts'
import type { MigrationCause } from '../db/schema-hosts.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Target } from './move-target.ts'
import { decisionText } from './placement.ts'
import { decisionKept } from './placing.ts'

/**
 * Puts a move in the queue: the migrations reconciler does the rest.
 * @returns its id.
 * @throws HdcsError `no_host`, `conflict`.
 */
export async function migrationOpen(
  tx: Tx,
  row: MovableRow,
  { decision, kind, waits }: Pick<Target, 'decision' | 'kind' | 'waits'>,
  why: { cause: MigrationCause; reason: string; taskId: string | null; restart: boolean },
  now: Date,
): Promise<string> {
  if (decision.hostId === undefined)
    throw new HdcsError(
      'no_host',
      `No host can take ${row.name} (${decisionText(decision, id => id !== row.host_id)}).`,
    )
  if (kind === null) throw new HdcsError('conflict', `${row.name}: ${waits ?? 'it cannot move now'}.`)
  const id = newId(now.getTime())
  const taken = await migrationInsert(tx, {
    id,
    desktop_id: row.id,
    from_host_id: row.host_id,
    to_host_id: decision.hostId,
    kind,
    cause: why.cause,
    reason: why.reason,
    restart: why.restart,
    decision: { why: decision.why, hosts: decisionKept(decision) },
    task_id: why.taskId,
    created_at: now,
  })
  if (!taken) throw new HdcsError('conflict', `${row.name} is on its way to another host already.`)
  const reason = `to ${decision.hostName}: ${why.reason}`
  await transitionNote(tx, [{ ...row, was: row.phase, became: 'move asked', reason }], now)
  return id
}
