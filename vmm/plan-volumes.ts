/** The volumes of one machine: which to plug in and which to take out. Pure; the rest of its plan is plan.ts. */
import { type MachineDecision, take } from './decision.ts'
import type { FoundMachine } from './host.ts'
import type { Trouble } from './report.ts'
import type { MachineSpec } from './spec.ts'

/** What the agent knows of volumes here (agent-storage.ts). */
export interface VolumesKnown {
  /** Made, and of the size that is wished. */
  isReady(volumeId: string): boolean
  /** Why it does not come; null: it is coming. */
  troubleOf(volumeId: string): Trouble | null
  /** Plugging it in or out failed a moment ago: not tried again yet. */
  isHeld(machineId: string, volumeId: string): boolean
}

/** Of a host without any. */
export const noVolumes: VolumesKnown = { isReady: () => false, troubleOf: () => null, isHeld: () => false }

/** Of a machine that runs. One that it has not is plugged in once it is ready. */
export function planVolumes(spec: MachineSpec, found: FoundMachine, known: VolumesKnown): MachineDecision | null {
  const wished = spec.volumes ?? []
  const here = found.volumes ?? []
  const free = (id: string) => !known.isHeld(spec.id, id)
  const over = here.find(id => free(id) && !wished.some(volume => volume.id === id))
  if (over !== undefined) return take({ do: 'detach volume', volumeId: over }, 'a volume is not wished any more')
  const lacking = wished.find(({ id }) => free(id) && !here.includes(id) && known.isReady(id))
  return lacking ? take({ do: 'attach volume', volumeId: lacking.id }, 'a volume is wished') : null
}

/** Before a start: it does not run without what it shall have. */
export function volumesMissing(
  spec: MachineSpec,
  known: VolumesKnown,
): { because: string; trouble: Trouble | null } | null {
  const missing = spec.volumes?.find(({ id }) => !known.isReady(id))
  if (!missing) return null
  const trouble = known.troubleOf(missing.id)
  const text = `It waits for its volume ${missing.name}: ${trouble?.text}`
  return { because: `its volume ${missing.name} is being made`, trouble: trouble && { code: trouble.code, text } }
}
