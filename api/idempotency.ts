/** `Idempotency-Key` on POST: a request that may or may not have arrived can be sent again without harm. */
import { createHash } from 'node:crypto'
import type { Auth } from '../auth/auth.ts'
import type { KeptAnswer } from '../auth/kept-answers.ts'
import { HdcsError } from '../lib/errors.ts'

export interface PlainAnswer {
  status: number
  body: unknown
  headers?: Record<string, string>
}

/** Longer: the table grows; shorter: a program that was off over night repeats what it had done. */
const keptMs = 24 * 3_600_000
/** No request works longer; a process that was killed in the middle leaves its key behind that long. */
const abandonedMs = 5 * 60_000
const keyForm = /^[\x21-\x7e]{1,200}$/

/**
 * Runs `work` once per person and key; later requests with the same key and the same content get the first answer.
 * @throws HdcsError `conflict`: the key was used for something else, or its first request is still being worked on.
 */
export async function once(
  auth: Auth,
  request: { userId: string; key: string; content: string; secret: boolean },
  work: () => Promise<PlainAnswer>,
): Promise<PlainAnswer> {
  const { userId, key } = request
  if (!keyForm.test(key)) throw new HdcsError('invalid', 'Idempotency-Key: 200 visible ASCII characters at most.')
  const now = auth.clock.now()
  const requestHash = createHash('sha256').update(request.content).digest()
  const known = await auth.kept.take(userId, key, requestHash, now)
  if (known) {
    const again = answerAgain(known, requestHash, now)
    if (again) return again
    await auth.kept.giveBack(userId, key)
    return once(auth, request, work)
  }
  let answer: PlainAnswer
  try {
    answer = await work()
  } catch (error) {
    await auth.kept.giveBack(userId, key) // nothing was done that an answer could tell of
    throw error
  }
  await auth.kept.keep(userId, key, {
    status: answer.status,
    headers: answer.headers ?? {},
    body: request.secret ? null : answer.body,
    secret: request.secret,
  })
  await auth.kept.forgetBefore(new Date(now.getTime() - keptMs))
  return answer
}

/** What a second request gets; undefined: the first one is too old to count. Pure. */
export function answerAgain(known: KeptAnswer, requestHash: Buffer, now: Date): PlainAnswer | undefined {
  const ageMs = now.getTime() - known.startedAt.getTime()
  if (ageMs > keptMs || (known.status === null && ageMs > abandonedMs)) return undefined
  if (!known.requestHash.equals(requestHash))
    throw new HdcsError('conflict', 'This Idempotency-Key was used for another request: take a new one.')
  if (known.status === null)
    throw new HdcsError('conflict', 'The first request with this key is still being worked on.', {
      retryAfterSeconds: 1,
    })
  if (known.secret)
    throw new HdcsError('conflict', 'This was done already; its answer held a secret that is shown only once.')
  return { status: known.status, headers: { ...known.headers, 'idempotency-replayed': 'true' }, body: known.body }
}
