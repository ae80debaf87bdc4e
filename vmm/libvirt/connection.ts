import { pause } from '../../lib/clock.ts'
import { asHdcsError, HdcsError } from '../../lib/errors.ts'
import { type LibvirtCalls, makeCalls } from './calls.ts'
import { type ClientOptions, type LibvirtClient, openClient } from './client.ts'
import { type EventKind, type EventSubscription, eventCapacity, type LibvirtEvent } from './events.ts'
import { boundedQueue } from './queue.ts'
import { type Dial, unixDial } from './transport.ts'

export interface ConnectionOptions extends ClientOptions {
  /** Tried in order at every (re)connection; the first that opens `uri` is used. */
  sockets: readonly string[]
  /** Do not fail when nothing answers now: start as a connection that is down. */
  patient?: boolean
  /** Pause between attempts, doubled each time. Too short: a daemon that starts is hammered; too long: desktops wait for it. */
  retry?: { firstMs: number; maxMs: number }
  /** How a socket is opened; tests put a fake here. */
  dial?: (socket: string) => Dial
}

/**
 * `lost`: the connection is gone. `renewed`: it is back and events flow again; what happened between is unknown, so
 * reread. After `overflow`, too, a renewal may be among what was dropped: reread is the answer to both.
 */
export type ConnectionEvent = LibvirtEvent | { type: 'lost'; error: HdcsError } | { type: 'renewed' }

/** A connection that comes back. Calls made while it is down fail at once with `unreachable`. */
export interface LibvirtConnection extends LibvirtCalls, AsyncDisposable {
  /** The socket in use; null while down. */
  readonly socket: string | null
  /** Lives through renewals until it or the connection is disposed. Never fails while the connection is only down. */
  eventsSubscribe(
    kinds: readonly EventKind[],
    options?: { capacity?: number },
  ): Promise<EventSubscription<ConnectionEvent>>
}

interface Subscriber {
  kinds: readonly EventKind[]
  queue: ReturnType<typeof boundedQueue<ConnectionEvent>>
  /** What it hears through now; null while down. */
  source: EventSubscription | null
}

const defaultRetry = { firstMs: 100, maxMs: 5_000 }

/** @throws HdcsError when no socket can be opened now (unless `patient`): what libvirt said, else `unreachable`. */
export async function connectLibvirt(options: ConnectionOptions): Promise<LibvirtConnection> {
  const retry = options.retry ?? defaultRetry
  const ending = new AbortController()
  const subscribers = new Set<Subscriber>()
  let current: { client: LibvirtClient; socket: string } | null = null
  let trouble = new HdcsError('unreachable', 'libvirt is not connected yet.')

  /** Events that arrive between registration and `renewed` wait in the client's queue: the order is right. */
  async function attach(client: LibvirtClient, subscriber: Subscriber, renewed: boolean) {
    const source = await client.eventsSubscribe(subscriber.kinds)
    if (!subscribers.has(subscriber)) return source[Symbol.asyncDispose]()
    subscriber.source = source
    if (renewed) subscriber.queue.push({ type: 'renewed' })
    void pump(source, subscriber)
  }

  async function pump(source: EventSubscription, subscriber: Subscriber) {
    try {
      for await (const event of source) subscriber.queue.push(event)
    } catch {
      // The connection ended: `keep` tells every subscriber why.
      subscriber.source = null
    }
  }

  async function open(renewed: boolean) {
    const opened = await openFirst(options)
    const attached = new Set<Subscriber>()
    try {
      // Somebody may subscribe while others are attached: it is open only when nobody was forgotten.
      for (;;) {
        const missing = [...subscribers].filter(subscriber => !attached.has(subscriber))
        if (missing.length === 0) break
        await Promise.all(missing.map(subscriber => attach(opened.client, subscriber, renewed)))
        for (const subscriber of missing) attached.add(subscriber)
      }
    } catch (error) {
      await opened.client[Symbol.asyncDispose]()
      throw error
    }
    current = opened
    if (ending.signal.aborted) await opened.client[Symbol.asyncDispose]()
  }

  /** Waits for the end of what is open, then opens anew, until disposed. */
  async function keep() {
    let waitMs = retry.firstMs
    while (!ending.signal.aborted) {
      if (current) {
        const error = await current.client.closed
        current = null
        trouble = error
        if (ending.signal.aborted) return
        for (const { queue } of subscribers) queue.push({ type: 'lost', error })
        waitMs = retry.firstMs
      }
      try {
        await open(true)
      } catch (error) {
        trouble = asHdcsError(error)
        await pause(waitMs, ending.signal)
        waitMs = Math.min(waitMs * 2, retry.maxMs)
      }
    }
  }

  try {
    await open(false)
  } catch (error) {
    if (!options.patient) throw error
    trouble = asHdcsError(error)
  }
  const kept = keep()

  const down = () => new HdcsError('unreachable', 'libvirt is away; HDCS keeps trying to reach it.', { cause: trouble })
  const calls = makeCalls(async (name, given, wishes) => {
    if (!current) throw down()
    return current.client.call(name, given, wishes)
  })
  return {
    ...calls,
    get socket() {
      return current?.socket ?? null
    },
    async eventsSubscribe(kinds, { capacity = eventCapacity } = {}) {
      if (ending.signal.aborted) throw down()
      const queue = boundedQueue<ConnectionEvent>(capacity, { type: 'overflow' })
      const subscriber: Subscriber = { kinds, queue, source: null }
      subscribers.add(subscriber)
      // A connection that breaks right now attaches all subscribers when it is back; any other refusal is the caller's.
      if (current)
        await attach(current.client, subscriber, false).catch(error => {
          if (asHdcsError(error).code === 'unreachable') return
          subscribers.delete(subscriber)
          throw error
        })
      return {
        [Symbol.asyncIterator]: () => queue[Symbol.asyncIterator](),
        async [Symbol.asyncDispose]() {
          subscribers.delete(subscriber)
          queue.end()
          await subscriber.source?.[Symbol.asyncDispose]()
        },
      }
    },
    async [Symbol.asyncDispose]() {
      ending.abort()
      trouble = new HdcsError('unreachable', 'This connection to libvirt was closed.')
      await current?.client[Symbol.asyncDispose]()
      await kept
      for (const { queue } of subscribers) queue.end()
      subscribers.clear()
    },
  }
}

async function openFirst(options: ConnectionOptions) {
  let refusal: HdcsError | null = null
  for (const socket of options.sockets) {
    try {
      return { socket, client: await openClient((options.dial ?? unixDial)(socket), options) }
    } catch (error) {
      const found = asHdcsError(error)
      // What a daemon said explains more than that another one is not there.
      if (!refusal || refusal.code === 'unreachable') refusal = found
    }
  }
  throw refusal ?? new HdcsError('invalid', 'No libvirt socket was named.')
}
