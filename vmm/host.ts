/**
 * The contract between the agent's loop and whatever runs machines: libvirt (libvirt-host.ts) or nothing at all
 * (sim-host.ts). One suite of cases runs against both (test/contract/host). Every call is idempotent: asked for what
 * already is, it succeeds; so a killed agent simply asks again.
 *
 * Errors are HdcsError: `storage_full`, `not_found` (image or machine), `start_failed` (QEMU's own words in the text),
 * `disk_in_use` (another host runs a copy on it),
 * `timeout`, `unreachable` (libvirt away: the host renews its connection and says `reread`), `invalid`.
 */
import type { HostFacts, HostUsage } from './report.ts'
import type { ImageSpec, MachineSpec, NetworkSpec, NicSpec } from './spec.ts'

/** A domain that runs (domains are transient: one that does not run is only its overlay). */
export interface FoundMachine {
  id: string
  name: string
  incarnation: number
  power: 'running' | 'paused'
  graphics: { host: string; port: number } | null
  /** Whether the guest agent's channel is open right now. */
  agentConnected: boolean
  /** SPICE main channels connected right now. */
  clients: number
  /** On its way in from another host: its memory still comes, and nothing may be done to it. */
  arriving: boolean
}

/** What gets ready for a guest of another host. */
export interface Arrival {
  moveId: string
  /** Both hosts use one storage: its disk is here already. */
  shared: boolean
}

/** A running guest's way to another host. */
export interface Departure {
  moveId: string
  kind: 'live' | 'storage'
  /** libvirt's URI of the target. */
  targetUri: string
  /** Where SPICE shall listen there; no port: libvirt chooses. */
  screen: { address: string; port: number | null }
}

export interface FoundOverlay {
  machineId: string
  incarnation: number
}

export interface FoundImage {
  id: string
  virtualBytes: number
  storedBytes: number
  sha256: string
}

export type HostEvent =
  | { type: 'started' | 'paused' | 'resumed'; machineId: string }
  | { type: 'stopped'; machineId: string; because: 'wished' | 'guest' | 'crashed' }
  /** The guest agent's port was opened or closed by the guest. */
  | { type: 'agent'; machineId: string; connected: boolean }
  /** A SPICE main channel came or went: the number now connected. */
  | { type: 'clients'; machineId: string; clients: number }
  /** Events may have been missed (connection renewed): list everything anew. */
  | { type: 'reread' }

/** Progress of long work: 0 to 100 and the step at hand. */
export type Progress = (percent: number, text: string) => void

export interface Host extends AsyncDisposable {
  /**
   * Runs a guest on KVM with a deadline once (cached for the life of the process) to know whether KVM works. How the host
   * stands among others is looked at each time.
   */
  facts(): Promise<HostFacts>
  usage(): Promise<HostUsage>
  /** Machines, overlays and images of this installation only. */
  machines(): Promise<FoundMachine[]>
  overlays(): Promise<FoundOverlay[]>
  images(): Promise<FoundImage[]>

  /** Builds or fetches, checks, converts, seals; leaves nothing behind when it fails or is aborted. */
  imageMake(image: ImageSpec, progress: Progress, signal: AbortSignal): Promise<FoundImage>
  /** @throws HdcsError `conflict` while an overlay stands on it. */
  imageRemove(id: string): Promise<void>

  networkEnsure(network: NetworkSpec): Promise<void>
  /**
   * After `networkEnsure`: who may send and reach what, for exactly these cards and no other (docs/decisions/0006). Looks
   * whether what was put in force before still is. Also guests on their way here are named before they come.
   * @returns what could not be read and is closed therefore, for an administrator.
   * @throws HdcsError `unsupported` where rules cannot be put in force at all.
   */
  guestsEnsure(nics: readonly NicSpec[]): Promise<string[]>

  overlayMake(machine: Pick<MachineSpec, 'id' | 'name' | 'incarnation' | 'imageId' | 'hardware'>): Promise<void>
  overlayRemove(overlay: FoundOverlay): Promise<void>
  /**
   * Makes a disk at least so large; a guest that runs on it sees that at once. Its file system is its own affair.
   * @throws HdcsError `not_found`.
   */
  overlayGrow(overlay: FoundOverlay, sizeBytes: number): Promise<void>

  /** Returns when QEMU runs, not when the guest is ready. */
  machineStart(spec: MachineSpec): Promise<FoundMachine>
  /** Cuts the power; returns when the domain is gone. */
  machineDestroy(id: string): Promise<void>
  /** Asks the guest (agent, else ACPI) and returns at once. */
  machineShutdown(id: string): Promise<void>
  machinePause(id: string): Promise<void>
  machineResume(id: string): Promise<void>
  machineReboot(id: string): Promise<void>
  machineReset(id: string): Promise<void>
  /**
   * The disk of a guest that will come running: on shared storage it is there, or `not_found`; else an empty one is made
   * for this move, once, and what stands there from an earlier time is destroyed.
   */
  arrivalPrepare(
    machine: Pick<MachineSpec, 'id' | 'name' | 'incarnation' | 'imageId' | 'hardware' | 'nic'>,
    arrival: Arrival,
  ): Promise<void>
  /**
   * Sends the running guest; returns when it runs there and is gone here. While a sending that was begun before (by an
   * agent that was killed since) goes on, it is joined. Aborted or failed, the guest goes on here.
   * @throws HdcsError `cancelled`; `timeout` when it changes its memory faster than it can be sent; others with libvirt's words.
   */
  machineSend(id: string, departure: Departure, progress: Progress, signal: AbortSignal): Promise<void>
  /** Gives the disk of a machine that stands still to the target of its move; returns when all of it was taken. */
  overlaySend(overlay: FoundOverlay, moveId: string, progress: Progress, signal: AbortSignal): Promise<void>
  /** Takes it, as often as it is asked, and once it is whole never again for this move. */
  overlayFetch(
    machine: Pick<MachineSpec, 'id' | 'incarnation' | 'imageId'>,
    moveId: string,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<void>

  /** PNG. */
  machineScreenshot(id: string): Promise<Uint8Array>
  /** True when the guest agent answers a ping within the deadline. */
  agentPing(id: string, timeoutMs: number): Promise<boolean>
  /** Sets the SPICE password; connected clients stay. One that is over already lets nobody in. Answers where SPICE listens. */
  graphicsAdmit(id: string, password: string, validUntil: Date): Promise<FoundMachine['graphics']>

  /**
   * This machine is no host any more: the power of every guest is cut, and their network goes; disks stay.
   * @returns the guests' names.
   */
  leave(): Promise<string[]>

  /**
   * Removes what killed work left half made (`*.part`), and what came of images that are not wished. Called once a whole
   * wish was heard, and when an image that is not here is not wished any more.
   */
  sweep(wishedImages: ReadonlySet<string>): Promise<void>

  /** Everything from the call on; one consumer. Ends when the host is disposed. */
  events(): AsyncIterable<HostEvent>
}

/** A sealed image as another host serves it, from a byte on; to be disposed, whatever came of it. */
export interface CopyBytes extends Disposable {
  /** Of the whole file. */
  sizeBytes: number
  sha256: string
  /** A piece is overwritten once the next is asked for. What breaks throws, after all that came before was given. */
  bytes: AsyncIterable<Buffer>
}

/** What a host implementation is made with. */
export interface HostOptions {
  installationId: string
  /** Holds `images/`, `overlays/`, `cache/`: on shared storage the same path on every host of a cluster. */
  folder: string
  /** Opens an uploaded image as a stream of bytes; the agent supplies it (it has the address and the key). */
  fetchImage(id: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>>
  /**
   * Opens an image of another host; the agent supplies it where it has a certificate.
   * @throws HdcsError `unreachable`, `invalid` (what is there is shorter), `cancelled`.
   */
  fetchCopy?(url: string, fromByte: number, signal: AbortSignal): Promise<CopyBytes>
}
