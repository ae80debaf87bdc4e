/** Everything that can be refused or fail, as a closed list: callers switch on the code, nobody reads the text. */
export const errorCodes = [
  'invalid',
  'unauthenticated',
  'forbidden',
  'not_found',
  'wrong_method',
  'conflict',
  'too_large',
  'rate_limited',
  'pool_exhausted',
  'user_limit',
  'no_host',
  'template_unavailable',
  'storage_full',
  'start_failed',
  'setup_failed',
  'disk_in_use',
  'unreachable',
  'timeout',
  'protocol',
  'unsupported',
  'cancelled',
  'internal',
] as const
export type ErrorCode = (typeof errorCodes)[number]

/** What is wrong with one field of a request: `body.hardware.vcpus`. */
export interface FieldError {
  field: string
  message: string
}

export interface HdcsErrorOptions extends ErrorOptions {
  /** When trying again makes sense. */
  retryAfterSeconds?: number
  fields?: FieldError[]
}

/**
 * The one error class of the house.
 * `message` is public: what happened and what to do next. `cause` is private: logged, never sent.
 */
export class HdcsError extends Error {
  readonly code: ErrorCode
  readonly retryAfterSeconds: number | undefined
  readonly fields: FieldError[]

  constructor(code: ErrorCode, message: string, options: HdcsErrorOptions = {}) {
    super(message, options)
    this.name = 'HdcsError'
    this.code = code
    this.retryAfterSeconds = options.retryAfterSeconds
    this.fields = options.fields ?? []
  }
}

/** For a name that somebody or something else has: forms say it at that field. */
export const nameTaken = (message: string, options: ErrorOptions = {}) =>
  new HdcsError('conflict', message, { ...options, fields: [{ field: 'body.name', message }] })

/** Whatever was thrown, as an HdcsError: its own, else `internal` with the original as the private cause. */
export function asHdcsError(
  thrown: unknown,
  message = 'Something went wrong inside HDCS; the log says what.',
): HdcsError {
  return thrown instanceof HdcsError ? thrown : new HdcsError('internal', message, { cause: thrown })
}
