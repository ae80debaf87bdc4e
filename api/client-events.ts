/** Server-sent events for the client: an endless iterator over breaks of the connection. Browser-safe. */
import { pause } from '../lib/clock.ts'
import type { Sender } from './client.ts'
import { type ApiError, apiErrorOf } from './client-error.ts'
import { makeEventParser, type ServerEvent } from './sse.ts'

export interface EventFilter {
  /** Only events of these nouns. */
  nouns?: string[]
  /** Resume after this one. */
  lastEventId?: string
  signal?: AbortSignal
  /** Called at each (re)connection: after a long break reread what is shown. */
  onOpen?: () => void
  /** Called when the connection broke: what is shown may be out of date until `onOpen`. */
  onBreak?: () => void
}

export interface LiveEvent {
  /** Resume with it. */
  id: string
  /** `desktop.changed`; `reset`: the server cannot say what happened meanwhile, read everything again. */
  type: string
  /** Of the desktop, pool, task … that the event is about; empty for `reset`. */
  subjectId: string
  userId: string | null
  poolId: string | null
}

/** Between two attempts. Lower: a restarting server is hammered by every page; higher: pages show old state longer. */
const firstPauseMs = 500
const longestPauseMs = 10_000

/** @throws ApiError when the server refuses for good (signed out, not allowed). */
export async function* liveEvents(sender: Sender, filter: EventFilter): AsyncGenerator<LiveEvent> {
  const { signal } = filter
  let lastEventId = filter.lastEventId
  let pauseMs = firstPauseMs
  while (!signal?.aborted) {
    try {
      const response = await open(sender, filter, lastEventId)
      pauseMs = firstPauseMs
      filter.onOpen?.()
      for await (const event of read(response)) {
        lastEventId = event.id || lastEventId
        if (event.event !== 'hello') yield liveEventOf(event)
      }
    } catch (error) {
      if (signal?.aborted) return
      if (isFinal(error)) throw error
    }
    filter.onBreak?.()
    await pause(pauseMs, signal)
    pauseMs = Math.min(pauseMs * 2, longestPauseMs)
  }
}

async function open(sender: Sender, filter: EventFilter, lastEventId: string | undefined): Promise<Response> {
  const query = filter.nouns?.length ? `?noun=${filter.nouns.join(',')}` : ''
  const response = await sender.fetch(`${sender.baseUrl}/api/v1/events${query}`, {
    headers: {
      ...sender.headers(false),
      accept: 'text/event-stream',
      ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
    },
    ...(filter.signal && { signal: filter.signal }),
    credentials: 'same-origin',
  })
  if (!response.ok) throw await apiErrorOf(response)
  return response
}

/** By hand instead of `for await`: Safari's streams are no iterators. */
async function* read(response: Response): AsyncGenerator<ServerEvent> {
  const parser = makeEventParser()
  const reader = response.body?.getReader()
  if (!reader) return
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      yield* parser.feed(value)
    }
  } finally {
    await reader.cancel().catch(() => {}) // a connection that broke needs no farewell
  }
}

function liveEventOf(event: ServerEvent): LiveEvent {
  const data = JSON.parse(event.data) as { id?: string; userId?: string | null; poolId?: string | null }
  return {
    id: event.id,
    type: event.event,
    subjectId: data.id ?? '',
    userId: data.userId ?? null,
    poolId: data.poolId ?? null,
  }
}

/** Signed out or refused: asking again changes nothing. Everything else may pass. */
function isFinal(error: unknown): boolean {
  const status = (error as Partial<ApiError>).status
  return status !== undefined && status >= 400 && status < 500 && status !== 429
}
