/** An uploaded image on its way to the store: fetched from the control plane, compared with its checksum, taken out of its archive, converted. */
import { createHash } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HdcsError } from '../lib/errors.ts'
import { archiveFormats, archiveUnpack } from './archive-import.ts'
import { type Folders, foldersRoom } from './folders.ts'
import type { HostOptions, Progress } from './host.ts'
import type { ImageFormat } from './image-check.ts'
import { imageConvert } from './image-convert.ts'
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

/** @throws HdcsError as image-convert.ts; `invalid` when the bytes are not those that were uploaded. */
export const importUpload =
  (folders: Folders, fetchImage: HostOptions['fetchImage']) =>
  async (source: Upload, { image, folder, out, progress, signal }: UploadWork): Promise<void> => {
    // The uploaded file and the converted one lie side by side for a while; what comes out of an archive is a third.
    await foldersRoom(folders, source.sizeBytes * (isArchive(source.format) ? 3 : 2))
    const path = join(folder, 'upload')
    const stream = await fetchImage(image.id, signal)
    await receive(stream, path, source, signal, percent => progress((percent * fetchShare) / 100, 'fetching the image'))
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
    await rm(disk.path)
  }

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
  await rm(path)
  return { path: disk, ...found }
}

async function receive(
  stream: ReadableStream<Uint8Array>,
  path: string,
  { sizeBytes, sha256 }: Upload,
  signal: AbortSignal,
  progress: (percent: number) => void,
): Promise<void> {
  const hash = createHash('sha256')
  let received = 0
  let told = -1
  await using file = await open(path, 'wx', 0o600)
  for await (const chunk of stream) {
    if (signal.aborted) throw new HdcsError('cancelled', 'The import was cancelled.')
    received += chunk.length
    if (received > sizeBytes) throw new HdcsError('invalid', 'More bytes came than were uploaded.')
    hash.update(chunk)
    await file.write(chunk)
    const percent = Math.floor((received * 100) / Math.max(1, sizeBytes))
    if (percent !== told) progress(percent)
    told = percent
  }
  if (received !== sizeBytes) throw new HdcsError('unreachable', 'The upload’s bytes ended too early.')
  if (hash.digest('hex') !== sha256)
    throw new HdcsError('invalid', 'The image’s checksum is not the one it was uploaded with: upload it again.')
}
