/**
 * Saved memory on a simulated host: kept with the disk, as long as nobody writes to that. What a name asks for:
 *   machine named …fail-save…     cannot be saved (`storage_full`)
 *   machine named …slow-save…     takes a hundred times as long
 *   machine named …fail-restore…  cannot go on from its memory (`start_failed`)
 */
import { HdcsError } from '../lib/errors.ts'
import type { FoundMachine, FoundOverlay, Host, Progress } from './host.ts'
import type { RunningHardware } from './report.ts'
import { overlayKey, type SimStorage } from './sim-storage.ts'
import type { MachineSpec } from './spec.ts'

interface SimSavedOptions {
  storage: SimStorage
  delayMs: number
  /** Ends with the host or the signal. */
  delay(ms: number, signal: AbortSignal): Promise<void>
  /** What runs under this id; undefined: nothing. */
  running(id: string): { spec: MachineSpec; agentConnected: boolean; hardware: RunningHardware } | undefined
  end(id: string): void
  /** Runs it from where it was, with what it had. */
  goOn(spec: MachineSpec, agentConnected: boolean, hardware: RunningHardware | undefined): FoundMachine
}

const refuse = (code: HdcsError['code'], text: string) => new HdcsError(code, text)

export function simSaved(options: SimSavedOptions): Pick<Host, 'machineSave' | 'machineRestore' | 'memoryForget'> {
  const { storage, delayMs, delay, running, end, goOn } = options
  const diskOf = (overlay: FoundOverlay) => storage.overlays.get(overlayKey(overlay))
  const memoryOf = (overlay: FoundOverlay) => {
    const memory = diskOf(overlay)?.memory
    return memory && { bytes: memory.bytes, savedAt: memory.savedAt }
  }

  async function work(name: string, progress: Progress, signal: AbortSignal) {
    for (const percent of [0, 25, 50, 75]) {
      progress(percent, 'saving its memory')
      await delay((delayMs / 4) * (name.includes('slow-save') ? 100 : 1), signal)
    }
    if (name.includes('fail-save'))
      throw refuse('storage_full', 'Its memory could not be saved. No space for it, as its name asked.')
  }

  return {
    async machineSave(id, overlay, progress, signal) {
      const machine = running(id)
      const disk = diskOf(overlay)
      if (machine && disk) {
        // As libvirt's (libvirt-save.ts).
        if (machine.spec.volumes?.length)
          throw refuse('conflict', 'Its memory could not be saved: it has volumes besides its disk. Detach them first.')
        await work(machine.spec.name, progress, signal)
        const now = running(id)
        if (now) {
          const { agentConnected, hardware } = now
          disk.memory = { bytes: hardware.memoryBytes, savedAt: new Date().toISOString(), agentConnected, hardware }
          end(id)
          await storage.keep()
        }
      }
      const memory = memoryOf(overlay)
      if (memory) return memory
      throw refuse('conflict', 'It ended before its memory was saved: look at it, and try again.')
    },
    async machineRestore(spec) {
      const disk = diskOf({ machineId: spec.id, incarnation: spec.incarnation })
      if (!disk?.memory) throw refuse('not_found', 'No memory of it is saved here.')
      if (spec.name.includes('fail-restore'))
        throw refuse('start_failed', 'It could not go on from its saved memory, as its name asked.')
      return goOn(spec, disk.memory.agentConnected, disk.memory.hardware)
    },
    async memoryForget(overlay) {
      const disk = diskOf(overlay)
      if (disk) disk.memory = undefined
      await storage.keep()
    },
  }
}
