/** What the client throws. Browser-safe. */
import type { ErrorCode, FieldError } from '../lib/errors.ts'

export interface ApiErrorFacts {
  /** 0: no answer came. */
  status: number
  code: ErrorCode
  /** For the person: what happened and what to do next. */
  detail: string
  /** Names the request in the server's log and trail. */
  requestId?: string | undefined
  errors?: FieldError[] | undefined
  retryAfterSeconds?: number | undefined
  cause?: unknown
}

/** A refusal or a failure as the API tells it (problem details). */
export class ApiError extends Error {
  readonly status: number
  readonly code: ErrorCode
  readonly detail: string
  readonly requestId: string | undefined
  readonly errors: FieldError[]
  readonly retryAfterSeconds: number | undefined

  constructor(facts: ApiErrorFacts) {
    super(facts.detail, { cause: facts.cause })
    this.name = 'ApiError'
    this.status = facts.status
    this.code = facts.code
    this.detail = facts.detail
    this.requestId = facts.requestId
    this.errors = facts.errors ?? []
    this.retryAfterSeconds = facts.retryAfterSeconds
  }
}

/** For a request that got no response: who gave it up is told that, not that nobody answers. */
export const unanswered =
  (signal?: AbortSignal) =>
  (cause: unknown): never => {
    if (signal?.aborted) throw cause
    throw new ApiError({ status: 0, code: 'unreachable', detail: 'The server does not answer.', cause })
  }

/** Reads a response that is no success; also one that a proxy made and that is no problem document. */
export async function apiErrorOf(response: Response): Promise<ApiError> {
  const text = await response.text()
  return apiErrorFrom(response.status, text, response.headers.get('retry-after'))
}

export function apiErrorFrom(status: number, text: string, retryAfter: string | null): ApiError {
  const told = problemIn(text)
  return new ApiError({
    status,
    code: told.code ?? (status >= 500 ? 'unreachable' : 'protocol'),
    detail: told.detail ?? `The server answered ${status}.`,
    requestId: told.requestId,
    errors: told.errors,
    retryAfterSeconds: retryAfter === null || Number.isNaN(Number(retryAfter)) ? undefined : Number(retryAfter),
  })
}

function problemIn(text: string): Partial<ApiErrorFacts> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && 'code' in value ? (value as Partial<ApiErrorFacts>) : {}
  } catch {
    return {} // a proxy's own page: the status says all there is to know
  }
}
