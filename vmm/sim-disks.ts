/** Images and disks on a simulated host: what is answered was kept by its storage before. */
import { HdcsError } from '../lib/errors.ts'
import type { FoundOverlay, Host } from './host.ts'
import { simAwait, simHandover } from './sim-moves.ts'
import { newOverlay, overlayKey, type SimStorage, simImageMake } from './sim-storage.ts'

interface SimDisksOptions {
  storage: SimStorage
  delays: { imageMs: number; overlayMs: number }
  /** Ends with the host unless another signal is given. */
  delay(ms: number, signal?: AbortSignal): Promise<void>
  /** Whether a machine of this host runs on it. */
  inUse(overlay: FoundOverlay): boolean
}

type SimDisks = Pick<
  Host,
  | 'overlays'
  | 'images'
  | 'imageMake'
  | 'imageRemove'
  | 'overlayMake'
  | 'overlayRemove'
  | 'overlayGrow'
  | 'arrivalPrepare'
  | 'overlaySend'
  | 'overlayFetch'
>

const refuse = (code: HdcsError['code'], text: string) => new HdcsError(code, text)

export function simDisks({ storage, delays, delay, inUse }: SimDisksOptions): SimDisks {
  const { images, overlays, keep } = storage

  const make = async (name: string, overlay: FoundOverlay & { imageId: string; moveId?: string }) => {
    if (!images.has(overlay.imageId)) throw refuse('not_found', 'The image is not on this host.')
    await delay(delays.overlayMs)
    if (name.includes('fail-disk')) throw refuse('storage_full', 'No space for the disk, as its name asked.')
    overlays.set(overlayKey(overlay), newOverlay(overlay))
    await keep()
  }

  return {
    overlays: async () => [...overlays.values()].map(({ machineId, incarnation }) => ({ machineId, incarnation })),
    images: async () => [...images.values()],

    imageMake: (image, progress, signal) =>
      simImageMake(storage, image, progress, signal, () => delay(delays.imageMs / 2, signal)),
    async imageRemove(id) {
      if ([...overlays.values()].some(overlay => overlay.imageId === id))
        throw refuse('conflict', 'Desktops stand on this image: remove them first.')
      images.delete(id)
      await keep()
    },

    overlayMake: ({ id, name, incarnation, imageId }) => make(name, { machineId: id, incarnation, imageId }),
    async overlayGrow(overlay, sizeBytes) {
      const disk = overlays.get(overlayKey(overlay))
      if (!disk) throw refuse('not_found', 'The machine’s disk is not there.')
      disk.sizeBytes = Math.max(disk.sizeBytes ?? 0, sizeBytes)
      await keep()
    },
    async overlayRemove(overlay) {
      if (inUse(overlay)) throw refuse('conflict', 'The machine runs on this disk: stop it first.')
      await delay(delays.overlayMs)
      overlays.delete(overlayKey(overlay))
      await keep()
    },

    async arrivalPrepare({ id, name, incarnation, imageId }, { moveId, shared }) {
      const disk = overlays.get(overlayKey({ machineId: id, incarnation }))
      if (shared && !disk) throw refuse('not_found', 'The desktop’s disk is not on this host’s storage.')
      if (shared || disk?.moveId === moveId) return keep()
      await make(name, { machineId: id, incarnation, imageId, moveId })
    },
    async overlaySend(overlay, moveId, progress, signal) {
      const disk = overlays.get(overlayKey(overlay))
      if (!disk) throw refuse('not_found', 'The machine’s disk is not there.')
      const { offered, taken } = simHandover(moveId)
      offered.resolve(disk.content)
      progress(0, 'sending its disk')
      await simAwait(taken.promise, signal)
    },
    async overlayFetch({ id, incarnation, imageId }, moveId, progress, signal) {
      const name = overlayKey({ machineId: id, incarnation })
      const { offered, taken } = simHandover(moveId)
      if (overlays.get(name)?.moveId !== moveId) {
        const content = await simAwait(offered.promise, signal)
        progress(50, 'fetching its disk')
        await delay(delays.overlayMs, signal)
        overlays.set(name, { ...newOverlay({ machineId: id, incarnation, imageId }), content, moveId })
      }
      await keep()
      taken.resolve()
    },
  }
}
