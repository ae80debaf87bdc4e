/** Snapshots on a simulated host: kept with the disk. A machine named …fail-snapshot… has none taken (`storage_full`). */
import { HdcsError } from '../lib/errors.ts'
import type { FoundOverlay, Host } from './host.ts'
import { overlayKey, type SimStorage } from './sim-storage.ts'

interface SimSnapshotsOptions {
  storage: SimStorage
  /** Its name while it runs; undefined: it stands. */
  running(machineId: string): string | undefined
}

const refuse = (code: HdcsError['code'], text: string) => new HdcsError(code, text)

export function simSnapshots(
  options: SimSnapshotsOptions,
): Pick<Host, 'snapshots' | 'snapshotTake' | 'snapshotRemove' | 'snapshotRevert'> {
  const { storage, running } = options
  const diskOf = (overlay: FoundOverlay) => {
    const disk = storage.overlays.get(overlayKey(overlay))
    if (!disk) throw refuse('not_found', 'The machine’s disk is not there.')
    return disk
  }
  return {
    snapshots: async overlay =>
      (diskOf(overlay).snapshots ?? []).map(({ id, takenAt, diskBytes }) => ({ id, takenAt, diskBytes })),
    async snapshotTake(overlay, id) {
      const disk = diskOf(overlay)
      const name = running(overlay.machineId)
      if (name?.includes('fail-snapshot')) throw refuse('storage_full', 'No space for a snapshot, as its name asked.')
      if (disk.snapshots?.some(found => found.id === id)) return { frozen: null }
      const { content, sizeBytes: diskBytes = 0 } = disk
      disk.snapshots = [...(disk.snapshots ?? []), { id, takenAt: new Date().toISOString(), diskBytes, content }]
      await storage.keep()
      return { frozen: name === undefined ? null : true }
    },
    async snapshotRemove(overlay, id) {
      const disk = diskOf(overlay)
      disk.snapshots = disk.snapshots?.filter(found => found.id !== id)
      await storage.keep()
    },
    async snapshotRevert(overlay, id) {
      const disk = diskOf(overlay)
      if (running(overlay.machineId) !== undefined) throw refuse('conflict', 'It runs: shut it down first.')
      const found = disk.snapshots?.find(one => one.id === id)
      if (!found) throw refuse('not_found', 'The disk has no such snapshot any more.')
      disk.content = found.content
      await storage.keep()
    },
  }
}
