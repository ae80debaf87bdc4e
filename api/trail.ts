/** What of a request goes into the audit trail. Pure. */
import type { AuditEntry } from '../auth/audit.ts'
import type { Principal } from '../auth/principal.ts'
import type { ErrorCode } from '../lib/errors.ts'
import type { AnyRoute } from './route.ts'

export interface Done {
  route: AnyRoute
  principal: Principal | undefined
  params: Record<string, string>
  query: Record<string, string>
  /** As sent, checked or not; undefined when it was not read. */
  body: unknown
  /** Of the answer, when there is one. */
  answer: unknown
  outcome: 'ok' | ErrorCode
  status: number
  clientAddress: string
  requestId: string
}

/**
 * Every write, and whoever was turned away. Other reads, dry runs among them, are for the access log, and so is the
 * question "am I signed in?" of a page that is not: it would be the trail's commonest line.
 */
export function isForTrail(done: Done): boolean {
  if (done.route.operationId === 'meGet' && done.outcome === 'unauthenticated') return false
  const reads = done.route.method === 'get' || (isRecord(done.body) && done.body.dryRun === true)
  return !reads || done.outcome === 'unauthenticated' || done.outcome === 'forbidden'
}

export function auditEntryOf(done: Done): AuditEntry {
  const { route, principal } = done
  const [noun = '', idPart] = route.path.split('/').slice(3)
  const own = noun === 'me' || noun === 'login' || noun === 'logout'
  const subjectId = own
    ? (principal?.userId ?? idIn(done.answer))
    : (done.params.id ?? done.params.tokenId ?? idIn(done.answer))
  const detail: Record<string, unknown> = { status: done.status }
  if (idPart && Object.keys(done.params).length > 1) detail.params = withoutSecrets(done.params)
  if (Object.keys(done.query).length > 0) detail.query = withoutSecrets(done.query)
  if (isRecord(done.body) && Object.keys(done.body).length > 0) detail.body = withoutSecrets(done.body)
  const signedIn = principal && principal.userId !== ''
  return {
    user_id: signedIn ? principal.userId : null,
    user_name: signedIn ? principal.name : claimedName(done.body),
    address: done.clientAddress,
    action: route.operationId,
    subject_type: own ? 'user' : singular(noun),
    subject_id: subjectId === undefined ? null : clean(subjectId),
    outcome: done.outcome,
    detail,
    request_id: done.requestId,
  }
}

const singular = (noun: string) => noun.replace(/s$/, '')

/** A failed sign-in is noted under the name that was tried. */
function claimedName(body: unknown): string | null {
  return isRecord(body) && typeof body.name === 'string' ? clean(body.name) : null
}

function idIn(answer: unknown): string | undefined {
  if (!isRecord(answer)) return undefined
  if (typeof answer.id === 'string') return answer.id
  for (const value of Object.values(answer)) if (isRecord(value) && typeof value.id === 'string') return value.id
  return undefined
}

/** Commands switch hosts off, with passwords of their power switches in them; answer files were given with passwords too. */
const secretNames = /password|token|otp|secret|key|command|unattend/i
/** Enough to see what was asked for; a body may be a megabyte. */
const maxText = 200
const maxItems = 20

function withoutSecrets(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return clean(value)
  if (value === null || typeof value !== 'object') return value
  if (depth > 4) return '…'
  if (Array.isArray(value)) {
    const shown = value.slice(0, maxItems).map(item => withoutSecrets(item, depth + 1))
    return value.length > maxItems ? [...shown, `… ${value.length} in all`] : shown
  }
  const entries = Object.entries(value)
    .slice(0, maxItems)
    .map(([name, field]) => [clean(name), secretNames.test(name) ? '[cut]' : withoutSecrets(field, depth + 1)])
  return Object.fromEntries(entries)
}

/** PostgreSQL takes neither NUL nor half a surrogate pair in a text: nobody's attempt shall stay out by one. */
function clean(text: string): string {
  const whole = text.slice(0, maxText).replaceAll('\0', '').toWellFormed()
  return text.length > maxText ? `${whole}…` : whole
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
