import { createHash } from 'node:crypto'
import { createReadStream, type ReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { Readable } from 'node:stream'
import { HdcsError } from '../lib/errors.ts'
import type { Context, Terminal } from './context.ts'
import { bar, bytes } from './print.ts'

export type ImageFormat = 'qcow2' | 'raw' | 'vmdk' | 'vdi' | 'vpc' | 'vhdx' | 'iso'

export interface ImageFile {
  path: string
  format: ImageFormat
  sizeBytes: number
  /** Lower-case hex of the whole file. */
  sha256: string
}

/** Where a format says its name: offset in the file, and the bytes there. */
const signatures: [ImageFormat, number, string][] = [
  ['qcow2', 0, 'QFI\u00fb'],
  ['vmdk', 0, 'KDMV'],
  ['vhdx', 0, 'vhdxfile'],
  ['vpc', 0, 'conectix'],
  ['vdi', 0x40, '\u007f\u0010\u00da\u00be'],
  ['iso', 0x8001, 'CD001'],
]

const endings: Record<string, ImageFormat> = {
  '.img': 'raw',
  '.raw': 'raw',
  '.vhd': 'vpc',
  '.vmdk': 'vmdk',
  '.iso': 'iso',
}

/** By what the file's first bytes say, else by its name's ending, else raw. */
export function formatOf(head: Uint8Array, path: string): ImageFormat {
  const said = signatures.find(([, offset, text]) =>
    [...text].every((character, index) => head[offset + index] === character.charCodeAt(0)),
  )
  return said?.[0] ?? endings[extname(path).toLowerCase()] ?? 'raw'
}

/** Reads the whole file once for its checksum, with progress. */
export async function imageRead(path: string, format: ImageFormat | undefined, terminal: Terminal): Promise<ImageFile> {
  const { size: sizeBytes } = await stat(path).catch(cause => {
    throw new HdcsError('not_found', `${path} cannot be read.`, { cause })
  })
  const hash = createHash('sha256')
  for await (const chunk of counted(createReadStream(path), sizeBytes, `checksum of ${path}`, terminal))
    hash.update(chunk)
  return { path, format: format ?? formatOf(await headOf(path), path), sizeBytes, sha256: hash.digest('hex') }
}

async function headOf(path: string): Promise<Uint8Array> {
  await using file = await open(path)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(0x8010), 0, 0x8010, 0)
  return buffer.subarray(0, bytesRead)
}

/** Sends the file to a version that waits for it, with progress. */
export async function imageSend(context: Context, templateId: string, number: number, image: ImageFile): Promise<void> {
  const file = Readable.from(counted(createReadStream(image.path), image.sizeBytes, 'upload', context.terminal))
  // Node's own streams and the browser's have types of their own for the same thing.
  await context.client.upload({ templateId, number, file: Readable.toWeb(file) as ReadableStream<Uint8Array> })
}

/** Passes a file through and says how far it is, four times a second at most. */
async function* counted(file: ReadStream, sizeBytes: number, text: string, terminal: Terminal): AsyncGenerator<Buffer> {
  let doneBytes = 0
  let saidAtMs = 0
  for await (const chunk of file as AsyncIterable<Buffer>) {
    yield chunk
    doneBytes += chunk.length
    if (terminal.interactive && Date.now() - saidAtMs > 250) {
      saidAtMs = Date.now()
      terminal.note(
        `\r${bar((doneBytes / Math.max(1, sizeBytes)) * 100)}  ${text}  ${bytes(doneBytes)} of ${bytes(sizeBytes)}\u001b[K`,
      )
    }
  }
  if (terminal.interactive) terminal.note('\r\u001b[K')
}
