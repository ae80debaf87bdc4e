/**
 * What agent and control plane say to each other: JSON text messages over the one WebSocket that the agent opens to
 * `/api/v1/agent` with `Authorization: Bearer <agent key>`. Either side may lose the connection at any moment: the
 * agent dials again, says hello and reports everything; the control plane then sends the whole wish.
 */
import type { HostReport, ImageReport, MachineReport, StorageReport, StrayReport, Trouble } from './report.ts'
import type { HostSpec, ImageSpec, MachineSpec, Operation, StorageSpec } from './spec.ts'

export const protocolVersion = 3

/** Heartbeat of the agent. A host silent for `suspect` and `lost` periods is called so (broker/hosts.ts). */
export const beatMs = 3_000

/**
 * The answer to the key of a host that was removed is 410 with this header, which names the installation: desktops end at
 * this word, and any proxy may say 410.
 */
export const removedFrom = 'hdcs-removed-from'

export type ToAgent =
  /** The whole wish: what is not named shall not be. */
  | { type: 'wish'; spec: HostSpec }
  /**
   * Only what changed. `gone` names machines that are not this host's any more (their domain ends, their disk stays)
   * and images; `remove` machines whose disks shall be destroyed too. `storage`: all of it, when any of it changed.
   */
  | {
      type: 'change'
      machines: MachineSpec[]
      images: ImageSpec[]
      gone: string[]
      remove: string[]
      storage?: StorageSpec
    }
  | { type: 'operate'; operation: Operation }

export type FromAgent =
  /** `startedAt`: when this agent began, RFC 3339; absent from older ones. */
  | { type: 'hello'; protocol: number; host: HostReport; startedAt?: string | undefined }
  /**
   * `full`: everything there is (after hello); else only what changed. `gone`: machines with neither domain nor disk any
   * more. `strays`: machines of which there are disks (of these lives) and no word in the wish; the answer is `remove`, or
   * silence: they are told again. `storage`: all of it, when any of it changed.
   */
  | {
      type: 'report'
      full: boolean
      machines: MachineReport[]
      images: ImageReport[]
      gone: string[]
      strays: StrayReport[]
      storage?: StorageReport | undefined
    }
  | { type: 'beat'; host: HostReport | null }
  | {
      type: 'operated'
      operationId: string
      trouble: Trouble | null
      /** Base64: a PNG for `screenshot`, JSON for `xml` and `hostXml`. */
      data: string | null
    }
