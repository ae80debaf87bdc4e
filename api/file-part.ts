/** A file, or the part of it that is asked for, as an answer carries it. */
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { byteRange } from './byte-range.ts'

export function filePart(
  path: string,
  asked: Parameters<typeof byteRange>[0],
  file: { sizeBytes: number; etag: string },
) {
  const { sizeBytes } = file
  const range = byteRange(asked, file)
  if (range === 'none')
    return { status: 416 as const, body: undefined, headers: { 'content-range': `bytes */${sizeBytes}` } }
  const { from, to } = range === 'all' ? { from: 0, to: sizeBytes - 1 } : range
  const body = Readable.toWeb(createReadStream(path, { start: from, end: to })) as ReadableStream<Uint8Array>
  const length = { 'content-length': `${to - from + 1}` }
  if (range === 'all') return { status: 200 as const, body, headers: length }
  return { status: 206 as const, body, headers: { ...length, 'content-range': `bytes ${from}-${to}/${sizeBytes}` } }
}
