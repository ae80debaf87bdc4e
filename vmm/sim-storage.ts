/** What simulated hosts of one cluster share: images, disks, who has which open. In memory; sim-file.ts keeps it too. */
import { HdcsError } from '../lib/errors.ts'
import type { FoundImage, FoundOverlay, Progress } from './host.ts'
import type { FoundVolume } from './host-storage.ts'
import type { RunningHardware, SavedMemory } from './report.ts'
import { simAwait } from './sim-moves.ts'
import type { ImageSpec } from './spec.ts'

export interface SimOverlay extends Omit<FoundOverlay, 'memory'> {
  imageId: string
  /** Stands for what was written on it. */
  content: string
  /** The move it came or will come with. */
  moveId: string | null
  /** Since it was grown. */
  sizeBytes?: number | undefined
  /** Of the guest that was saved on it. */
  snapshots?: { id: string; takenAt: string; diskBytes: number; content: string }[] | undefined
  memory?: (SavedMemory & { agentConnected: boolean; hardware?: RunningHardware | undefined }) | undefined
}

export interface SimStorage {
  id: string
  images: Map<string, FoundImage>
  overlays: Map<string, SimOverlay>
  /** Of pools that are folders: by pool and id. */
  volumes: Map<string, Map<string, FoundVolume>>
  /** Media with answer files, by the disk that each lies beside: what is in them. */
  media: Map<string, string>
  /** Images that one of the hosts makes: the others wait for it. */
  making: Map<string, Promise<unknown>>
  /** Disks in use, by the host that runs a machine on them: the lock manager. */
  locks: Map<string, object>
  /** Nothing can be written (SimHost.storageFill). */
  full: boolean
  /** Resolves when the images and overlays of the moment of the call outlive the process, where they ever do. */
  keep(): Promise<void>
}

export const makeSimStorage = (id: string = crypto.randomUUID()): SimStorage => ({
  id,
  images: new Map(),
  overlays: new Map(),
  volumes: new Map(),
  media: new Map(),
  making: new Map(),
  locks: new Map(),
  full: false,
  keep: async () => {},
})

export const overlayKey = (overlay: FoundOverlay) => `${overlay.machineId}.${overlay.incarnation}`

export const newOverlay = (
  overlay: Omit<FoundOverlay, 'memory'> & { imageId: string } & Partial<SimOverlay>,
): SimOverlay => ({
  content: crypto.randomUUID(),
  moveId: null,
  ...overlay,
})

/** One host makes it; the others wait, and what it made is theirs too. When it fails, the next one tries. */
export async function simImageMake(
  { images, overlays, making, keep }: SimStorage,
  image: ImageSpec,
  progress: Progress,
  signal: AbortSignal,
  delay: () => Promise<void>,
): Promise<FoundImage> {
  for (let other = making.get(image.id); other; other = making.get(image.id)) await simAwait(other, signal)
  const existing = images.get(image.id)
  if (existing) {
    // It may have been made and not kept.
    await keep()
    return existing
  }
  const { promise, resolve } = Promise.withResolvers<void>()
  making.set(image.id, promise)
  try {
    for (const percent of [0, 50]) {
      progress(percent, percent === 0 ? 'fetching packages' : 'building the disk')
      await delay()
    }
    if (image.name.includes('fail-image'))
      throw new HdcsError(
        'template_unavailable',
        'The image’s builder failed as its name asked. Rename it and try again.',
      )
    const { source } = image
    if (source.kind === 'desktop' && (source.sha256 !== null || !overlays.has(overlayKey(source))))
      throw new HdcsError('not_found', 'The desktop’s disk is not on this storage any more.')
    const known = source.kind === 'upload' || source.kind === 'copy'
    const made: FoundImage = {
      id: image.id,
      virtualBytes: Math.min(256 * 2 ** 20, image.maxVirtualBytes),
      storedBytes: 56 * 2 ** 20,
      sha256: known ? source.sha256 : 'a'.repeat(64),
    }
    images.set(image.id, made)
    await keep()
    return made
  } finally {
    making.delete(image.id)
    resolve()
  }
}
