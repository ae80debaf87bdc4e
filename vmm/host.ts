/**
 * The contract between the agent's loop and whatever runs machines: libvirt (libvirt-host.ts) or nothing at all
 * (sim-host.ts). One suite of cases runs against both (test/contract/host). Every call is idempotent: asked for what
 * already is, it succeeds; so a killed agent simply asks again.
 *
 * Errors are HdcsError: `storage_full`, `not_found` (image or machine), `start_failed` (QEMU's own words in the text),
 * `disk_in_use` (another host runs a copy on it),
 * `timeout`, `unreachable` (libvirt away: the host renews its connection and says `reread`), `invalid`.
 */
import type { UsbPlace } from './dongles.ts'
import type { StorageHost } from './host-storage.ts'
import type {
  ForeignMachine,
  HostFacts,
  HostUsage,
  HostXml,
  MachineXml,
  RunningHardware,
  SavedMemory,
  UsbDevice,
} from './report.ts'
import type { CloneSpec, DongleSpec, ImageSpec, MachineSpec, NetworkSpec, NicSpec } from './spec.ts'

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
  /** What is in its CD-ROM drive; null or absent: it was started without one. */
  cdrom?: { imageId: string | null } | null | undefined
  /** Absent: not known. */
  hardware?: RunningHardware | undefined
  /** On its way in from another host: its memory still comes, and nothing may be done to it. */
  arriving: boolean
  /** USB devices of the host that it was given, also those that were unplugged since. Absent: none. */
  dongles?: readonly AttachedDongle[]
  /** Volumes that it has; absent: none. */
  volumes?: string[]
}

export interface AttachedDongle extends UsbPlace {
  id: string
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
  /** Saved beside it, and good for a start from it. */
  memory?: SavedMemory | undefined
  /** A medium with its answer file lies beside it. */
  answers?: boolean | undefined
}

/** Of ours, in a machine's disk. */
export interface FoundSnapshot {
  id: string
  /** RFC 3339. */
  takenAt: string
  /** Virtual size of the disk then. */
  diskBytes: number
}

export interface FoundImage {
  id: string
  virtualBytes: number
  storedBytes: number
  sha256: string
}

export type HostEvent =
  | { type: 'started' | 'resumed'; machineId: string }
  /** `full`: by QEMU itself, because a write found no room. */
  | { type: 'paused'; machineId: string; full?: boolean }
  | { type: 'stopped'; machineId: string; because: 'wished' | 'guest' | 'crashed' }
  /** The guest agent's port was opened or closed by the guest. */
  | { type: 'agent'; machineId: string; connected: boolean }
  /** A SPICE main channel came or went: the number now connected. */
  | { type: 'clients'; machineId: string; clients: number }
  /** Events may have been missed (connection renewed): list everything anew. */
  | { type: 'reread' }

export type GrownHardware = Pick<RunningHardware, 'vcpus' | 'memoryBytes'>

/** What a guest was given and does not use. */
export interface IdleHardware {
  vcpus: number
  memoryBytes: number
}

/** A script for a guest, of a kind of system its shell tells. */
export interface GuestScript {
  /** `[a-z0-9-]`: what the guest keeps its outcome under, on its own disk. */
  id: string
  shell: 'sh' | 'powershell'
  text: string
  /** For its standard input; in no process' arguments and no file. */
  input: string
  environment: Record<string, string>
  /** Of its environment too, and in no file of the guest. */
  secrets?: Record<string, string> | undefined
  /** Then it is ended by force. */
  timeoutSeconds: number
}

export interface GuestScriptState {
  /** `late`: ended by force. `interrupted`: its guest went down meanwhile. */
  state: 'running' | 'ended' | 'late' | 'interrupted'
  /** Of one that ended by itself; else null. */
  exitCode: number | null
  /** Since it began, or until it ended. */
  ms: number
  /** The last 32 KiB of what it wrote, both streams as they came. */
  output: string
}

/** A machine's serial port; disposing gives it back. */
export interface HostConsole extends AsyncDisposable {
  /** What its guest writes from now on. Ends when the machine does; ends or throws when another took it. */
  output: AsyncIterable<Uint8Array>
  /** Returns when the guest can take more. */
  write(bytes: Uint8Array): Promise<void>
}

/** Progress of long work: 0 to 100 and the step at hand. */
export type Progress = (percent: number, text: string) => void

export interface Host extends StorageHost, AsyncDisposable {
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
  /**
   * A disk as another one of this storage is, whose machine stands still; leaves nothing behind when it fails or is aborted.
   * @throws HdcsError `not_found`, `disk_in_use`, `storage_full`, `cancelled`.
   */
  overlayClone(
    machine: Pick<MachineSpec, 'id' | 'name' | 'incarnation' | 'imageId'>,
    source: CloneSpec,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<void>
  overlayRemove(overlay: FoundOverlay): Promise<void>
  /**
   * Makes a disk at least so large; a guest that runs on it sees that at once. Its file system is its own affair.
   * @throws HdcsError `not_found`.
   */
  overlayGrow(overlay: FoundOverlay, sizeBytes: number): Promise<void>

  /** Returns when QEMU runs, not when the guest is ready. The medium with its answer file is made for each start that has one. */
  machineStart(spec: MachineSpec): Promise<FoundMachine>
  /** Cuts the power; returns when the domain is gone. */
  machineDestroy(id: string): Promise<void>
  /** Asks the guest (agent, else ACPI) and returns at once. */
  machineShutdown(id: string): Promise<void>
  machinePause(id: string): Promise<void>
  /** @throws HdcsError `storage_full` for one that QEMU paused because a write found no room, until there is some. */
  machineResume(id: string): Promise<void>
  machineReboot(id: string): Promise<void>
  machineReset(id: string): Promise<void>
  /** Takes the medium with its answer file out of the machine, if it runs, and removes it. */
  answersRemove(overlay: FoundOverlay): Promise<void>
  /** Puts an image into its CD-ROM drive, or takes out what is there. @throws HdcsError `unsupported` where it has no drive. */
  machineDisc(id: string, imageId: string | null): Promise<void>
  /**
   * Gives a guest that runs more vCPUs and memory, as far as it has not so many; it never has less afterwards.
   * @throws HdcsError `unsupported`: it was started without room for that; `not_found`: it does not run.
   */
  machineGrow(id: string, to: GrownHardware): Promise<RunningHardware>
  /**
   * Has a guest's agent bring online what its system was given and leaves aside.
   * @returns what is left idle then; what the agent cannot tell counts as used.
   * @throws HdcsError `not_found` (it does not run), `timeout` (its agent does not answer).
   */
  guestUseAll(id: string): Promise<IdleHardware>
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

  /**
   * Writes a running guest's memory beside its disk and ends it; returns when it stands. One that was begun before (by an
   * agent that was killed since) is joined. Aborted or failed, the guest runs on and nothing is left of the file.
   * @throws HdcsError `storage_full`, `cancelled`, `conflict` (it ended by itself meanwhile).
   */
  machineSave(id: string, overlay: FoundOverlay, progress: Progress, signal: AbortSignal): Promise<SavedMemory>
  /** Starts it from there. @throws HdcsError as `machineStart`; `not_found` without a memory that fits its disk. */
  machineRestore(spec: MachineSpec): Promise<FoundMachine>
  memoryForget(overlay: FoundOverlay): Promise<void>
  /** Those of ours in its disk. A guest that a killed agent left frozen is thawed. @throws HdcsError `not_found`: no disk. */
  snapshots(overlay: FoundOverlay): Promise<FoundSnapshot[]>
  /** Of the disk as it is now; a guest that runs is frozen for it if it can. @returns null also when it was there already. */
  snapshotTake(overlay: FoundOverlay, id: string): Promise<{ frozen: boolean | null }>
  snapshotRemove(overlay: FoundOverlay, id: string): Promise<void>
  /** The disk as it was then; what came after is lost, snapshots stay. @throws HdcsError `conflict` while it runs, `not_found`. */
  snapshotRevert(overlay: FoundOverlay, id: string): Promise<void>
  /** As it is in this moment. @param spec what it would start with. @throws HdcsError `not_found`: it does not run, and no wish. */
  machineXml(id: string, spec: MachineSpec | null): Promise<MachineXml>
  hostXml(): Promise<HostXml>
  /**
   * Its serial port; whoever had it before loses it.
   * @throws HdcsError `not_found` while it does not run.
   */
  consoleOpen(id: string): Promise<HostConsole>
  /** PNG. */
  machineScreenshot(id: string): Promise<Uint8Array>
  /** True when the guest agent answers a ping within the deadline. */
  agentPing(id: string, timeoutMs: number): Promise<boolean>
  /**
   * Starts a script in a guest whose agent answers, unless one was started under this id on this disk before, and answers how
   * that stands; a short one is waited for. So whoever asks again, also after an agent was killed, starts nothing twice.
   * @throws HdcsError `not_found` (it does not run), `timeout` (its agent does not answer), `unsupported` (its agent runs no
   *   programs, or its system has no such shell).
   */
  guestScript(id: string, script: GuestScript): Promise<GuestScriptState>
  /**
   * IPv4 addresses that the guest says it has.
   * @throws HdcsError `not_found` (it does not run), `timeout` (its agent does not answer), `unsupported`.
   */
  guestAddresses(id: string): Promise<string[]>
  /** Sets the SPICE password; connected clients stay. One that is over already lets nobody in. Answers where SPICE listens. */
  graphicsAdmit(id: string, password: string, validUntil: Date): Promise<FoundMachine['graphics']>

  /** USB devices of the host, no hubs; null: it cannot list them. */
  usbDevices(): Promise<UsbDevice[] | null>
  /** @throws HdcsError `conflict`: somebody else has it; `invalid`: another refusal, in libvirt's words; `not_found`: no such machine runs. */
  dongleAttach(id: string, dongle: DongleSpec, at: UsbPlace): Promise<void>
  /** Also one that was unplugged from the host since. */
  dongleDetach(id: string, dongleId: string, at: UsbPlace): Promise<void>

  /**
   * This machine is no host any more: the power of every guest is cut, and their network goes; disks stay.
   * @returns the guests' names.
   */
  leave(): Promise<string[]>

  /** Machines of this host that bear no mark of ours, by name; nothing of them is changed by looking. */
  foreignMachines(): Promise<ForeignMachine[]>
  /**
   * A machine of the host becomes one of ours: its disk is copied to this overlay, on the image, and it is taken out of
   * libvirt once the copy is whole. Its disk's file stays where it was, and its definition in `adopted/`. Where the
   * overlay is there, that was done before.
   * @throws HdcsError `not_found`, `conflict` (an obstacle), `disk_in_use`, `storage_full`, `cancelled`, `invalid` (its disk).
   */
  foreignAdopt(
    machine: Pick<MachineSpec, 'id' | 'name' | 'incarnation' | 'imageId'>,
    foreignId: string,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<void>

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
  bytes: AsyncIterable<Uint8Array>
}

/** A file on its way out: readable as often as it has to be sent. */
export interface OutFile {
  sizeBytes: number
  /** Lower-case hex of all of it. */
  sha256: string
  open(): ReadableStream<Uint8Array>
}

/** What a host implementation is made with. */
export interface HostOptions {
  installationId: string
  /** Holds `images/`, `overlays/`, `cache/`: on shared storage the same path on every host of a cluster. */
  folder: string
  /** Opens an uploaded image from a byte on, as a stream; the agent supplies it (it has the address and the key). */
  fetchImage(id: string, fromByte: number, signal: AbortSignal): Promise<ReadableStream<Uint8Array>>
  /**
   * Gives the control plane a file that was wished of this host (`export` of spec.ts); the agent supplies it. Resolves
   * when all of it is there.
   * @throws HdcsError `not_found` when it is not wished any more; `storage_full` there; `unreachable`, `cancelled`.
   */
  sendExport?(id: string, file: OutFile, signal: AbortSignal): Promise<void>
  /**
   * Opens an image of another host; the agent supplies it where it has a certificate.
   * @throws HdcsError `unreachable`, `invalid` (what is there is shorter), `cancelled`.
   */
  fetchCopy?(url: string, fromByte: number, signal: AbortSignal): Promise<CopyBytes>
}
