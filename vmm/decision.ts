/** What the agent knows of a machine when it chooses the next step, and what it may choose (plan.ts, moves.ts). Pure. */
import type { FoundMachine } from './host.ts'
import type { MachineMemory } from './memory.ts'
import type { MoveReport, Trouble } from './report.ts'
import type { MachineSpec } from './spec.ts'

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
  networkReady: boolean
  /** Why the network cannot be made; null while it is there or only not yet. */
  networkTrouble: Trouble | null
  /** A whole wish was heard in this process: only then does "not wished" mean anything. */
  wishHeard: boolean
  /** Its disks shall be destroyed too. */
  condemned: boolean
  /** How far its move came in this process. */
  move: MoveReport | null
  /** Of this host's storage. */
  storageId: string
}

export type MachineStep =
  | { do: 'make disk' | 'remove disk'; incarnation: number }
  | { do: 'start' | 'destroy' | 'shut down' | 'pause' | 'resume' | 'look for disk' }
  | { do: 'admit'; serial: number }
  | { do: 'grow disk'; sizeBytes: number }
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
