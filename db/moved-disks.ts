import type { Db } from './connect.ts'

/** Who sends and who takes the disk of a move that is not over; and whether the target has said that it is there. */
export async function diskMoveOf(db: Db, moveId: string) {
  const row = await db
    .selectFrom('migration')
    .select(['from_host_id', 'to_host_id', 'observed_target', 'state'])
    .where('id', '=', moveId)
    .where('kind', '=', 'offline')
    .executeTakeFirst()
  if (!row || row.state === 'failed' || row.state === 'cancelled') return undefined
  const taken = row.state === 'done' || row.observed_target?.state === 'arrived'
  return { fromHostId: row.from_host_id, toHostId: row.to_host_id, taken }
}
