/** Where a desktop with volumes can be: only where all of them can be reached too. Pure. */
import type { ReturnPlan } from './returning.ts'

/** A volume that a desktop has, or has not let go of yet. */
export interface HeldVolume {
  name: string
  poolId: string
  poolName: string
}

/** Of each storage pool that a host has ready, what lies there: hosts that say the same have the same. */
export type HostStorages = Readonly<Record<string, string>>

/** Why a desktop cannot be on another host for its volumes' sake; undefined: it can. */
export function volumesRefusal(
  volumes: readonly HeldVolume[] | null,
  source: HostStorages | null | undefined,
  target: HostStorages | null | undefined,
): string | undefined {
  const far = volumes?.find(({ poolId }) => source?.[poolId] === undefined || source[poolId] !== target?.[poolId])
  if (!far) return undefined
  return target?.[far.poolId] === undefined
    ? `its volume ${far.name} cannot be reached there: the host has not the storage pool ${far.poolName} ready`
    : `its volume ${far.name} lies on the storage pool ${far.poolName} of its host alone: detach it first`
}

/** A new disk harms nobody, but its old copy may still write to the volumes: until its host is off for certain it waits. */
export function returnWithVolumes(
  plan: ReturnPlan,
  volumes: readonly HeldVolume[] | null,
  host: { name: string; fenced: boolean },
): ReturnPlan {
  if (plan.do !== 'return' || plan.disk !== 'new' || !volumes || host.fenced) return plan
  return {
    do: 'wait',
    for: `${host.name} to be fenced or confirmed off: nothing else keeps its old copy from writing to its volumes`,
    fence: true,
  }
}
