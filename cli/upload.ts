import { createHash } from 'node:crypto'
import { createReadStream, type ReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { HdcsError } from '../lib/errors.ts'
import { formatNamed, formatRefusal, formatSaid, saidBytes, type UploadFormat } from '../lib/image-format.ts'
import type { Context, Terminal } from './context.ts'
import { bar, bytes } from './print.ts'

export interface ImageFile {
  path: string
  format: UploadFormat
  sizeBytes: number
  /** Lower-case hex of the whole file. */
  sha256: string
}

/** By what the file's first bytes say, else by its name's ending, else a disk as it is. */
export const formatOf = (head: Uint8Array, path: string): UploadFormat =>
  formatNamed(path) === 'hdcs' ? 'hdcs' : (formatSaid(head) ?? formatNamed(path) ?? 'raw')

/**
 * Reads the whole file once for its checksum, with progress.
 * @throws HdcsError `not_found`; `invalid` for one that is not what it is said to be.
 */
export async function imageRead(
  path: string,
  format: UploadFormat | undefined,
  terminal: Terminal,
): Promise<ImageFile> {
  const { size: sizeBytes } = await stat(path).catch(cause => {
    throw new HdcsError('not_found', `${path} cannot be read.`, { cause })
  })
  const head = await headOf(path, saidBytes)
  const found = format ?? formatOf(head, path)
  const refused = formatRefusal(head, found)
  if (refused !== null) throw new HdcsError('invalid', `${path}: ${refused}`)
  const hash = createHash('sha256')
  for await (const chunk of counted(createReadStream(path), sizeBytes, `checksum of ${path}`, terminal))
    hash.update(chunk)
  return { path, format: found, sizeBytes, sha256: hash.digest('hex') }
}

/** Its first bytes. */
export async function headOf(path: string, length: number): Promise<Buffer<ArrayBuffer>> {
  await using file = await open(path)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0)
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
