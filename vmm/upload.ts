/** An uploaded image on its way to the store: fetched from the control plane, compared with its checksum, taken out of its archive, converted. */
import { rm, stat } from 'node:fs/promises'
import { archiveFormats, archiveUnpack } from './archive-import.ts'
import { type Folders, foldersRoom } from './folders.ts'
import type { CopyBytes, HostOptions, Progress } from './host.ts'
import type { ImageFormat } from './image-check.ts'
import { imageConvert } from './image-convert.ts'
import { arriveOrAnew, copyPath } from './image-copy.ts'
import type { ImageSource, ImageSpec } from './spec.ts'

type Upload = Extract<ImageSource, { kind: 'upload' }>

export interface UploadWork {
  image: ImageSpec
  /** For what is needed on the way; removed by the caller. */
  folder: string
  out: string
  progress: Progress
  signal: AbortSignal
}

/** Fetching is so much of the way, in percent, and taking it out of its archive: the rest is checking and converting. */
const fetchShare = 40
const unpackShare = 10

/** @throws HdcsError as image-convert.ts and `fileArrive`; `invalid` when the bytes are not those that were uploaded. */
export const importUpload =
  (folders: Folders, fetchImage: HostOptions['fetchImage']) =>
  async (source: Upload, { image, folder, out, progress, signal }: UploadWork): Promise<void> => {
    // What came outlives us, as of a copy.
    const path = copyPath(folders, image.id)
    const came = await stat(path).then(
      ({ size }) => size,
      () => 0, // nothing came yet
    )
    // The uploaded file and the converted one lie side by side for a while; what comes out of an archive is a third.
    await foldersRoom(folders, source.sizeBytes * (isArchive(source.format) ? 3 : 2) - came)
    const giver = {
      name: 'the control plane',
      open: async (fromByte: number) => uploadBytes(await fetchImage(image.id, fromByte, signal), source),
    }
    const wrong = 'The image’s checksum is not the one it was uploaded with: upload it again.'
    const arriving: Progress = (percent, text) => progress((percent * fetchShare) / 100, text)
    await arriveOrAnew(folders, { ...source, from: [giver] }, { out: path, progress: arriving, signal }, wrong)
    try {
      const disk = await diskOf(path, source, { folder, signal, progress })
      const share = isArchive(source.format) ? fetchShare + unpackShare : fetchShare
      await imageConvert({
        source: disk.path,
        target: out,
        format: disk.format,
        maxVirtualBytes: image.maxVirtualBytes,
        signal,
        progress: (percent, text) => progress(share + (percent * (98 - share)) / 100, text),
      })
    } finally {
      // It came whole: if nothing could be made of it, nothing ever will.
      await rm(path, { force: true })
    }
  }

const uploadBytes = (stream: ReadableStream<Uint8Array>, { sizeBytes, sha256 }: Upload): CopyBytes => ({
  sizeBytes,
  sha256,
  bytes: stream,
  // What is read no further would hold the line; what failed cannot be cancelled, and says so where it is read.
  [Symbol.dispose]: () => void stream.cancel().catch(() => {}),
})

type Archive = (typeof archiveFormats)[number]
const isArchive = (format: Upload['format']): format is Archive => archiveFormats.includes(format as Archive)

/** What was uploaded is the disk, or holds it. */
async function diskOf(
  path: string,
  { format, sizeBytes }: Upload,
  { folder, signal, progress }: Pick<UploadWork, 'folder' | 'signal' | 'progress'>,
): Promise<{ path: string; format: ImageFormat }> {
  if (!isArchive(format)) return { path, format }
  const told = (percent: number) => progress(fetchShare + (percent * unpackShare) / 100, 'taking out its disk')
  const { disk, ...found } = await archiveUnpack(path, { format, sizeBytes }, { folder, signal, progress: told })
  await rm(path) // room for what comes next
  return { path: disk, ...found }
}
