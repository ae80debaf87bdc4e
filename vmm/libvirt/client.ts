import { HdcsError } from '../../lib/errors.ts'
import { type CallOptions, type LibvirtCalls, makeCalls } from './calls.ts'
import { type EventKind, type EventSubscription, eventHub } from './events.ts'
import { defaultKeepalive, type Keepalive, keepaliveFeature } from './keepalive.ts'
import type { ProcedureName } from './protocol.ts'
import type { Dial } from './transport.ts'
import { openWire, type Wire } from './wire.ts'

export interface ClientOptions {
  /** `qemu:///system`, `test:///default`, `network:///system` … */
  uri: string
  /** Deadline of a call that names none. */
  timeoutMs?: number
  /** Deadline of each step of the opening: a libvirtd that has just started answers nothing until its drivers are up. */
  openTimeoutMs?: number
  /** Calls that libvirtd is given at once; the rest waits here, in lanes. */
  maxInFlight?: number
  /** Pings both ways; null: none (streams, whose reader may stand still). */
  keepalive?: Keepalive | null
}

/** Too short: a start on a busy host is reported failed although it succeeds; too long: a hung QEMU holds its caller up. */
export const defaultTimeoutMs = 30_000

/**
 * libvirtd reads no more than max_client_requests (5) unanswered requests of a connection; pings and stream packets are
 * requests to it. One more, and pongs wait behind calls, so a busy daemon looks dead; fewer, and calls wait for nothing.
 */
export const defaultMaxInFlight = 4

/** One connection, open until it is disposed or breaks; connection.ts has one that comes back. */
export interface LibvirtClient extends LibvirtCalls, AsyncDisposable {
  /** Any row of the table by its name; the typed functions are made of this. */
  call(name: ProcedureName, given: Record<string, unknown>, options: CallOptions): Promise<unknown>
  /** Why it ended, once it did. */
  readonly closed: Promise<HdcsError>
  /** One consumer each. Ends with `unreachable` when the connection does. */
  eventsSubscribe(kinds: readonly EventKind[], options?: { capacity?: number }): Promise<EventSubscription>
}

/**
 * Connects, authenticates and opens a driver.
 *
 * @throws HdcsError `unreachable`, `forbidden` (authentication), `timeout`, or what libvirt says of the URI.
 */
export async function openClient(dial: Dial, options: ClientOptions): Promise<LibvirtClient> {
  const keepalive = options.keepalive === undefined ? defaultKeepalive : options.keepalive
  const openTimeoutMs = options.openTimeoutMs ?? defaultTimeoutMs
  const opening = { timeoutMs: openTimeoutMs }
  const wire = await openWire(dial, {
    timeoutMs: options.timeoutMs ?? defaultTimeoutMs,
    dialTimeoutMs: openTimeoutMs,
    maxInFlight: options.maxInFlight ?? defaultMaxInFlight,
    onMessage: (procedure, payload) => hub.receive(procedure, payload),
  })
  const calls = makeCalls(wire.call)
  const hub = eventHub(event => calls.connectDomainEventCallbackRegisterAny({ event }))
  wire.closed.then(hub.fail)
  try {
    await authenticate(calls, opening)
    if (keepalive) await calls.connectSupportsFeature({ feature: keepaliveFeature }, opening)
    await calls.connectOpen({ name: options.uri }, opening)
    if (keepalive) wire.keepAlive(keepalive)
  } catch (error) {
    wire.close()
    throw error
  }
  return {
    ...calls,
    call: wire.call,
    closed: wire.closed,
    eventsSubscribe: (kinds, { capacity } = {}) => hub.subscribe(kinds, capacity),
    [Symbol.asyncDispose]: () => close(wire, calls),
  }
}

/** remote_auth_type */
const authentication = { none: 0, polkit: 2 }

async function authenticate(calls: LibvirtCalls, opening: CallOptions) {
  const offered = await calls.authList({}, opening)
  if (offered.includes(authentication.none)) return
  if (!offered.includes(authentication.polkit))
    throw new HdcsError('forbidden', 'libvirt asks for a login (SASL) on this socket, which HDCS does not do.')
  await calls.authPolkit({}, opening)
}

/** How long libvirt may take to say goodbye: it closes just as well when we only hang up. */
const goodbyeMs = 1_000

async function close(wire: Wire, calls: LibvirtCalls) {
  // Refused or too late: hanging up has the same effect.
  await calls.connectClose({}, { timeoutMs: goodbyeMs }).catch(() => {})
  wire.close()
}
