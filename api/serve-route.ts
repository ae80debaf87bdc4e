/** One request to one route, from its first header to its line in the trail. */
import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { Auth } from '../auth/auth.ts'
import type { Principal } from '../auth/principal.ts'
import type { Broker } from '../broker/broker.ts'
import { asHdcsError, type HdcsError } from '../lib/errors.ts'
import { readJson } from './body.ts'
import { isOwnFault, problemResponse, readPart, statusOf } from './errors.ts'
import { identify, isWrite, nobody, permit } from './guard.ts'
import { once, type PlainAnswer } from './idempotency.ts'
import type { Metrics } from './metrics.ts'
import { type Front, sourceOf } from './request.ts'
import type { AnyRoute } from './route.ts'
import { auditEntryOf, type Done, isForTrail } from './trail.ts'

export interface Serving {
  auth: Auth
  broker: Broker
  front: Front
  metrics: Metrics
  /** Each answer is compared with its schema: for tests, it costs more than many an answer. */
  checkAnswers: boolean
  anonymous: AnonymousDenials
}

const noQuery = z.strictObject({})

export async function serveRoute(serving: Serving, route: AnyRoute, context: Context): Promise<Response> {
  const startedMs = performance.now()
  const { auth, broker } = serving
  const requestId = context.get('requestId')
  const { origin, clientAddress } = sourceOf(context, serving.front)
  const header = (name: string) => context.req.header(name)
  const params = context.req.param()
  const query = context.req.query()
  let principal: Principal | undefined
  let body: unknown
  const finish = async (outcome: Done['outcome'], status: number, answer: unknown) => {
    serving.metrics.note({ operation: route.operationId, status, ms: performance.now() - startedMs })
    const done = { route, principal, params, query, body, answer, outcome, status, clientAddress, requestId }
    if (isForTrail(done) && !serving.anonymous.known(done)) await auth.trail.note(auditEntryOf(done))
  }
  try {
    principal = await identify(auth, header)
    const permitted = permit(principal, route, header, origin)
    const call = {
      params: route.params ? readPart('params', route.params, params) : {},
      query: readPart('query', route.query ?? noQuery, query),
      body: undefined as unknown,
      stream: route.streams ? (context.req.raw.body ?? emptyStream()) : emptyStream(),
      principal: permitted,
      broker,
      auth,
      signal: context.req.raw.signal,
      requestId,
      clientAddress,
      origin,
      header,
    }
    let content = ''
    if (route.body) {
      const json = await readJson(context.req.raw)
      body = json.value
      content = json.text
      call.body = readPart('body', route.body, body)
    }
    const work = (): Promise<PlainAnswer> => route.handle(call as Parameters<AnyRoute['handle']>[0])
    const key =
      route.method === 'post' && permitted !== nobody && !route.streams ? header('idempotency-key') : undefined
    const answer =
      key === undefined
        ? await work()
        : await once(
            auth,
            {
              userId: permitted.userId,
              key,
              content: JSON.stringify([route.operationId, params, query, content]),
              secret: route.secret === true,
            },
            work,
          )
    if (serving.checkAnswers) checkAnswer(route, answer)
    await finish('ok', answer.status, answer.body)
    return responseOf(route, answer)
  } catch (thrown) {
    const error = asHdcsError(thrown)
    logError(serving, route, requestId, error)
    await finish(error.code, statusOf[error.code], undefined)
    return problemResponse(error, requestId)
  }
}

function responseOf(route: AnyRoute, answer: PlainAnswer): Response {
  const headers = new Headers({ 'cache-control': 'no-store', ...answer.headers })
  if (answer.body === undefined) return new Response(null, { status: answer.status, headers })
  if (route.produces === undefined) {
    headers.set('content-type', 'application/json')
    return new Response(JSON.stringify(answer.body), { status: answer.status, headers })
  }
  if (!headers.has('content-type')) headers.set('content-type', route.produces)
  return new Response(answer.body as string | ReadableStream<Uint8Array>, { status: answer.status, headers })
}

function checkAnswer(route: AnyRoute, answer: PlainAnswer) {
  const schema = route.answers[answer.status]
  if (schema === undefined) throw new Error(`${route.operationId} answers ${answer.status}, which it does not declare`)
  if (schema) schema.parse(answer.body)
}

/** What is our own fault is logged with its cause; refusals are for the trail. */
function logError(serving: Serving, route: AnyRoute, requestId: string, error: HdcsError) {
  if (!isOwnFault(error.code)) return
  serving.broker.log.error(
    { err: error.cause ?? error, code: error.code, requestId, operation: route.operationId },
    error.message,
  )
}

function emptyStream(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: controller => controller.close() })
}

/** Whoever is not signed in could fill the disk with refused requests: the same refusal counts once a minute. */
export interface AnonymousDenials {
  known(done: Done): boolean
}

const quietMs = 60_000
/** Higher: memory for a flood of addresses; lower: more of a flood's lines in the trail. */
const rememberedMost = 5_000

export function makeAnonymousDenials(now: () => Date): AnonymousDenials {
  const seen = new Map<string, number>()
  return {
    known({ principal, outcome, route, clientAddress }) {
      if (principal || outcome === 'ok' || (isWrite(route) && route.permission === 'public')) return false
      const key = `${clientAddress} ${route.operationId}`
      const atMs = now().getTime()
      const before = seen.get(key)
      if (before !== undefined && atMs - before < quietMs) return true
      seen.delete(key)
      seen.set(key, atMs)
      const oldest = seen.keys().next()
      if (seen.size > rememberedMost && !oldest.done) seen.delete(oldest.value)
      return false
    },
  }
}
