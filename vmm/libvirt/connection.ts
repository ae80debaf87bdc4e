import type { HdcsError } from '../../lib/errors.ts'
import type { LibvirtCalls } from './calls.ts'
import type { ClientOptions } from './client.ts'
import type { EventKind, EventSubscription, LibvirtEvent } from './events.ts'

/** Where libvirtd and its modular daemons listen, in the order in which they are tried. */
export const systemSockets = ['/var/run/libvirt/libvirt-sock', '/var/run/libvirt/virtqemud-sock'] as const
export const networkSockets = ['/var/run/libvirt/libvirt-sock', '/var/run/libvirt/virtnetworkd-sock'] as const
export const storageSockets = ['/var/run/libvirt/libvirt-sock', '/var/run/libvirt/virtstoraged-sock'] as const

export interface ConnectionOptions extends ClientOptions {
  /** Tried in order at every (re)connection; the first that opens `uri` is used. */
  sockets: readonly string[]
}

/** `lost`: the connection is gone. `renewed`: it is back and events flow again: what happened between is unknown, reread. */
export type ConnectionEvent = LibvirtEvent | { type: 'lost'; error: HdcsError } | { type: 'renewed' }

/** A connection that comes back. Calls made while it is down fail at once with `unreachable`. */
export interface LibvirtConnection extends LibvirtCalls, AsyncDisposable {
  /** The socket in use; null while down. */
  readonly socket: string | null
  /** Lives through renewals until it or the connection is disposed. */
  eventsSubscribe(
    kinds: readonly EventKind[],
    options?: { capacity?: number },
  ): Promise<EventSubscription<ConnectionEvent>>
}

/** @throws HdcsError when the first connection fails on every socket (the last one's error); later ones are retried. */
export declare function connectLibvirt(options: ConnectionOptions): Promise<LibvirtConnection>
