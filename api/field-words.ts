/** What is wrong with one field of a request, in words for who sent it: no library's, no bytes where a size is meant. */
import type { z } from '@hono/zod-openapi'
import { counted } from '../lib/counted.ts'
import { sizeText } from '../lib/sizes.ts'

const kinds: Record<string, string> = {
  string: 'must be text',
  number: 'must be a number',
  int: 'must be a whole number',
  boolean: 'must be true or false',
  array: 'must be a list',
  object: 'must be an object with named fields',
  record: 'must be an object with named fields',
}

const formats: Record<string, string> = {
  uuid: 'must be an id (a UUID)',
  email: 'must be an e-mail address',
  url: 'must be an address (a URL)',
  datetime: 'must be a time such as 2026-01-31T18:00:00Z',
  date: 'must be a day such as 2026-01-31',
  ipv4: 'must be an IPv4 address',
  cidrv4: 'must be a network such as 10.0.0.0/22',
  guid: 'must be an id (a UUID)',
  base64: 'must be base64: letters, digits, + and /',
}

export const notOfTheForm = 'is not of the form that is taken here'

type Issue = z.core.$ZodRawIssue

/** Used where a schema has no words of its own. */
export function fieldWords(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is missing' : (kinds[issue.expected] ?? 'is of the wrong kind')
    case 'invalid_value':
      return issue.input === undefined
        ? 'is missing'
        : `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}`
    case 'too_small':
      return least(issue)
    case 'too_big':
      return most(issue)
    case 'invalid_format':
      // A pattern means nothing to people: what is checked by one has words of its own where it is declared.
      return formats[issue.format] ?? notOfTheForm
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`
    case 'invalid_union':
      return issue.input === undefined ? 'is missing' : `${among(issue)}is none of the forms that it may have`
    default:
      return 'is not right'
  }
}

function least(issue: z.core.$ZodRawIssue<z.core.$ZodIssueTooSmall>): string {
  const { origin, minimum, inclusive } = issue
  if (origin === 'string')
    return minimum === 1
      ? 'must not be empty'
      : `must have ${counted(Number(minimum), 'character', 'characters')} at least`
  if (origin === 'array') return `must have ${counted(Number(minimum), 'entry', 'entries')} at least`
  return inclusive === false
    ? `must be more than ${amount(issue, minimum)}`
    : `must be ${amount(issue, minimum)} at least`
}

function most(issue: z.core.$ZodRawIssue<z.core.$ZodIssueTooBig>): string {
  const { origin, maximum, inclusive } = issue
  if (origin === 'string') return `must have ${counted(Number(maximum), 'character', 'characters')} at most`
  if (origin === 'array') return `must have ${counted(Number(maximum), 'entry', 'entries')} at most`
  // What a number can hold: no limit of ours that anybody could keep to.
  if (maximum === Number.MAX_SAFE_INTEGER) return 'is too large'
  return inclusive === false
    ? `must be less than ${amount(issue, maximum)}`
    : `must be ${amount(issue, maximum)} at most`
}

const amount = ({ path }: Issue, value: number | bigint | Date) =>
  typeof value === 'number' && value > 0 && String(path?.at(-1)).endsWith('Bytes') ? sizeText(value) : String(value)

/** What tells the forms apart, where one field does. */
const among = ({ discriminator, options }: { discriminator?: unknown; options?: unknown }) =>
  typeof discriminator === 'string' && Array.isArray(options) ? `must be one of ${options.join(', ')}: it ` : ''
