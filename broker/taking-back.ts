/** What is undone when a receipt is cancelled, by its kind. */
import type { Tx } from '../db/connect.ts'
import { copyTakeBack } from '../db/copies.ts'
import { desktopLock, desktopWish } from '../db/desktops.ts'
import { exportTakeBack } from '../db/exports.ts'
import { desktopAdoptNot } from '../db/foreign-machines.ts'
import { hostHistoryAdd } from '../db/host-history.ts'
import { hostMaintenanceSet, originsForget } from '../db/migrations.ts'
import { pushTakeBack } from '../db/pushes.ts'
import { snapshotTakeBack } from '../db/snapshots.ts'
import { storagePoolLock, storagePoolRows, storagePoolSet } from '../db/storage-pools.ts'
import type { TaskRow } from '../db/tasks.ts'
import { versionGiveUp } from '../db/templates.ts'
import { verificationTakeBack } from '../db/verifications.ts'
import { volumeLock, volumeSet } from '../db/volumes.ts'
import { isSaved } from './desktop-state.ts'
import { releaseWish } from './releasing.ts'

/** A desktop that the task is about is locked. @returns false when it is done already. */
type TakeBack = (asked: { tx: Tx; task: TaskRow; by: string; now: Date }) => Promise<boolean>

export const takeBacks: Partial<Record<string, TakeBack>> = {
  async 'desktop.claim'({ tx, task, by, now }) {
    const desktop = await desktopLock(tx, task.subject_id)
    if (desktop?.claim_task_id !== task.id) return false
    await releaseWish(tx, desktop, 'floating', { because: `claim cancelled by ${by}`, now })
    return true
  },
  'desktop.adopt': ({ tx, task }) => desktopAdoptNot(tx, task.subject_id),
  /** It runs on; what its host had written by then is removed there. */
  async 'desktop.save'({ tx, task }) {
    const desktop = await desktopLock(tx, task.subject_id)
    if (!desktop?.wished_saved || isSaved(desktop)) return false
    await desktopWish(tx, task.subject_id, { wished_power: 'running' })
    return true
  },
  /** A copy that is still being made goes. */
  async 'desktop.clone'({ tx, task }) {
    const desktop = await desktopLock(tx, task.subject_id)
    if (!desktop?.wished_present || desktop.disk_incarnation !== null) return false
    await desktopWish(tx, task.subject_id, { wished_present: false })
    return true
  },
  'desktop.snapshot': ({ tx, task }) => snapshotTakeBack(tx, task.id),
  /** What its hosts had made by then goes; what lies in its folder stays. */
  async 'storagePool.make'({ tx, task }) {
    await storagePoolLock(tx, task.subject_id)
    const [pool] = await storagePoolRows(tx, { ids: [task.subject_id] })
    if (!pool?.wished_present || pool.volumes > 0) return false
    await storagePoolSet(tx, pool.id, { wished_present: false })
    return true
  },
  /** Hosts read it all the same; nobody waits for it. */
  'storagePool.refresh': async () => true,
  async 'volume.make'({ tx, task }) {
    const volume = await volumeLock(tx, task.subject_id)
    if (!volume?.wished_present || volume.made || volume.desktop_id !== null) return false
    await volumeSet(tx, volume.id, { wished_present: false })
    return true
  },
  async 'volume.attach'({ tx, task }) {
    const desktopId = String(task.goal.desktopId)
    await desktopLock(tx, desktopId)
    const volume = await volumeLock(tx, task.subject_id)
    if (volume?.desktop_id !== desktopId || volume.observed_used_by === desktopId) return false
    await volumeSet(tx, volume.id, { desktop_id: null, slot: null })
    return true
  },
  'template.make': ({ tx, task, by }) =>
    versionGiveUp(tx, task.subject_id, { code: 'cancelled', text: `Cancelled by ${by}; it can be tried again.` }),
  'template.copy': ({ tx, task }) => copyTakeBack(tx, task.id),
  'template.export': ({ tx, task }) => exportTakeBack(tx, task.id),
  async 'host.enterMaintenance'({ tx, task, by, now }) {
    await hostMaintenanceSet(tx, task.subject_id, { wished_state: 'online', wished_evacuate: false })
    await hostHistoryAdd(tx, { hostId: task.subject_id, what: 'maintenanceEnded', userName: by }, now)
    return true
  },
  async 'host.leaveMaintenance'({ tx, task }) {
    await originsForget(tx, task.subject_id)
    return true
  },
  'pool.push': ({ tx, task, by, now }) => pushTakeBack(tx, task.id, `Cancelled by ${by}.`, now),
  'pool.verify': ({ tx, task, now }) => verificationTakeBack(tx, task.id, now),
}
