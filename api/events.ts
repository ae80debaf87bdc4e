/** Server-sent events: pages hear of what changed and ask again for what they show. */
import { z } from '@hono/zod-openapi'
import type { Auth } from '../auth/auth.ts'
import type { Principal } from '../auth/principal.ts'
import type { Broker } from '../broker/broker.ts'
import { eventListen, eventNouns, eventsAfter, eventsSpan } from '../broker/events.ts'
import { pause } from '../lib/clock.ts'
import { HdcsError } from '../lib/errors.ts'
import { credentialOf } from './guard.ts'
import { byteStream, route } from './route.ts'

/** Longer: proxies and browsers take a silent stream for a dead one; shorter: every open page costs more. */
const heartbeatMs = 15_000
const batch = 200
/** A thousand desktops that start at once would be a thousand wake-ups: those that come together go together. */
const gatherMs = 50

type EventRow = Awaited<ReturnType<typeof eventsAfter>>[number]

/** An unknown one would be a stream in which nothing ever happens. */
const nounList = z
  .string()
  .refine(text => text.split(',').every(word => known.has(word)), {
    error: ({ input }) => `${strangers(String(input))}: take some of ${eventNouns.join(', ')}, joined by commas`,
  })
  .openapi({ description: `Nouns joined by commas: ${eventNouns.join(', ')}` })

const known = new Set<string>(eventNouns)
function strangers(text: string): string {
  const words = text.split(',').filter(word => !known.has(word))
  return `nothing is told of ${words
    .map(word => `“${word.slice(0, 40)}”`)
    .join(', ')
    .slice(0, 200)}`
}

export const eventRoutes = [
  route({
    method: 'get',
    path: '/api/v1/events',
    operationId: 'eventStream',
    summary:
      'What changed, as it happens (server-sent events); resumes by Last-Event-ID, narrowed by `?noun=desktop,task`; `reset`: read everything again',
    permission: 'self',
    query: z.object({
      noun: nounList.optional(),
    }),
    answers: { 200: byteStream },
    produces: 'text/event-stream',
    handle: async ({ broker, auth, principal, query, signal, header }) => {
      const resumed = header('last-event-id')
      if (resumed !== undefined && !/^\d{1,15}$/.test(resumed))
        throw new HdcsError('invalid', 'Last-Event-ID is not one of ours.')
      const { oldest, newest } = await eventsSpan(broker)
      // Away for longer than events are kept, or of another database: what happened since cannot be told.
      const reset = resumed !== undefined && (Number(resumed) > newest || Number(resumed) < oldest - 1)
      const lastId = resumed === undefined || reset ? newest : Number(resumed)
      const token = credentialOf(header)?.token ?? ''
      const nouns = query.noun ? new Set(query.noun.split(',')) : undefined
      const stream = eventStream({ broker, auth, principal, token, nouns, lastId, reset, signal })
      // `x-accel-buffering`: nginx would hold events back until its buffer is full.
      return { status: 200, body: stream, headers: { 'x-accel-buffering': 'no' } }
    },
  }),
]

interface Subscription {
  broker: Broker
  auth: Auth
  principal: Principal
  token: string
  nouns: Set<string> | undefined
  lastId: number
  /** Says so in place of `hello`: the page shall read everything again. */
  reset: boolean
  signal: AbortSignal
}

/**
 * The token is looked up again before anything is sent and at each heartbeat: a revoked one hears nothing more than
 * two seconds later and its stream is closed fifteen seconds later at most.
 */
function eventStream(subscription: Subscription): ReadableStream<Uint8Array> {
  const { broker, auth, token, nouns } = subscription
  const ended = new AbortController()
  const signal = AbortSignal.any([subscription.signal, ended.signal])
  const encoder = new TextEncoder()
  let lastId = subscription.lastId
  let something = true
  let wake = () => {}
  const listening = eventListen(broker, () => {
    something = true
    wake()
  })

  async function* lines(): AsyncGenerator<string> {
    yield 'retry: 1000\n\n'
    // Told at once where it stands: who is cut off before the first event resumes without a gap.
    yield `id: ${lastId}\nevent: ${subscription.reset ? 'reset' : 'hello'}\ndata: {}\n\n`
    while (!signal.aborted) {
      const principal = await auth.principals.find(token)
      if (!principal) return
      if (something) {
        something = false
        const rows = await eventsAfter(broker, principal, lastId, batch)
        const text = rows
          .filter(row => !nouns || nouns.has(row.noun))
          .map(eventText)
          .join('')
        lastId = rows.at(-1)?.id ?? lastId
        if (rows.length === batch) something = true
        if (text) yield text
        if (rows.length > 0) await pause(gatherMs, signal)
        continue
      }
      const woken = new AbortController()
      wake = () => woken.abort()
      await pause(heartbeatMs, AbortSignal.any([signal, woken.signal]))
      if (!something && !signal.aborted) yield ': still here\n\n'
    }
  }

  const source = lines()
  const end = () => {
    ended.abort()
    listening[Symbol.dispose]()
  }
  /** The client went away: the stream is closed already, and closing it again would throw. */
  let cancelled = false
  return new ReadableStream({
    async pull(controller) {
      try {
        const { value, done } = await source.next()
        if (cancelled) return
        if (!done) return controller.enqueue(encoder.encode(value))
      } catch (error) {
        if (cancelled) return
        // The client comes back by itself and resumes; why it had to is for the log.
        broker.log.error({ err: error }, 'an event stream broke')
      }
      end()
      controller.close()
    },
    cancel() {
      cancelled = true
      end()
    },
  })
}

export function eventText(row: EventRow): string {
  const type = `${row.noun}.${row.what}`
  const data = { type, id: row.subject_id, at: row.at, userId: row.user_id, poolId: row.pool_id }
  return `id: ${row.id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`
}
