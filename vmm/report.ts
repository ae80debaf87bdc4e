/** What a host says of itself. Facts only: nothing here is a wish, and the control plane believes nothing else. */
import type { ErrorCode } from '../lib/errors.ts'

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
  /** 1 is next; null when not queued. */
  queuePlace: number | null
  /** Where SPICE listens, as the gateway reaches it, and the serial of the password in force (0: nobody gets in). */
  graphics: { host: string; port: number; serial: number } | null
  /** SPICE main channels connected right now. */
  clients: number
  /** Answers `move` of the spec; null without one. */
  move: MoveReport | null
  trouble: Trouble | null
}

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
  /** libvirt's lock manager guards the disks: a second start of one disk is refused, also from another host. */
  diskLocks: boolean
  /** How other hosts of the cluster send it guests; null: live migration is not set up here. */
  migrationUri: string | null
  /** Where it serves its sealed images to other hosts, as `https://10.0.0.2:16516`; absent or null: it does not. */
  transferUrl?: string | null | undefined
  /** Bridges and VLAN interfaces that desktops may be put on. */
  bridges: string[]
}

export interface HostUsage {
  /** 0 to 1 over the last period. */
  cpu: number
  memoryUsedBytes: number
  storageTotalBytes: number
  storageFreeBytes: number
}

export interface HostReport {
  facts: HostFacts
  /** Desktops of the reference profile it can run at once. */
  capacity: number
  usage: HostUsage
  /** libvirt, network, storage: what an administrator should know. Empty is well. */
  troubles: Trouble[]
}
