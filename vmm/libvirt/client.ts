import type { HdcsError } from '../../lib/errors.ts'
import type { CallOptions, LibvirtCalls } from './calls.ts'
import type { EventKind, EventSubscription } from './events.ts'
import type { Dial } from './transport.ts'

export interface ClientOptions {
  /** `qemu:///system`, `test:///default`, `network:///system` … */
  uri: string
  /** Deadline of a call that names none, and of the opening. */
  timeoutMs?: number
  /** Calls libvirtd is given at once; the rest waits here. */
  maxInFlight?: number
  /** Pings both ways; null: none (streams, whose reader may stand still). */
  keepalive?: { intervalMs: number; count: number } | null
}

/** One connection, open until it is disposed or breaks; see connection.ts for one that comes back. */
export interface LibvirtClient extends LibvirtCalls, AsyncDisposable {
  /** Why it ended, once it did. */
  readonly closed: Promise<HdcsError>
  eventsSubscribe(kinds: readonly EventKind[], options?: { capacity?: number }): Promise<EventSubscription>
}

/**
 * Connects, authenticates and opens a driver.
 *
 * @throws HdcsError `unreachable`, `forbidden` (authentication), `timeout`, or what libvirt says of the URI.
 */
export declare function openClient(dial: Dial, options: ClientOptions): Promise<LibvirtClient>
export type { CallOptions }
