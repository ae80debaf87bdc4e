/** The sealed images of a host: built or fetched, checked, read-only, each with a note of what it is beside it. */
import { chmod, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pause } from '../lib/clock.ts'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import { lockFolder } from '../lib/folder-lock.ts'
import { sizeText } from '../lib/sizes.ts'
import { makeBlank } from './blank-image.ts'
import { captureImage } from './captured-image.ts'
import { type Disks, exists, imagePath, qcow2Header } from './disks.ts'
import { type Folders, fileCommit, fileWrite, partOf } from './folders.ts'
import type { FoundImage, HostOptions, Progress } from './host.ts'
import { fileSha256 } from './image-convert.ts'
import { copyImage, copyPath, leftOvers } from './image-copy.ts'
import { exportImage } from './image-export.ts'
import { recipeBuild } from './recipes.ts'
import type { SealingHost } from './seal-guest.ts'
import type { ImageSource, ImageSpec } from './spec.ts'

/** How often is looked whether another host is done: each look is a file opened on the shared storage. */
const turnMs = 1_000
const imageName = /^([0-9a-f-]{36})\.qcow2$/

export interface ImageStore {
  images(): Promise<FoundImage[]>
  imageMake(image: ImageSpec, progress: Progress, signal: AbortSignal): Promise<FoundImage>
  imageRemove(id: string): Promise<void>
  /** Removes what came of images that are not wished or are here, unless a host of this storage is at it. */
  leftSweep(wished: ReadonlySet<string>): Promise<void>
}

/** What an image is made of; a file that leaves the host is none. */
type Source = Exclude<ImageSource, { kind: 'export' }>

/** Puts a finished qcow2 file at `out`. */
type Make<S extends Source> = (
  source: S,
  work: { image: ImageSpec; folder: string; out: string; progress: Progress; signal: AbortSignal },
) => Promise<void>

const notePath = (folders: Folders, id: string) => imagePath(folders, id).replace(/\.qcow2$/, '.json')
const turnFolder = (folders: Folders, id: string) => `${imagePath(folders, id)}.making`

/** What a sealed image is; null: it has no note, or there is none. */
export async function imageNote(folders: Folders, id: string): Promise<FoundImage | null> {
  try {
    return JSON.parse(await readFile(notePath(folders, id), 'utf8')) as FoundImage
  } catch {
    return null // written before the image gets its name: an image without a note is none of ours
  }
}

export function makeImageStore(
  folders: Folders,
  disks: Disks,
  importUpload: Make<Extract<ImageSource, { kind: 'upload' }>>,
  { fetchCopy, sendExport }: Pick<HostOptions, 'fetchCopy' | 'sendExport'> = {},
  sealing: SealingHost = { emulator: 'qemu-system-x86_64', accelerator: async () => 'tcg' },
): ImageStore {
  const read = (id: string) => imageNote(folders, id)

  const makers: { [K in Source['kind']]: Make<Extract<Source, { kind: K }>> } = {
    recipe: (source, { out, progress, signal }) => recipeBuild(folders, source.recipe, out, progress, signal),
    blank: makeBlank,
    upload: importUpload,
    desktop: captureImage(folders, sealing),
    copy: copyImage(folders, fetchCopy),
  }
  const exportMake = exportImage(folders, sendExport, read)

  return {
    async images() {
      const ids = (await readdir(folders.images)).flatMap(name => imageName.exec(name)?.[1] ?? [])
      return (await Promise.all(ids.map(read))).filter(image => image !== null)
    },

    async imageMake(image, progress, signal) {
      const { source } = image
      if (source.kind === 'export') return exportMake(source, { image, progress, signal })
      const path = imagePath(folders, image.id)
      const sealed = async () => ((await exists(path)) ? read(image.id) : null)
      const existing = await sealed()
      if (existing) return existing
      await using _making = await turnTake(turnFolder(folders, image.id), progress, signal)
      const madeMeanwhile = await sealed()
      if (madeMeanwhile) return madeMeanwhile
      const folder = partOf(path)
      await mkdir(folder)
      try {
        // What came of a copy must outlive us, as what came of an upload does (upload.ts).
        const out = source.kind === 'copy' ? copyPath(folders, image.id) : join(folder, 'image.qcow2')
        const make = makers[source.kind] as Make<Source>
        await make(source, { image, folder, out, progress, signal })
        // A copy lies elsewhere, and whole it would be kept for the next attempt.
        const virtualBytes = await usable(out, image).catch(async error => {
          await rm(out, { force: true })
          throw error
        })
        progress(99, 'sealing')
        await chmod(out, 0o444)
        const { blocks } = await stat(out)
        // A copy's was compared as it came.
        const sha256 = source.kind === 'copy' ? source.sha256 : await fileSha256(out, signal)
        const made = { id: image.id, virtualBytes, storedBytes: blocks * 512, sha256 }
        await fileWrite(notePath(folders, image.id), new TextEncoder().encode(JSON.stringify(made)))
        await fileCommit(out, path)
        return made
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    },

    async imageRemove(id) {
      if (await disks.imageUsed(id)) throw new HdcsError('conflict', 'Desktops stand on this image: remove them first.')
      disks.blankForget(id)
      await rm(imagePath(folders, id), { force: true })
      await rm(notePath(folders, id), { force: true })
    },

    async leftSweep(wished) {
      for (const id of await leftOvers(folders, wished)) {
        await using turn = turnTry(turnFolder(folders, id))
        if (!turn) continue
        await rm(copyPath(folders, id), { force: true })
        if (!(await exists(imagePath(folders, id)))) await rm(notePath(folders, id), { force: true })
      }
    },
  }
}

/** @returns its disk's size. @throws HdcsError `invalid`, `too_large`. */
async function usable(path: string, { maxVirtualBytes }: ImageSpec): Promise<number> {
  const { virtualBytes, backing } = await qcow2Header(path)
  if (backing !== null) throw new HdcsError('invalid', 'The image stands on another file, which no template may.')
  if (virtualBytes > maxVirtualBytes)
    throw new HdcsError(
      'too_large',
      `The image's disk has ${sizeText(virtualBytes)}, ${sizeText(maxVirtualBytes)} are allowed.`,
    )
  return virtualBytes
}

/**
 * One maker at a time of an image on a storage: two hosts would build it twice, not to the same bytes, and the desktops
 * of one would find their disks standing on the other's.
 */
async function turnTake(folder: string, progress: Progress, signal: AbortSignal): Promise<AsyncDisposable> {
  for (;;) {
    const turn = turnTry(folder)
    if (turn) return turn
    progress(0, 'another host of this storage makes it')
    await pause(turnMs, signal)
    if (signal.aborted) throw new HdcsError('cancelled', 'The image is not wished any more.')
  }
}

/** @returns null while another host, or another work of ours, has it. */
function turnTry(folder: string): AsyncDisposable | null {
  try {
    const lock = lockFolder(folder)
    return {
      async [Symbol.asyncDispose]() {
        await rm(folder, { recursive: true, force: true })
        lock[Symbol.dispose]()
      },
    }
  } catch (error) {
    if (asHdcsError(error).code !== 'conflict') throw error
    return null
  }
}
