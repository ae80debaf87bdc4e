/**
 * What is wished of a host. The control plane writes it, the agent reads it, and nothing else says what a host
 * should do: the agent compares it with what libvirt says (report.ts) and takes the next step (plan.ts).
 */
import type { DiskBus, Firmware } from '../lib/hardware.ts'
import type { MachineVolume, StorageSpec } from './storage-spec.ts'

export type { MachineVolume, StoragePoolSpec, StorageSpec, VolumeSpec } from './storage-spec.ts'

export interface Hardware {
  vcpus: number
  memoryBytes: number
  /** `vga` starts quickest (text guests), `virtio` follows the window's size. */
  video: 'vga' | 'virtio' | 'qxl'
  /** Virtual size of the disk; null keeps the template's. Smaller than the template's is refused. */
  diskBytes: number | null
  sound: boolean
  /** Absent: an older control plane, and `hardwareDefaults` (lib/hardware.ts). */
  firmware?: Firmware | undefined
  diskBus?: DiskBus | undefined
}

/** What grows under a guest that runs, besides its disk. */
export type LiveHardware = 'vcpus' | 'memoryBytes'

/** Where a sealed image comes from when the host's storage does not have it yet. */
export type ImageSource =
  /** Built on the host from Debian packages by `images/build-<recipe>.sh`. */
  | { kind: 'recipe'; recipe: 'tiny' | 'desktop' }
  /** Nothing: for disks that stand on no template (blank-image.ts). */
  | { kind: 'blank' }
  /** Fetched from the control plane (`GET /api/v1/agents/images/{id}`), checked, converted and sealed. */
  | {
      kind: 'upload'
      sha256: string
      sizeBytes: number
      format: 'qcow2' | 'raw' | 'vmdk' | 'vdi' | 'vpc' | 'vhdx' | 'iso' | 'ova' | 'hdcs'
      /** Of the line; null: as fast as it goes. */
      bytesPerSecond: number | null
    }
  /** Of the disk of a machine that stands still, on the storage where it lies. */
  | {
      kind: 'desktop'
      machineId: string
      incarnation: number
      /** What its disk stands on. */
      imageId: string
      /** Without what makes it this machine (seal.ts). */
      seal: boolean
      /** Of the image that was made of it; null while none was. */
      sha256: string | null
    }
  /** Of another host whose storage has it, byte for byte (image-copy.ts). */
  | {
      kind: 'copy'
      /** Of the sealed file itself, and its length. */
      sha256: string
      sizeBytes: number
      /** Where hosts that have it serve it, e.g. `https://10.0.0.2:16516/images/<id>`; tried in this order. */
      urls: string[]
      /** Of the line; null: as fast as it goes. */
      bytesPerSecond: number | null
    }
  /** No image but a file for people, made of one that is here and sent to the control plane (image-export.ts). */
  | {
      kind: 'export'
      imageId: string
      format: 'hdcs' | 'ova' | 'qcow2' | 'raw' | 'vmdk'
      /** What the file says of itself. */
      about: ExportAbout
    }

export interface ExportAbout {
  /** Of the template and of its version. */
  name: string
  description: string
  hardware: Hardware
  readyWhen: 'agent' | 'running'
  number: number
  notes: string
  /** RFC 3339. */
  madeAt: string
}

/** One template version, sealed and read-only on the host's storage. */
export interface ImageSpec {
  id: string
  name: string
  source: ImageSource
  /** A virtual size above this is refused: a file of one MiB may claim 63 TiB. */
  maxVirtualBytes: number
  /** An administrator's "try again": a failed image is made anew when this number grows. */
  attempt: number
}

export interface MachineSpec {
  /** Also the libvirt domain's UUID. */
  id: string
  /** Also the libvirt domain's name and the guest's host name: `[a-z0-9-]`, 63 at most. */
  name: string
  /** Grows with every change of this spec; a report names the generation it answers. */
  generation: number
  /** A machine whose spec is gone is destroyed with its disk; one that is wished stopped keeps its disk. */
  power: 'running' | 'paused' | 'stopped'
  /** Wished stopped: its memory is saved first, and it goes on from there when it starts. Absent: it is not kept. */
  keepMemory?: boolean
  /** Which of our snapshots its disk shall have, and to which it shall be reverted. Absent: there are none, and none is looked for. */
  snapshots?: SnapshotsSpec
  /** How long a guest that shall stop is asked politely before its power is cut. 0 cuts at once. */
  stopGraceMs: number
  /** The disk's life. Another number: the machine is stopped, its overlay destroyed, and a new one made. */
  incarnation: number
  /**
   * True once this incarnation's disk was reported: should it be missing later (a storage that is not mounted), the
   * agent reports trouble instead of giving its owner an empty one.
   */
  diskMade?: boolean
  imageId: string
  /** Its disk is that of this machine of the host, which is not ours yet (`foreignAdopt`). */
  adopt?: { foreignId: string } | undefined
  hardware: Hardware
  /** What of it a guest that runs shall have at once, where it grows (growing.ts); absent: all with its next start. */
  growNow?: LiveHardware[]
  /** Disks besides its own; absent: none. */
  volumes?: MachineVolume[]
  /** Null: no network. */
  nic: NicSpec | null
  /** The image in its CD-ROM drive; null or absent: none. A guest has a drive since a start with a disc in it. */
  cdrom?: string | null
  /** It starts from that disc before its disk; absent: only where its disk does not start. */
  bootDisc?: boolean
  /** Its disk is made as a copy of that one's; null or absent: of its image. */
  clone?: CloneSpec | null
  /** Where SPICE listens on this host; null: libvirt chooses. */
  screenPort: number | null
  /** On its way to or from this host; null: it is at home here. */
  move: MoveSpec | null
  /** The SPICE password in force; null lets nobody in. `serial` grows with every new password. */
  graphics: { serial: number; password: string; validUntil: string } | null
  /** Who waits: a person's start overtakes prewarming in the host's queue. */
  priority: 'person' | 'prewarm'
  /** Whose turn: starts of different groups (pools) take turns in the host's queue. Absent: all are of one. */
  group?: string
  /** What counts as ready: the guest agent answered, or the domain runs (images without an agent). */
  readyWhen: 'agent' | 'running'
  bootTimeoutMs: number
  /** What is still to be run in its guest before anybody gets it; absent or null: nothing. */
  setup?: SetupSpec | null
  /** The answer file of Windows Setup, on a medium of its own until its guest is ready; absent or null: none. It holds passwords. */
  answers?: { text: string } | null
  /** USB devices of the host that are this machine's alone. Absent: none. */
  dongles?: DongleSpec[]
}

/** Customisation of a guest (docs/decisions/0008): scripts, one after the other, each once. */
export interface SetupSpec {
  /** Another key begins anew; what was run under the id of a step is not run again. */
  key: string
  steps: SetupStep[]
}

export interface SetupStep {
  /** `[a-z0-9-]`; with the number of the try, what the guest keeps its outcome under. */
  id: string
  name: 'answers' | 'hostName' | 'domain' | 'before' | 'after'
  shell: 'sh' | 'powershell'
  text: string
  /** For its standard input: a password, or nothing. Never kept, shown or written down. */
  input: string
  environment: Record<string, string>
  /** Variables that no file of the guest shall hold, and that are cut out of what it wrote. Absent: none. */
  secrets?: Record<string, string>
  timeoutSeconds: number
  /** After the first try. */
  retries: number
}

/** A USB device by what does not change when it is unplugged and plugged in again. */
export interface DongleSpec {
  /** Of the binding. */
  id: string
  /** Four hexadecimal digits each. */
  vendor: string
  product: string
  /** Null: it has none of its own, and is the one in `port`. */
  serial: string | null
  /** As sysfs calls it: `1-4.2`. */
  port: string | null
}

/** The disk of another machine on the same storage, which stands still until it was copied. */
export interface CloneSpec {
  machineId: string
  incarnation: number
  /** With what is under it: the copy stands on no image. */
  full: boolean
}

export interface SnapshotsSpec {
  /** `made`: it was reported; should it be missing later, none of another moment takes its place. */
  wished: { id: string; made: boolean }[]
  /** Done once for each id, while it stands still. */
  revert: { id: string; snapshotId: string } | null
}

/** A network card, its address allocated by the control plane before boot, and what it may reach. */
export interface NicSpec {
  mac: string
  address: string
  /** `nat`, `routed`, `isolated`: on the desktops' own bridge. `bridge`: on `interface` of the host, addressed by others. */
  mode: 'nat' | 'routed' | 'bridge' | 'isolated'
  /** A bridge, or a VLAN's interface, of the host; only for `bridge`. */
  interface: string | null
  /** Desktops of one group on one host see each other (the pool's id); null: nobody. */
  neighbourGroup: string | null
  /** Only these may be reached; null: whatever the mode allows. */
  allow: AllowRule[] | null
}

export interface AllowRule {
  cidr: string
  protocol?: 'tcp' | 'udp' | 'icmp'
  /** `443` or `8000-8100`, comma separated. */
  ports?: string
}

/**
 * A move as one of its two hosts is told (docs/decisions/0006). `leave`: send the guest once `send` is true. `arrive`:
 * do not start the machine and touch no domain of it; get ready for it (network, image, for `storage` an overlay).
 */
export type MoveSpec =
  | {
      id: string
      role: 'leave'
      kind: 'live' | 'storage' | 'offline'
      /** The target is ready: go. */
      send: boolean
      /** Stop trying; the guest stays here. */
      cancel: boolean
      /** libvirt's URI of the target, e.g. `qemu+tls://10.0.0.2/system`; null for `offline`. */
      targetUri: string | null
      /** Where SPICE shall listen there. */
      targetAddress: string
      targetPort: number | null
      /** Of the target's storage: the same as ours means that the disk need not be sent. */
      targetStorageId: string
    }
  | {
      id: string
      role: 'arrive'
      kind: 'live' | 'storage' | 'offline'
      sourceStorageId: string
      /** The image its disk stands on there: another content here would be a broken disk. Null: not known. */
      imageSha256: string | null
    }

export interface NetworkSpec {
  /** CIDR of the cluster, e.g. `10.128.0.0/14`: its first address is every host's gateway, its mask every guest's. */
  supernet: string
  /** CIDR, e.g. `10.128.4.0/22`: this host's own addresses within it. */
  subnet: string
  /** Addresses of the installation's hosts: closed to desktops, unless a pool's list names one of them by itself. */
  closed?: string[]
}

/** A thing to be done once, with an answer: what cannot be said as a wished state. */
export interface Operation {
  id: string
  /** Null: about the host itself. */
  machineId: string | null
  /** `xml`, `hostXml`: what libvirt says of the machine or the host now (host.ts). */
  name: 'reboot' | 'reset' | 'screenshot' | 'xml' | 'addresses' | 'hostXml' | 'console' | 'script'
  /** Where `console` is brought to: by this ticket, to this gateway; null: where the control plane is. */
  console?: { ticket: string; gatewayUrl: string | null } | undefined
  /** What `script` runs, once under this operation's id, in a guest that is up. */
  script?: Omit<SetupStep, 'id' | 'name' | 'retries'> | undefined
}

export interface HostSpec {
  /** Marks what belongs to this control plane's database: an agent never touches machines and files of another. */
  installationId: string
  hostId: string
  network: NetworkSpec
  images: ImageSpec[]
  machines: MachineSpec[]
  /** Machines whose disks shall be destroyed. What is named neither here nor above keeps its disk and is told as a stray. */
  remove: string[]
  /** Absent from control planes that know of none: then what is here is left alone. */
  storage?: StorageSpec
}
