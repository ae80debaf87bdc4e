/** From our errors to HTTP: problem details (RFC 9457). Only here do status codes and error codes meet. */
import { z } from '@hono/zod-openapi'
import { type ErrorCode, errorCodes, type FieldError, HdcsError } from '../lib/errors.ts'
import { fieldWords } from './field-words.ts'

export const statusOf = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  wrong_method: 405,
  conflict: 409,
  too_large: 413,
  rate_limited: 429,
  pool_exhausted: 409,
  user_limit: 409,
  no_host: 503,
  template_unavailable: 409,
  storage_full: 507,
  start_failed: 500,
  setup_failed: 500,
  disk_in_use: 409,
  unreachable: 503,
  timeout: 504,
  protocol: 502,
  unsupported: 415,
  cancelled: 409,
  internal: 500,
} as const satisfies Record<ErrorCode, number>

/** Whether the log should tell whoever runs HDCS. That a site has no room is its state, which its pages tell, not a fault of ours. */
export const isOwnFault = (code: ErrorCode): boolean => statusOf[code] >= 500 && code !== 'no_host'

const titles = {
  invalid: 'The request is not right',
  unauthenticated: 'Not signed in',
  forbidden: 'Not allowed',
  not_found: 'Not found',
  wrong_method: 'Not asked this way',
  conflict: 'In conflict with what is there',
  too_large: 'Too large',
  rate_limited: 'Too many requests',
  pool_exhausted: 'The pool has no desktop left',
  user_limit: 'No more desktops for this person',
  no_host: 'No host has room',
  template_unavailable: 'The template cannot be used',
  storage_full: 'The storage is full',
  start_failed: 'The desktop did not start',
  setup_failed: 'The desktop could not be customised',
  disk_in_use: 'The disk is in use elsewhere',
  unreachable: 'Not reachable',
  timeout: 'Took too long',
  protocol: 'Not understood',
  unsupported: 'Not supported',
  cancelled: 'Cancelled',
  internal: 'Something went wrong',
} as const satisfies Record<ErrorCode, string>

export const problemSchema = z
  .object({
    /** A name for the kind of problem, not an address to fetch. */
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    /** What happened and what to do next. */
    detail: z.string(),
    code: z.enum(errorCodes),
    requestId: z.string(),
    errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  })
  .openapi('Problem')
export type Problem = z.infer<typeof problemSchema>

export function problemOf(error: HdcsError, requestId: string): Problem {
  return {
    type: `urn:hdcs:problem:${error.code}`,
    title: titles[error.code],
    status: statusOf[error.code],
    detail: error.message,
    code: error.code,
    requestId,
    ...(error.fields.length > 0 && { errors: error.fields }),
  }
}

export function problemResponse(error: HdcsError, requestId: string): Response {
  const headers = new Headers({ 'content-type': 'application/problem+json', 'cache-control': 'no-store' })
  if (error.retryAfterSeconds !== undefined) headers.set('retry-after', String(error.retryAfterSeconds))
  if (error.code === 'unauthenticated') headers.set('www-authenticate', 'Bearer realm="hdcs"')
  return new Response(JSON.stringify(problemOf(error, requestId)), { status: statusOf[error.code], headers })
}

/** Enough to see what is wrong; a body of a megabyte could have a hundred thousand wrong fields. */
const maxFields = 100

/** Reads a part of a request by its schema. @throws HdcsError `invalid` with the wrong fields. */
export function readPart<S extends z.ZodType>(
  part: 'params' | 'query' | 'body',
  schema: S,
  value: unknown,
): z.output<S> {
  const result = schema.safeParse(value, { error: fieldWords })
  const fields = (
    result.success ? unkeepable(result.data, part) : result.error.issues.flatMap(fieldErrors(part))
  ).slice(0, maxFields)
  if (result.success && fields.length === 0) return result.data
  const first = fields[0]
  throw new HdcsError('invalid', first ? `${first.field}: ${first.message}` : 'The request is not right.', { fields })
}

const fieldErrors =
  (part: string) =>
  (issue: z.core.$ZodIssue): FieldError[] => {
    const at = [part, ...issue.path].join('.')
    if (issue.code !== 'unrecognized_keys') return [{ field: at, message: issue.message }]
    return issue.keys.map(key => ({ field: `${at}.${key}`, message: 'there is no such field here' }))
  }

/** What PostgreSQL takes in no text. Looked for in what the schema let through, which is never deeper than the schema. */
function unkeepable(value: unknown, at: string): FieldError[] {
  if (typeof value === 'string')
    return value.includes('\0') || !value.isWellFormed()
      ? [{ field: at, message: 'must not hold a NUL character or half of a surrogate pair' }]
      : []
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) => unkeepable(inner, `${at}.${name}`))
}
