/** What a host says of itself. Facts only: nothing here is a wish, and the control plane believes nothing else. */
import type { ErrorCode } from '../lib/errors.ts'
import type { DiskBus, Firmware } from '../lib/hardware.ts'

export type { StoragePoolReport, StorageReport, VolumeReport } from './storage-spec.ts'

export interface Trouble {
  code: ErrorCode
  /** For an administrator: what happened, in libvirt's words where they help, and what to do next. */
  text: string
}

/** Disks of a machine that the wish does not name. */
export interface StrayReport {
  id: string
  /** The lives they are of. */
  incarnations: number[]
}

export interface MachineReport {
  id: string
  /** The spec's generation that was in force when this was observed. */
  generation: number
  /** The overlay that exists; null before it was made and after it was destroyed. */
  incarnation: number | null
  power: 'running' | 'paused' | 'stopped'
  /** Why it stands still: `guest` shut itself down; `crashed` includes a killed QEMU. Null while it runs or never ran. */
  stopped: 'wished' | 'guest' | 'crashed' | null
  /** The guest answered since this boot (or runs, as `readyWhen` says). */
  ready: boolean
  /** What the agent is at, for the person who waits. Null when the spec is met. */
  step: 'queued' | 'making disk' | 'starting' | 'booting' | 'stopping' | 'removing' | null
  /** How far a long step is, 0 to 100, and what it is at; null or absent: it is a short one. */
  work?: { progress: number; text: string } | null | undefined
  /** What its guest runs with, and what of that it does not take, if anything; absent: it does not run, or its agent is older. */
  hardware?: (RunningHardware & { text: string }) | undefined
  /** What is in its CD-ROM drive; null or absent: it does not run, or has none. */
  cdrom?: { imageId: string | null } | null | undefined
  /** 1 is next; null when not queued. */
  queuePlace: number | null
  /** Where SPICE listens, as the gateway reaches it, and the serial of the password in force (0: nobody gets in). */
  graphics: { host: string; port: number; serial: number } | null
  /** SPICE main channels connected right now. */
  clients: number
  /** Answers `move` of the spec; null without one. */
  move: MoveReport | null
  /** Absent: nothing is saved, nor shall be. */
  saved?: SavedReport | undefined
  snapshots?: SnapshotsReport | undefined
  trouble: Trouble | null
  /** Answers `setup` of the spec; absent or null without one. */
  setup?: SetupReport | null | undefined
  /** Answers `dongles` of the spec; absent without any. */
  dongles?: DongleReport[] | undefined
}

/** What a guest was started with and given since, and how far that grows while it runs. */
export interface RunningHardware {
  vcpus: number
  memoryBytes: number
  maxVcpus: number
  maxMemoryBytes: number
}

export interface SetupReport {
  key: string
  state: 'running' | 'done' | 'failed'
  /** In the order in which they began. */
  runs: SetupRun[]
}

/** One try of one step. */
export interface SetupRun extends ScriptRun {
  /** Of the step. */
  id: string
  name: 'answers' | 'hostName' | 'domain' | 'before' | 'after'
  /** 1 is the first. */
  attempt: number
}

/** A script that began in a guest. The answer to an operation `script` is one that is over. */
export interface ScriptRun {
  state: 'running' | 'done' | 'failed'
  /** Null while it runs, and when it did not end by itself. */
  exitCode: number | null
  /** Why it did not end by itself; empty when it did. */
  text: string
  /** RFC 3339, by the host's clock. */
  startedAt: string
  ms: number
  /** The end of what it wrote, both streams as they came; null: as was said before. */
  output: string | null
}

export interface DongleReport {
  id: string
  /**
   * `waiting`: it is there, and its machine does not run or gets it in a moment; `missing`: it is not plugged in; `inUse`:
   * somebody else on the host has it; `refused`: what libvirt says is in `text`.
   */
  state: 'attached' | 'waiting' | 'missing' | 'inUse' | 'refused'
  text: string
}

/** A USB device of the host that is no hub. */
export interface UsbDevice {
  /** Four hexadecimal digits each. */
  vendor: string
  product: string
  vendorName: string
  productName: string
  serial: string | null
  /** As sysfs calls it: `1-4.2`. The same as long as the same socket is used. */
  port: string
  bus: number
  /** Another one each time it is plugged in. */
  device: number
}

/** A guest's memory, kept while it stands still. */
export interface SavedMemory {
  bytes: number
  /** RFC 3339. */
  savedAt: string
}

/** Answers `snapshots` of the spec, once somebody looked. */
export interface SnapshotsReport {
  /** `frozen`: whether its file systems stood still for it; null: it stood, or that is not known any more. */
  found: { id: string; takenAt: string; diskBytes: number; frozen: boolean | null }[]
  /** What could not be done under this wish, by the snapshot's or the revert's id. */
  failed: { id: string; trouble: Trouble }[]
  reverted: string | null
}

/** Answers `keepMemory` of the spec. `failed`: it could not be saved, and the guest runs on. */
export type SavedReport =
  | { state: 'saving'; progress: number }
  | ({ state: 'saved' } & SavedMemory)
  | { state: 'failed'; trouble: Trouble }

export interface MoveReport {
  id: string
  /**
   * Target: preparing → ready → moving → arrived. Source: preparing → moving → left. `failed` ends the move: the guest is
   * (still, or stopped) at its source, unless the target says `arrived`.
   * `arrived`: the guest runs here (`live`, `storage`), or its whole disk is here (`offline`; on shared storage it always
   * was, so an offline move is over when the source says `left` and the target `arrived`).
   */
  state: 'preparing' | 'ready' | 'moving' | 'arrived' | 'left' | 'failed'
  /** 0 to 100, of the memory and disk to be sent. */
  progress: number
  /** The step at hand, e.g. `slowing the guest down`. */
  text: string
  trouble: Trouble | null
}

export interface ImageReport {
  id: string
  attempt: number
  state: 'waiting' | 'making' | 'ready' | 'failed'
  /** 0 to 100. */
  progress: number
  /** The step at hand, or the last line of the builder. */
  text: string
  virtualBytes: number | null
  storedBytes: number | null
  sha256: string | null
  trouble: Trouble | null
}

export interface HostFacts {
  hostName: string
  kernel: string
  libvirtVersion: string
  qemuVersion: string
  cpuModel: string
  cpus: number
  memoryBytes: number
  /** `tcg` is emulation: an order slower. `acceleratorReason` then says why KVM is not used. */
  accelerator: 'kvm' | 'tcg'
  acceleratorReason: string | null
  simulated: boolean
  /** Nominal, for the capacity formula (capacity.ts). */
  cpuMhz: number
  sockets: number
  coresPerSocket: number
  threadsPerCore: number
  /** Most vCPUs one machine may have. */
  maxVcpus: number
  /** Where this host is reached by gateways and by other hosts. */
  address: string
  /** Of the card that has this address, for Wake-on-LAN; absent or null: not known. */
  mac?: string | null | undefined
  /** Identity of the storage its disks lie on: hosts with the same one share it. */
  storageId: string
  /** Which file system of this host that is on; absent or null: not known. */
  fileSystem?: string | null | undefined
  /** libvirt's lock manager guards the disks: a second start of one disk is refused, also from another host. */
  diskLocks: boolean
  /** How other hosts of the cluster send it guests; null: live migration is not set up here. */
  migrationUri: string | null
  /** Where it serves its sealed images to other hosts, as `https://10.0.0.2:16516`; absent or null: it does not. */
  transferUrl?: string | null | undefined
  /** Bridges and VLAN interfaces that desktops may be put on. */
  bridges: string[]
  /** It has UEFI firmware for guests. Absent: an older agent, which knows of no firmware and bus but the usual ones. */
  uefi?: boolean | undefined
  /** Absent: it cannot list them, or is older. */
  usbDevices?: UsbDevice[] | undefined
  /** What its agent knows to do of what older ones do not; absent: nothing of it. */
  can?: string[] | undefined
}

/** What `can` names. */
export type HostAbility = 'save' | 'snapshots' | 'script'

export interface HostUsage {
  /** 0 to 1 over the last period. */
  cpu: number
  memoryUsedBytes: number
  storageTotalBytes: number
  storageFreeBytes: number
}

/** A domain of the host's libvirt that bears no mark of ours: told, and left alone. */
export interface ForeignMachine {
  /** libvirt's UUID. */
  id: string
  name: string
  power: 'running' | 'paused' | 'stopped'
  vcpus: number
  memoryBytes: number
  /** Of its graphics card, in libvirt's word. */
  video: string
  /** Absent: an older agent, which offers none that start by UEFI. */
  firmware?: Firmware | undefined
  /** What its disk is on once it is a desktop; absent: virtio. */
  diskBus?: DiskBus | undefined
  disks: ForeignDisk[]
  nics: { mac: string; network: string | null }[]
  /** Why it cannot become a desktop as it is, each with what to do; empty: it can. */
  obstacles: string[]
}

export interface ForeignDisk {
  path: string | null
  format: string
  bus: string
  /** As its guest sees it, and on the storage; null: not known. */
  sizeBytes: number | null
  usedBytes: number | null
  /** The file it stands on. */
  backing: string | null
}

export interface HostReport {
  facts: HostFacts
  /** Desktops of the reference profile it can run at once. */
  capacity: number
  usage: HostUsage
  /** Absent: not looked since the last report, or an older agent. */
  foreign?: ForeignMachine[] | undefined
  /** libvirt, network, storage: what an administrator should know. Empty is well. */
  troubles: Trouble[]
}

/** A machine's domain in libvirt's words, without passwords. */
export interface MachineXml {
  xml: string
  /** It runs; else this is what it would be started with. */
  live: boolean
}

/** A host in libvirt's words: its capabilities (XML), and what it says of the node. */
export interface HostXml {
  capabilities: string
  node: {
    model: string
    memoryKib: number
    cpus: number
    mhz: number
    nodes: number
    sockets: number
    cores: number
    threads: number
  }
}
