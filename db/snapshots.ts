/** Snapshots of desktops' disks: what is wished, and what the hosts say is there. */
import { type Kysely, sql } from 'kysely'
import type { Tx } from './connect.ts'
import type { Database, TroubleValue } from './schema.ts'
import { taskSet } from './tasks.ts'

export type SnapshotRow = Awaited<ReturnType<typeof snapshotRows>>[number]

/** Newest first, with who asked for them. */
export function snapshotRows(db: Kysely<Database>, desktopId: string) {
  return db
    .selectFrom('snapshot')
    .leftJoin('user_account', 'user_account.id', 'snapshot.created_by')
    .selectAll('snapshot')
    .select('user_account.name as created_by_name')
    .where('desktop_id', '=', desktopId)
    .orderBy('snapshot.id', 'desc')
    .execute()
}

export async function snapshotInsert(
  tx: Tx,
  row: {
    id: string
    desktop_id: string
    incarnation: number
    name: string
    note: string
    created_by: string
    task_id: string
    created_at: Date
  },
) {
  const unseen = { observed_taken_at: null, observed_frozen: null, observed_disk_bytes: null }
  await tx
    .insertInto('snapshot')
    .values({ ...row, ...unseen })
    .execute()
}

export async function snapshotRemoveWish(tx: Tx, id: string, taskId: string) {
  await tx.updateTable('snapshot').set({ wished_present: false, task_id: taskId }).where('id', '=', id).execute()
}

/** One that is not taken yet is taken no more. @returns false when it is done already. */
export async function snapshotTakeBack(tx: Tx, taskId: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('snapshot')
    .set({ wished_present: false })
    .where('task_id', '=', taskId)
    .where('wished_present', '=', true)
    .where('observed_taken_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

export async function revertWish(
  tx: Tx,
  desktopId: string,
  revert: { id: string; snapshotId: string; taskId: string },
) {
  await tx
    .updateTable('desktop')
    .set({ wished_revert: JSON.stringify(revert) })
    .where('id', '=', desktopId)
    .execute()
}

/** Of a `desktop`, what its host is told of its snapshots; null for the many that have none. */
export const snapshotsWished = sql<{ id: string; made: boolean; present: boolean }[] | null>`(
  select jsonb_agg(jsonb_build_object('id', s.id, 'made', s.observed_taken_at is not null, 'present', s.wished_present) order by s.id)
  from snapshot s where s.desktop_id = desktop.id)`

/** Whether a `desktop` has any. */
export const hasSnapshots = sql<boolean>`exists (select from snapshot s where s.desktop_id = desktop.id)`

export interface SnapshotsSaid {
  desktopId: string
  generation: number
  found: { id: string; takenAt: string; diskBytes: number; frozen: boolean | null }[]
  failed: { id: string; trouble: TroubleValue }[]
  reverted: string | null
}

/**
 * Brings the rows to what a host says is there, with the receipts of who waits. A row whose snapshot could not be taken, or
 * is gone, goes; one that could not be removed stays.
 */
export async function snapshotsObserve(tx: Tx, hostId: string, said: SnapshotsSaid, now: Date) {
  const desktop = await tx
    .selectFrom('desktop')
    .select(['id', 'generation', 'wished_revert'])
    .where('id', '=', said.desktopId)
    .where('host_id', '=', hostId)
    .forUpdate()
    .executeTakeFirst()
  if (!desktop) return
  const end = async (taskId: string | null, error: TroubleValue | null) => {
    const state = error ? ('failed' as const) : ('succeeded' as const)
    if (taskId) await taskSet(tx, taskId, { state, progress: 100, error, finished_at: now })
  }
  const heard = said.generation === desktop.generation
  for (const row of await tx.selectFrom('snapshot').selectAll().where('desktop_id', '=', desktop.id).execute()) {
    const there = said.found.find(({ id }) => id === row.id)
    const trouble = said.failed.find(({ id }) => id === row.id)?.trouble ?? null
    const remove = () => tx.deleteFrom('snapshot').where('id', '=', row.id).execute()
    if (!row.wished_present && trouble) {
      await tx.updateTable('snapshot').set({ wished_present: true }).where('id', '=', row.id).execute()
      await end(row.task_id, trouble)
    } else if (there && row.wished_present && row.observed_taken_at === null) {
      const seen = {
        observed_taken_at: there.takenAt,
        observed_disk_bytes: there.diskBytes,
        observed_frozen: there.frozen,
      }
      await tx.updateTable('snapshot').set(seen).where('id', '=', row.id).execute()
      await end(row.task_id, null)
    } else if (!there && heard && (!row.wished_present || row.observed_taken_at !== null)) {
      // Removed as wished, or by somebody else on the host: what is not there is not shown.
      await remove()
      await end(row.task_id, null)
    } else if (!there && trouble) {
      await remove()
      await end(row.task_id, trouble)
    }
  }
  const { wished_revert: revert } = desktop
  const refused = said.failed.find(({ id }) => id === revert?.id)?.trouble ?? null
  if (!revert || (said.reverted !== revert.id && !refused)) return
  await sql`update desktop set wished_revert = null where id = ${desktop.id}`.execute(tx)
  await end(revert.taskId, refused)
}
