/** What the agent knows of a machine when it chooses the next step, and what it may choose (plan.ts, moves.ts). Pure. */
import type { DongleStep } from './dongles.ts'
import type { FoundMachine, GrownHardware } from './host.ts'
import type { MachineMemory } from './memory.ts'
import type { VolumesKnown } from './plan-volumes.ts'
import type { MoveReport, SavedMemory, Trouble, UsbDevice } from './report.ts'
import type { SnapshotStep, SnapshotsKnown } from './snapshots.ts'
import type { MachineSpec } from './spec.ts'

export interface KnownMemory extends SavedMemory {
  incarnation: number
}

/** Under the wish of that generation; with a trouble it was given up, and the guest runs on. */
export interface Saving {
  generation: number
  progress: number
  trouble: Trouble | null
}

export interface MachineFacts {
  /** Null: not wished. */
  spec: MachineSpec | null
  found: FoundMachine | null
  /** Incarnations whose overlay exists. */
  overlays: readonly number[]
  memory: MachineMemory
  /** Its image: on the host, still coming, or why it does not come. */
  image: 'ready' | 'coming' | Trouble
  /** The image's content; null until it is ready. */
  imageSha256: string | null
  volumes: VolumesKnown
  /** The same of the disc that is wished in its drive; absent where none is. */
  disc?: MachineFacts['image']
  networkReady: boolean
  /** Why the network cannot be made; null while it is there or only not yet. */
  networkTrouble: Trouble | null
  /** A whole wish was heard in this process: only then does "not wished" mean anything. */
  wishHeard: boolean
  /** Its disks shall be destroyed too. */
  condemned: boolean
  /** How far its move came in this process. */
  move: MoveReport | null
  /** The memory that waits beside the disk of this life. */
  saved: KnownMemory | null
  /** How far saving it came in this process. */
  saving: Saving | null
  /** The life beside whose disk a medium with an answer file lies. */
  answers?: number | null
  snapshots?: SnapshotsKnown
  /** Of this host's storage. */
  storageId: string
  /** The host's USB devices, as they were seen last. */
  usb?: UsbSeen
}

export interface UsbSeen {
  /** Null: not known. */
  devices: readonly UsbDevice[] | null
}

export type MachineStep =
  | { do: 'make disk' | 'adopt disk' | 'remove disk'; incarnation: number }
  | { do: 'start' | 'destroy' | 'shut down' | 'pause' | 'resume' | 'look for disk' | 'save' | 'forget memory' }
  | { do: 'take answers' }
  | { do: 'admit'; serial: number }
  | { do: 'grow disk'; sizeBytes: number }
  | DongleStep
  | SnapshotStep
  | { do: 'attach volume' | 'detach volume'; volumeId: string }
  | { do: 'grow'; to: GrownHardware }
  | { do: 'use all' }
  | { do: 'copy disk'; incarnation: number }
  | { do: 'change disc'; imageId: string | null }
  | { do: 'await guest' | 'fetch disk' | 'send guest' | 'send disk'; moveId: string }

export interface MachineDecision {
  /** Null: nothing to do now. A `start` still waits for its turn (boot.ts). */
  step: MachineStep | null
  because: string
  /** When time alone may change this decision; null: never. */
  wakeAtMs: number | null
  /** Why it does not get on although nothing it tried failed. */
  trouble: Trouble | null
}

export const wait = (
  because: string,
  wakeAtMs: number | null = null,
  trouble: Trouble | null = null,
): MachineDecision => ({ step: null, because, wakeAtMs, trouble })

export const take = (step: MachineStep, because: string): MachineDecision => ({
  step,
  because,
  wakeAtMs: null,
  trouble: null,
})
