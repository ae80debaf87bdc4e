/** What libvirt tells unasked: the messages as a table, and a subscription that never loses one silently. */
import { type Codec, type Fields, int, list, named, type Read, struct, text } from './codec.ts'
import { domain, typedParams } from './objects.ts'
import { boundedQueue } from './queue.ts'
import { XdrReader } from './xdr.ts'

/** Why, for each thing that happens to a domain (virDomainEvent*DetailType). */
const lifecycleReasons = {
  defined: ['added', 'updated', 'renamed', 'from snapshot'],
  undefined: ['removed', 'renamed'],
  started: ['booted', 'migrated', 'restored', 'from snapshot', 'wakeup'],
  suspended: [
    'paused',
    'migrated',
    'io error',
    'watchdog',
    'restored',
    'from snapshot',
    'api error',
    'postcopy',
    'postcopy failed',
  ],
  resumed: ['unpaused', 'migrated', 'from snapshot', 'postcopy', 'postcopy failed'],
  stopped: ['shutdown', 'destroyed', 'crashed', 'migrated', 'saved', 'failed', 'from snapshot'],
  shutdown: ['finished', 'guest', 'host'],
  pmsuspended: ['memory', 'disk'],
  crashed: ['panicked', 'crashloaded'],
} as const
const lifecycleNames = Object.keys(lifecycleReasons) as (keyof typeof lifecycleReasons)[]

type Change =
  | {
      [W in keyof typeof lifecycleReasons]: { what: W; why: (typeof lifecycleReasons)[W][number] | 'unknown' }
    }[keyof typeof lifecycleReasons]
  | { what: 'unknown'; why: 'unknown' }

/** A killed QEMU is stopped/failed. At a start, resumed/unpaused comes before started/booted. */
const change: Codec<Change> = {
  write(writer, { what, why }) {
    const reasons: readonly string[] = what === 'unknown' ? [] : lifecycleReasons[what]
    writer.int(what === 'unknown' ? -1 : lifecycleNames.indexOf(what))
    writer.int(reasons.indexOf(why))
  },
  read(reader) {
    const what = lifecycleNames[reader.int()] ?? 'unknown'
    const reasons: readonly string[] = what === 'unknown' ? [] : lifecycleReasons[what]
    return { what, why: reasons[reader.int()] ?? 'unknown' } as Change
  },
}

const address = struct({ family: named(['ipv4', 'ipv6', 'unix']), node: text, service: text })

interface Row<F extends Fields = Fields> {
  /** VIR_DOMAIN_EVENT_ID_* */
  id: number
  /** The message's procedure number: always the variant that carries a callback id. */
  number: number
  fields: F
}
const row = <F extends Fields>(id: number, number: number, fields: F): Row<F> => ({ id, number, fields })

export const domainEvents = {
  lifecycle: row(0, 318, { domain, change }),
  reboot: row(1, 319, { domain }),
  watchdog: row(3, 321, {
    domain,
    action: named(['none', 'pause', 'reset', 'poweroff', 'shutdown', 'debug', 'injectnmi']),
  }),
  graphics: row(5, 323, {
    domain,
    phase: named(['connect', 'initialize', 'disconnect']),
    local: address,
    remote: address,
    authScheme: text,
    subject: list(struct({ type: text, name: text }), 20),
  }),
  ioError: row(6, 324, { domain, path: text, alias: text, action: named(['none', 'pause', 'report']), reason: text }),
  controlError: row(7, 325, { domain }),
  deviceRemoved: row(15, 333, { domain, alias: text }),
  /** `disk` is the target (`vda`), not a path. */
  blockJob: row(16, 339, {
    domain,
    disk: text,
    job: named(['unknown', 'pull', 'copy', 'commit', 'active commit', 'backup']),
    status: named(['completed', 'failed', 'cancelled', 'ready']),
  }),
  agentLifecycle: row(18, 348, {
    domain,
    state: named(['none', 'connected', 'disconnected']),
    reason: named(['unknown', 'domain started', 'channel']),
  }),
  deviceAdded: row(19, 354, { domain, alias: text }),
  migrationIteration: row(20, 359, { domain, iteration: int }),
  jobCompleted: row(21, 363, { domain, params: typedParams(64) }),
  deviceRemovalFailed: row(22, 367, { domain, alias: text }),
} satisfies Record<string, Row>

type Table = typeof domainEvents
export type EventKind = keyof Table
export type DomainEvent = { [K in EventKind]: { type: K } & Read<Table[K]['fields']> }[EventKind]

/** `overflow`: the consumer was too slow and events before this one are gone: reread the world. */
export type LibvirtEvent = DomainEvent | { type: 'overflow' }

/** One consumer. Ends when disposed; throws HdcsError `unreachable` when the connection ends. */
export interface EventSubscription<E = LibvirtEvent> extends AsyncIterable<E>, AsyncDisposable {}

/** Too low: a consumer that is busy for a moment has to reread everything; too high: memory, and a long row of stale news. */
export const eventCapacity = 4096

const kindByNumber = new Map<number, EventKind>(
  (Object.keys(domainEvents) as EventKind[]).map(kind => [domainEvents[kind].number, kind]),
)

/** Null for messages that nobody here asked for. @throws HdcsError `protocol` when it is malformed. */
export function decodeEvent(procedure: number, payload: Uint8Array): DomainEvent | null {
  const kind = kindByNumber.get(procedure)
  if (!kind) return null
  const reader = new XdrReader(payload)
  reader.int() // callback id: counted per daemon, and one per kind is registered, so the kind says as much
  return { type: kind, ...struct<Fields>(domainEvents[kind].fields).read(reader) } as DomainEvent
}

/** The subscribers of one connection. libvirt takes one registration per kind and connection, so they share it. */
export function eventHub(register: (event: number) => Promise<unknown>) {
  const registered = new Map<EventKind, Promise<unknown>>()
  const subscribers = new Set<{ kinds: ReadonlySet<string>; queue: ReturnType<typeof boundedQueue<LibvirtEvent>> }>()

  function ensure(kind: EventKind): Promise<unknown> {
    const known = registered.get(kind)
    if (known) return known
    const asked = register(domainEvents[kind].id).catch(error => {
      registered.delete(kind)
      throw error
    })
    registered.set(kind, asked)
    return asked
  }

  return {
    /** Registrations stay until the connection ends: taking one back races with the next subscriber of its kind. */
    async subscribe(kinds: readonly EventKind[], capacity = eventCapacity): Promise<EventSubscription> {
      const queue = boundedQueue<LibvirtEvent>(capacity, { type: 'overflow' })
      const subscriber = { kinds: new Set<string>(kinds), queue }
      subscribers.add(subscriber)
      try {
        await Promise.all(kinds.map(ensure))
      } catch (error) {
        subscribers.delete(subscriber)
        throw error
      }
      return {
        [Symbol.asyncIterator]: () => queue[Symbol.asyncIterator](),
        async [Symbol.asyncDispose]() {
          subscribers.delete(subscriber)
          queue.end()
        },
      }
    },

    /** A malformed event is reported as an overflow: something happened, and only rereading tells what. */
    receive(procedure: number, payload: Uint8Array) {
      let event: LibvirtEvent | null
      try {
        event = decodeEvent(procedure, payload)
      } catch {
        event = { type: 'overflow' }
      }
      if (!event) return
      const kind = kindByNumber.get(procedure)
      for (const { kinds, queue } of subscribers) if (kind && kinds.has(kind)) queue.push(event)
    },

    fail(error: Error) {
      for (const { queue } of subscribers) queue.end(error)
      subscribers.clear()
    },
  }
}
