/**
 * A sealed image as a file that people take with them: converted behind everything else that wants the disk, put into one
 * file with its manifest where the format has one, and sent to the control plane. Nothing of it stays here.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { z } from 'zod'
import { pause } from '../lib/clock.ts'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import { hardwareFull } from '../lib/hardware.ts'
import { tarEnd, tarFilling, tarHeader } from '../lib/tar.ts'
import { manifestName, type TemplateManifest } from '../lib/template-file.ts'
import { exists, imagePath, qcow2Header } from './disks.ts'
import { type Folders, foldersRoom, partOf } from './folders.ts'
import type { FoundImage, HostOptions, OutFile, Progress } from './host.ts'
import { convertLimits, convertOut, fileSha256, qemuImg } from './image-convert.ts'
import { ovfWrite } from './ovf.ts'
import type { ExportAbout, ImageSource, ImageSpec } from './spec.ts'

type Export = Extract<ImageSource, { kind: 'export' }>

interface Work {
  image: ImageSpec
  progress: Progress
  signal: AbortSignal
}

/** The control plane restarts within seconds. Shorter: a busy one is asked in vain; longer: the file comes later. */
const againMs = 1_000
const measureMs = 60_000
const readBytes = 2 ** 20

/** A file is these one after another. */
export type Piece = Uint8Array | { path: string; sizeBytes: number }

/**
 * @throws HdcsError `not_found` when the image is not here; `storage_full` here or there; `unsupported` on a host that
 *   cannot send; `cancelled`, also when the file is not wished any more.
 */
export const exportImage =
  (folders: Folders, sendExport: HostOptions['sendExport'], noteOf: (imageId: string) => Promise<FoundImage | null>) =>
  async (source: Export, { image, progress, signal }: Work): Promise<FoundImage> => {
    if (!sendExport) throw new HdcsError('unsupported', 'This host cannot send files to the control plane: update it.')
    const path = imagePath(folders, source.imageId)
    const note = await noteOf(source.imageId)
    if (!note || !(await exists(path)))
      throw new HdcsError('not_found', 'The image is not on this host any more: export it again.')
    const folder = partOf(imagePath(folders, image.id))
    await mkdir(folder)
    try {
      const pieces = await makers[source.format]({ source, path, note, folder, folders, progress, signal })
      progress(60, 'taking its checksum')
      const file = await outFile(pieces, signal)
      await sendOut(sendExport, image.id, file, progress, signal)
      return { id: image.id, virtualBytes: note.virtualBytes, storedBytes: file.sizeBytes, sha256: file.sha256 }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

interface Making {
  source: Export
  /** The sealed image. */
  path: string
  note: FoundImage
  folder: string
  folders: Folders
  progress: Progress
  signal: AbortSignal
}

const makers: Record<Export['format'], (making: Making) => Promise<Piece[]>> = {
  qcow2: async ({ path }) => [await fileOf(path)],
  raw: async making => [await converted(making, 'raw')],
  vmdk: async making => [await converted(making, 'vmdk')],
  hdcs: async ({ source: { about }, path, note }) => {
    const disk = await fileOf(path)
    const text = JSON.stringify(manifestOf(about, { ...note, sizeBytes: disk.sizeBytes }), null, 2)
    const manifest = new TextEncoder().encode(`${text}\n`)
    return archive(about, [
      [manifestName, manifest],
      ['disk.qcow2', disk],
    ])
  },
  ova: async making => {
    const { about } = making.source
    const disk = await converted(making, 'vmdk')
    const diskName = `${about.name}-disk1.vmdk`
    const { virtualBytes } = await qcow2Header(making.path)
    const ovf = new TextEncoder().encode(ovfWrite(about, { name: diskName, sizeBytes: disk.sizeBytes, virtualBytes }))
    const digest = await fileSha256(disk.path, making.signal)
    const lines = [`SHA256(${about.name}.ovf)= ${sha256(ovf)}`, `SHA256(${diskName})= ${digest}`]
    const manifest = new TextEncoder().encode(`${lines.join('\n')}\n`)
    // The order of DSP0243 chapter 5.3: the descriptor, its manifest, then the files as they are listed.
    return archive(about, [
      [`${about.name}.ovf`, ovf],
      [`${about.name}.mf`, manifest],
      [diskName, disk],
    ])
  },
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

export const manifestOf = (
  { name, description, hardware, readyWhen, number, notes, madeAt }: ExportAbout,
  { virtualBytes, sizeBytes, sha256 }: { virtualBytes: number; sizeBytes: number; sha256: string },
): TemplateManifest => ({
  kind: 'hdcs-template',
  format: 1,
  template: { name, description, hardware: hardwareFull(hardware), readyWhen },
  version: { number, notes, madeAt },
  disk: { file: 'disk.qcow2', format: 'qcow2', virtualBytes, sizeBytes, sha256 },
})

/** A tar of these files, in this order. */
export function archive({ madeAt }: Pick<ExportAbout, 'madeAt'>, files: [name: string, content: Piece][]): Piece[] {
  const members = files.flatMap(([name, content]) => {
    const { sizeBytes } = measured(content)
    return [tarHeader({ name, sizeBytes, madeAt: new Date(madeAt) }), content, tarFilling(sizeBytes)]
  })
  return [...members, tarEnd()]
}

const measured = (piece: Piece) => (piece instanceof Uint8Array ? { sizeBytes: piece.length } : piece)
const fileOf = async (path: string) => ({ path, sizeBytes: (await stat(path)).size })

async function converted({ path, folder, folders, progress, signal }: Making, format: 'raw' | 'vmdk') {
  progress(0, 'measuring the image')
  const neededBytes = await dataBytes(path, signal)
  await foldersRoom(folders, neededBytes)
  const { virtualBytes } = await qcow2Header(path)
  const target = join(folder, `disk.${format}`)
  const share = (written: number) =>
    progress(Math.min(59, (written * 60) / Math.max(1, neededBytes)), 'converting the image')
  // One file without another beside it, compressed, which appliances are made of.
  const options = format === 'vmdk' ? ['-o', 'subformat=streamOptimized'] : []
  await convertOut({ path, target, format, options, virtualBytes, share, signal })
  return fileOf(target)
}

/** What its disk holds, without compression and holes: more is no file of it. */
async function dataBytes(path: string, signal: AbortSignal): Promise<number> {
  const { size } = await stat(path)
  const ask = ['measure', '--output=json', '-O', 'qcow2', '-f', 'qcow2', path]
  const { code, output, errors } = await qemuImg(convertLimits(size, 0), ask, { timeoutMs: measureMs, signal })
  const read = code === 0 ? z.object({ required: z.number() }).safeParse(JSON.parse(output)) : null
  if (read?.success) return read.data.required
  throw new HdcsError('internal', 'The image cannot be measured: look at the host’s storage.', { cause: errors })
}

async function* bytesOf(pieces: readonly Piece[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) yield piece
    else for await (const chunk of createReadStream(piece.path, { highWaterMark: readBytes })) yield chunk as Uint8Array
  }
}

/** @throws HdcsError `cancelled`. */
export async function outFile(pieces: readonly Piece[], signal: AbortSignal): Promise<OutFile> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const chunk of bytesOf(pieces)) {
    if (signal.aborted) throw cancelled()
    hash.update(chunk)
    sizeBytes += chunk.length
  }
  const open = () => Readable.toWeb(Readable.from(bytesOf(pieces))) as ReadableStream<Uint8Array>
  return { sizeBytes, sha256: hash.digest('hex'), open }
}

/** As often as it takes: a control plane that restarts must not cost the conversion. */
export async function sendOut(
  sendExport: NonNullable<HostOptions['sendExport']>,
  id: string,
  file: OutFile,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    let sent = 0
    const told = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        sent += chunk.length
        progress(65 + (34 * sent) / Math.max(1, file.sizeBytes), 'sending the file')
        controller.enqueue(chunk)
      },
    })
    try {
      return await sendExport(id, { ...file, open: () => file.open().pipeThrough(told) }, signal)
    } catch (thrown) {
      if (signal.aborted) throw cancelled()
      if (asHdcsError(thrown).code !== 'unreachable') throw thrown
    }
    progress(65, 'the control plane does not answer: it is sent again')
    await pause(againMs, signal)
    if (signal.aborted) throw cancelled()
  }
}

const cancelled = () => new HdcsError('cancelled', 'The file is not wished any more.')
