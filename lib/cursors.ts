/**
 * Where the next page of a list by names begins: base64url of `["NAME"]`. So a word that somebody made up, and a cursor
 * that was cut on its way, are told from ours; a bare name would answer some page in silence whatever was sent.
 */
import { HdcsError } from './errors.ts'

export const unknownCursor = 'unknown cursor: start from the first page (no cursor)'

/** Names of ours hold no quotation marks. */
export const nameCursor = (name: string): string => Buffer.from(`["${name}"]`).toString('base64url')

/** The name that a cursor holds, after which the page begins; undefined where it is none of ours. */
export function nameInCursor(cursor: string): string | undefined {
  const name = /^\["([^"\\]+)"\]$/.exec(Buffer.from(cursor, 'base64url').toString())?.[1]
  // Base64 is read leniently: only what reads as it would be written is ours.
  return name !== undefined && nameCursor(name) === cursor ? name : undefined
}

/** The cursor of the page after these rows, which were read one more than asked for; null after the last. */
export function nextByName(rows: readonly { name: string }[], limit: number): string | null {
  const last = rows[limit - 1]
  return last && rows.length > limit ? nameCursor(last.name) : null
}

/** For a list that is asked for by `?cursor=`. @throws HdcsError `invalid` at that field. */
export function nameAfter(cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined
  const name = nameInCursor(cursor)
  if (name !== undefined) return name
  throw new HdcsError('invalid', `query.cursor: ${unknownCursor}`, {
    fields: [{ field: 'query.cursor', message: unknownCursor }],
  })
}
