/**
 * Images and disks on a simulated host: what is answered was kept by its storage before. The disk of a machine named
 * …slow-copy… is never copied to the end.
 */
import { HdcsError } from '../lib/errors.ts'
import type { FoundOverlay, Host, HostOptions } from './host.ts'
import { simExport } from './sim-exports.ts'
import { simAwait, simHandover } from './sim-moves.ts'
import { newOverlay, overlayKey, type SimStorage, simImageMake } from './sim-storage.ts'

interface SimDisksOptions extends Pick<HostOptions, 'sendExport'> {
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
  | 'overlayClone'
  | 'overlayRemove'
  | 'overlayGrow'
  | 'arrivalPrepare'
  | 'overlaySend'
  | 'overlayFetch'
  | 'answersRemove'
>

const refuse = (code: HdcsError['code'], text: string) => new HdcsError(code, text)

export function simDisks({ storage, delays, delay, inUse, sendExport }: SimDisksOptions): SimDisks {
  const { images, overlays, media, keep } = storage

  const make = async (name: string, overlay: Parameters<typeof newOverlay>[0]) => {
    if (!images.has(overlay.imageId)) throw refuse('not_found', 'The image is not on this host.')
    await delay(delays.overlayMs)
    if (storage.full) throw refuse('storage_full', 'The storage is full: remove desktops or templates, or enlarge it.')
    if (name.includes('fail-disk')) throw refuse('storage_full', 'No space for the disk, as its name asked.')
    overlays.set(overlayKey(overlay), newOverlay(overlay))
    await keep()
  }

  return {
    overlays: async () =>
      [...overlays.values()].map(({ machineId, incarnation, memory }) => ({
        machineId,
        incarnation,
        ...(memory && { memory: { bytes: memory.bytes, savedAt: memory.savedAt } }),
        ...(media.has(overlayKey({ machineId, incarnation })) && { answers: true }),
      })),
    images: async () => [...images.values()],

    imageMake(image, progress, signal) {
      const half = () => delay(delays.imageMs / 2, signal)
      const { source } = image
      return source.kind === 'export'
        ? simExport(storage, { image, source, delay: half }, sendExport, progress, signal)
        : simImageMake(storage, image, progress, signal, half)
    },
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
    async overlayClone({ id, name, incarnation, imageId }, source, progress, signal) {
      const disk = overlays.get(overlayKey(source))
      if (overlays.has(overlayKey({ machineId: id, incarnation }))) return keep()
      if (!disk) throw refuse('not_found', 'The disk that it shall be a copy of is not there.')
      if (inUse(source)) throw refuse('disk_in_use', 'The desktop that is copied runs: shut it down.')
      for (const percent of [0, 50]) {
        if (signal.aborted) throw refuse('cancelled', 'The copy was cancelled.')
        progress(percent, 'copying its disk')
        await delay(name.includes('slow-copy') ? 2 ** 30 : delays.overlayMs, signal)
      }
      await make(name, { machineId: id, incarnation, imageId, content: disk.content })
    },
    async overlayRemove(overlay) {
      if (inUse(overlay)) throw refuse('conflict', 'The machine runs on this disk: stop it first.')
      await delay(delays.overlayMs)
      overlays.delete(overlayKey(overlay))
      media.delete(overlayKey(overlay))
      await keep()
    },
    async answersRemove(overlay) {
      media.delete(overlayKey(overlay))
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

/** The CD-ROM drive of a machine, which one has that was started with a disc in it. */
export function simDisc({ cdrom }: { cdrom: { imageId: string | null } | null }, imageId: string | null): void {
  if (!cdrom) throw refuse('unsupported', 'The machine has no CD-ROM drive until its next start.')
  cdrom.imageId = imageId
}
