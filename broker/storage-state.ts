/** What a pool and a volume are, worked out from what is wished and what hosts say. Pure. */
import type { HostState, TroubleValue } from '../db/schema.ts'
import type { HostStorageState, VolumeState } from '../db/schema-storage.ts'
import type { Promised } from './file-systems.ts'
import { type StorageLevel, storageLevel, storageWarning, thinRatio } from './storage-level.ts'

export interface PoolSaid {
  hostName: string
  hostState: HostState
  /** Null: it has not said anything yet. */
  state: HostStorageState | null
  refresh: number | null
  storageId: string | null
  capacityBytes: number | null
  allocationBytes: number | null
  freeBytes: number | null
  trouble: TroubleValue | null
}

/** Hosts that are away make it ready when they are back: they hold nobody up. */
const isThere = ({ hostState }: PoolSaid) => hostState === 'online' || hostState === 'maintenance'

export type PoolState = 'waiting' | 'making' | 'ready' | 'degraded' | 'failed' | 'removing'

export interface PoolFigures {
  capacityBytes: number
  allocationBytes: number
  freeBytes: number
  virtualBytes: number
  /** Of the file systems that it lies on, to everybody there. */
  promisedBytes: number
  thinRatio: number | null
  level: StorageLevel
  warning: string | null
}

export function poolState(wished: { present: boolean; refresh: number }, said: readonly PoolSaid[]) {
  const there = said.filter(isThere)
  const failed = there.find(({ state }) => state === 'failed')
  const why = failed ? `${failed.hostName}: ${failed.trouble?.text ?? 'nobody said why.'}` : ''
  const as = (state: PoolState, text = '') => ({ state, text })
  if (!wished.present) return as('removing', why)
  if (there.length === 0) return as('waiting', 'waits for a host of the cluster')
  const ready = there.filter(({ state }) => state === 'ready')
  if (failed) return as(ready.length > 0 ? 'degraded' : 'failed', why)
  return ready.length === there.length ? as('ready') : as('making')
}

/** Hosts that share what lies there count once. Of a pool that lies in several places the fullest one warns. */
export function poolFigures(
  name: string,
  reserve: number,
  virtualBytes: number,
  said: readonly PoolSaid[],
  promised: Promised,
): PoolFigures {
  const places = new Map<string, PoolSaid>()
  for (const host of said)
    if (isThere(host) && host.state === 'ready' && host.storageId !== null) places.set(host.storageId, host)
  const sum = (of: 'capacityBytes' | 'allocationBytes' | 'freeBytes') =>
    [...places.values()].reduce((all, place) => all + (place[of] ?? 0), 0)
  const several = places.size > 1
  const levels = [...places.values()].map(place => {
    const { capacityBytes, freeBytes } = place
    const figures = {
      capacityBytes: capacityBytes ?? 0,
      freeBytes: freeBytes ?? 0,
      keptBytes: Math.ceil((capacityBytes ?? 0) * reserve),
    }
    const what = `The storage pool ${name}${several ? ` on ${place.hostName}` : ''}`
    // Of one place of several it is not told how much of the promises is there.
    const warned = several ? figures : { ...figures, promisedBytes: promised.promisedBytes }
    return { level: storageLevel(figures), warning: storageWarning(what, warned) }
  })
  const rank = ['ok', 'warning', 'critical', 'full'] satisfies StorageLevel[]
  const [worst] = levels.toSorted((a, b) => rank.indexOf(b.level) - rank.indexOf(a.level))
  // Volumes whose host is gone lie somewhere there, too.
  const promisedBytes = Math.max(promised.promisedBytes, virtualBytes)
  return {
    capacityBytes: sum('capacityBytes'),
    allocationBytes: sum('allocationBytes'),
    freeBytes: sum('freeBytes'),
    virtualBytes,
    promisedBytes,
    thinRatio: thinRatio(promisedBytes, promised.capacityBytes),
    level: worst?.level ?? 'ok',
    warning: worst?.warning ?? null,
  }
}

export interface VolumeFacts {
  present: boolean
  wishedBytes: number
  observed: VolumeState
  bytes: number | null
  made: boolean
  desktopId: string | null
  /** Why nothing may change of what its desktop is made of; undefined: it may. */
  kept: string | undefined
  usedBy: string | null
  hostState: HostState | null
}

export type VolumeShown = 'making' | 'ready' | 'growing' | 'failed' | 'unknown' | 'removing'

export function volumeState(facts: VolumeFacts): VolumeShown {
  if (!facts.present) return 'removing'
  if (facts.hostState === 'lost') return 'unknown'
  if (facts.observed === 'failed') return 'failed'
  if (facts.bytes === null) return 'making'
  return facts.bytes < facts.wishedBytes ? 'growing' : 'ready'
}

export type VolumeAction = 'resize' | 'attach' | 'detach' | 'delete'

/** Why an action is refused now; undefined: it may be done. */
export const volumeRefusals = {
  resize: ({ present, kept }) => (present ? kept : 'it is being removed'),
  attach: ({ present, desktopId, usedBy }) =>
    !present
      ? 'it is being removed'
      : desktopId !== null
        ? 'a desktop has it: detach it first'
        : usedBy !== null
          ? 'its last desktop has not let go of it yet'
          : undefined,
  detach: ({ desktopId, kept }) => (desktopId === null ? 'no desktop has it' : kept),
  delete: ({ present, desktopId, usedBy }) =>
    !present
      ? 'it is already being removed'
      : desktopId !== null
        ? 'a desktop has it: detach it first'
        : usedBy !== null
          ? 'its last desktop has not let go of it yet'
          : undefined,
} satisfies Record<VolumeAction, (facts: VolumeFacts) => string | undefined>
