/** Which part of a file is asked for (RFC 9110 chapter 14): one range; anything else is answered with all of it. Pure. */

export type ByteRange = { from: number; to: number } | 'all' | 'none'

/**
 * @param ifRange the entity tag that the asker has; another one than the file's: what it has is of another file.
 * @returns `none` when it lies behind the end: 416.
 */
export function byteRange(
  { range, ifRange }: { range: string | undefined; ifRange: string | undefined },
  { sizeBytes, etag }: { sizeBytes: number; etag: string },
): ByteRange {
  if (range === undefined || (ifRange !== undefined && ifRange !== etag)) return 'all'
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range.trim()) ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return 'all'
  const from = first === '' ? Math.max(0, sizeBytes - Number(last)) : Number(first)
  const to = first === '' || last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1)
  if (first !== '' && last !== '' && Number(last) < Number(first)) return 'all'
  return from >= sizeBytes || (first === '' && Number(last) === 0) ? 'none' : { from, to }
}
