import type { LibvirtClient } from './client.ts'
import type { LibvirtConnection } from './connection.ts'

export interface DaemonOptions {
  uri?: string
  /** Folder of the sockets. */
  folder?: string
}

/**
 * The connections one host needs. libvirtd serves five calls at a time per connection, and a QEMU that hangs holds its
 * place: so what must not wait for statistics has a connection of its own.
 */
export interface LibvirtDaemon extends AsyncDisposable {
  /** Starting, stopping, devices, XML. */
  readonly actions: LibvirtConnection
  /** getAllDomainStats and other calls that a hung QEMU holds up. */
  readonly statistics: LibvirtConnection
  /** Subscribe here: nothing else is in the way of the news. */
  readonly events: LibvirtConnection
  /** Networks and storage: the same daemon when it is monolithic, else virtnetworkd and virtstoraged. */
  readonly networks: LibvirtConnection
  readonly storage: LibvirtConnection
  /** A fresh connection for one stream; dispose it after. */
  streamClient(): Promise<LibvirtClient>
}

export declare function connectDaemon(options?: DaemonOptions): Promise<LibvirtDaemon>
