/** Everything that can be refused or fail, as a closed list: callers switch on the code, nobody reads the text. */
export const errorCodes = [
  'invalid',
  'unauthenticated',
  'forbidden',
  'not_found',
  'conflict',
  'too_large',
  'rate_limited',
  'pool_exhausted',
  'user_limit',
  'no_host',
  'template_unavailable',
  'storage_full',
  'start_failed',
  'unreachable',
  'timeout',
  'protocol',
  'unsupported',
  'cancelled',
  'internal',
] as const
export type ErrorCode = (typeof errorCodes)[number]

/**
 * The one error class of the house.
 * `message` is public: what happened and what to do next. `cause` is private: logged, never sent.
 */
export class HdcsError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'HdcsError'
    this.code = code
  }
}

/** Whatever was thrown, as an HdcsError: its own, else `internal` with the original as the private cause. */
export function asHdcsError(thrown: unknown, message = 'Something went wrong inside HDCS; the log says what.'): HdcsError {
  return thrown instanceof HdcsError ? thrown : new HdcsError('internal', message, { cause: thrown })
}
