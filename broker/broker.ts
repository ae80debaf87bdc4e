/** What every room of the broker works with: wired once by hand in bin, passed as the first argument. */
import type { Db } from '../db/connect.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'

export interface Broker {
  db: Db
  clock: Clock
  log: Log
  /** Seals tickets; shared with the gateways. 32 bytes. */
  ticketKey: Uint8Array
  /** Where gateways are reached, e.g. `http://desk.example:8080`; null: where the API was asked. */
  gatewayUrl: string | null
  /** Writes a `.vv` file; given from outside because the broker knows nothing of SPICE. */
  viewerFile(desktop: {
    name: string
    gatewayUrl: string
    sealedTicket: string
    spice: { host: string; port: number; password: string }
    usbFilter: string
  }): string
  /** Where the programs that administrators may name stand on this machine (lib/commands-folder.ts). */
  commandsFolder: string
  /** Uploaded images wait here until every host that needs them has fetched them. */
  uploadFolder: string
  /** An upload above this is refused. */
  maxUploadBytes: number
  /** No image may claim a larger disk than this. */
  maxVirtualBytes: number
}
