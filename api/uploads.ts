import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable, Transform, type TransformCallback } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { templateGet, uploadPath, versionToUpload, versionUploaded } from '../broker/templates.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import { formatRefusal, saidBytes, type UploadFormat } from '../lib/image-format.ts'
import { sizeText } from '../lib/sizes.ts'
import { route, versionParams } from './route.ts'
import { templateSchema } from './templates.ts'

export const uploadRoutes = [
  route({
    method: 'post',
    path: '/api/v1/templates/{id}/versions/{number}/upload',
    operationId: 'versionUpload',
    summary: 'The file of a version that waits for it; checked against its declared size and SHA-256 while it comes',
    permission: 'template.write',
    params: versionParams,
    streams: true,
    answers: { 200: templateSchema },
    handle: async ({ broker, principal, params, stream, signal }) => {
      const version = await versionToUpload(broker, params.id, params.number)
      await receive(stream, version, { path: uploadPath(broker, version.id), maxBytes: broker.maxUploadBytes, signal })
      await versionUploaded(broker, principal, params.id, params.number)
      return { status: 200, body: await templateGet(broker, principal, params.id) }
    },
  }),
]

const unfinished = '.part'

/** Removes what uploads left that a killed process was receiving. Only before the first upload: it spares none. */
export async function uploadsSweep(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [] // nothing was ever uploaded
    throw error
  })
  const left = names.filter(name => name.endsWith(unfinished))
  await Promise.all(left.map(name => rm(join(folder, name), { force: true })))
}

interface Declared {
  sizeBytes: number
  /** Lower-case hex. */
  sha256: string
  /** Its first bytes must be of this format; absent: they may be any. */
  format?: UploadFormat
}

/**
 * Writes a stream to a file, all of it or nothing: under another name first, so that neither a broken upload
 * nor two at once ever leave half a file under the right one.
 * @throws HdcsError `too_large`; `invalid` when it is not the file that was declared; `storage_full`.
 */
export async function receive(
  stream: ReadableStream<Uint8Array>,
  declared: Declared,
  to: { path: string; maxBytes: number; signal: AbortSignal },
): Promise<void> {
  if (declared.sizeBytes > to.maxBytes)
    throw new HdcsError('too_large', `An upload may have ${sizeText(to.maxBytes)} at most.`)
  await mkdir(dirname(to.path), { recursive: true, mode: 0o700 })
  const partial = `${to.path}.${newId()}${unfinished}`
  const hash = createHash('sha256')
  const head = headCheck(declared.format)
  let received = 0
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      received += chunk.length
      if (received > declared.sizeBytes)
        return done(notAsDeclared(`more than the declared ${declared.sizeBytes} bytes came`))
      hash.update(chunk)
      const refused = head(chunk, received === declared.sizeBytes)
      if (refused !== null) return done(new HdcsError('invalid', refused))
      done(null, chunk)
    },
  })
  try {
    const file = createWriteStream(partial, { mode: 0o600, flush: true })
    await pipeline(Readable.fromWeb(stream as Parameters<typeof Readable.fromWeb>[0]), measure, file, {
      signal: to.signal,
    })
    if (received !== declared.sizeBytes) throw notAsDeclared(`${received} of ${declared.sizeBytes} bytes came`)
    if (hash.digest('hex') !== declared.sha256) throw notAsDeclared('its SHA-256 is another one')
    await rename(partial, to.path)
  } catch (error) {
    await rm(partial, { force: true })
    throw uploadError(error)
  }
}

/** Tells as soon as it has enough of a file why it is none of its format: nobody sends the rest of it for nothing. */
function headCheck(format: UploadFormat | undefined) {
  const head: Buffer[] = []
  let bytes = 0
  return (chunk: Buffer, last: boolean): string | null => {
    if (format === undefined || bytes >= saidBytes) return null
    head.push(chunk)
    bytes += chunk.length
    return bytes >= saidBytes || last ? formatRefusal(Buffer.concat(head.splice(0)), format) : null
  }
}

const notAsDeclared = (what: string) => new HdcsError('invalid', `This is not the declared file: ${what}.`)

function uploadError(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new HdcsError('storage_full', 'The disk for uploads is full.', { cause: error })
  if (error instanceof Error && error.name === 'AbortError')
    return new HdcsError('cancelled', 'The upload was broken off: nothing of it was kept.', { cause: error })
  return error
}
