/** Receipts about storage pools and volumes, from the state of these. */
import { hostStorageRows, storagePoolRows } from '../../db/storage-pools.ts'
import type { TaskRow } from '../../db/tasks.ts'
import { volumeRows } from '../../db/volumes.ts'
import type { Broker } from '../broker.ts'
import { saidOf } from '../storage-pools.ts'
import { poolTaskRules, volumeTaskRules } from '../storage-tasks.ts'
import type { TaskOutcome } from '../task-progress.ts'

type Open = Pick<TaskRow, 'kind' | 'subject_id' | 'goal'>

/** @returns what each of them has become; undefined for receipts about anything else. */
export async function storageReceipts(
  broker: Broker,
  open: readonly Open[],
): Promise<(task: Open) => TaskOutcome | undefined> {
  const idsOf = (rules: object) => [
    ...new Set(open.filter(({ kind }) => kind in rules).map(({ subject_id }) => subject_id)),
  ]
  const poolIds = idsOf(poolTaskRules)
  const volumeIds = idsOf(volumeTaskRules)
  const pools = poolIds.length > 0 ? await storagePoolRows(broker.db, { ids: poolIds, limit: poolIds.length }) : []
  const hosts = poolIds.length > 0 ? await hostStorageRows(broker.db, poolIds) : []
  const volumes = volumeIds.length > 0 ? await volumeRows(broker.db, { ids: volumeIds, limit: volumeIds.length }) : []

  return ({ kind, subject_id: id, goal }) => {
    const poolRule = poolTaskRules[kind as keyof typeof poolTaskRules]
    if (poolRule) {
      const row = pools.find(pool => pool.id === id)
      const said = hosts.filter(({ pool_id }) => pool_id === id).map(saidOf)
      return poolRule(row && { present: row.wished_present, said }, goal)
    }
    const volumeRule = volumeTaskRules[kind as keyof typeof volumeTaskRules]
    const row = volumes.find(volume => volume.id === id)
    return volumeRule?.(
      row && {
        present: row.wished_present,
        state: row.observed_state,
        bytes: row.observed_bytes,
        usedBy: row.observed_used_by,
        desktopId: row.desktop_id,
        desktopRuns: row.desktop_power === 'running' || row.desktop_power === 'paused',
        trouble: row.observed_trouble,
      },
      goal,
    )
  }
}
