/**
 * What a pool lacks or has too much of, as the next steps. Pure. Two caches: warm (running, unclaimed) and cold
 * (made, stopped).
 *
 *            make                start               claim
 *   (nothing) ───▶ cold (stopped) ───▶ warm (running) ───▶ assigned
 *                        ▲                 │
 *                        └──── stop ───────┘   too many warm, too few cold
 */
import type { Phase, Power } from '../db/schema.ts'

export interface PoolWish {
  minSize: number
  maxSize: number
  warm: number
  /** Stopped desktops kept beside the warm ones. */
  cold: number
  enabled: boolean
  /** Desktops shall stand on this version; others that nobody has are made anew. Null: no version is sealed. */
  versionId: string | null
  /** Those that stand on another version stay on it until they are given back. */
  held?: boolean
  /** Refilling pauses after too many failures. */
  restrained: boolean
}

export interface PoolDesktop {
  id: string
  phase: Phase
  assigned: boolean
  wishedPower: Power
  present: boolean
  versionId: string
  madeAt: Date
  /** Its host was lost this moment, and it is about to return elsewhere (returning.ts): no other is made for it. */
  returning?: boolean
  /** It failed to be customised: kept, so that an administrator can see why. */
  setAside?: boolean
  /** It is started and asked, to see that it works (verify-plan.ts): left alone meanwhile. */
  verified?: boolean
  /** It stands still, and its host has no memory left for it. */
  cramped?: boolean
}

export type PoolStep =
  | { do: 'make'; count: number; power: 'running' | 'stopped'; because: string }
  | { do: 'start' | 'stop' | 'remove' | 'upgrade'; desktopId: string; because: string }

/** Set aside in a pool, the newest. More: a script that fails fills the pool; fewer: one cannot compare two. */
const keptAside = 3

/** The pool's desktops as its plan looks at them, the oldest first. */
function sorted(pool: PoolWish, desktops: readonly PoolDesktop[]) {
  const alive = desktops
    .filter(desktop => desktop.present)
    .toSorted((a, b) => a.madeAt.getTime() - b.madeAt.getTime() || a.id.localeCompare(b.id))
  const free = alive.filter(desktop => !desktop.assigned)
  // A desktop that failed and that nobody has is thrown away: a new one costs less than finding out.
  const setAside = free.filter(desktop => desktop.phase === 'failed' && desktop.setAside).slice(-keptAside)
  const failed = free.filter(desktop => desktop.phase === 'failed' && !desktop.verified && !setAside.includes(desktop))
  const usable = free.filter(({ phase, returning }) => phase !== 'failed' && (phase !== 'unknown' || returning))
  const outdated = outdatedNow(pool, usable)
  const left = usable.filter(desktop => !outdated.includes(desktop))
  const alone = left.filter(desktop => !desktop.verified)
  const warm = alone.filter(desktop => desktop.wishedPower !== 'stopped')
  const cold = alone.filter(desktop => desktop.wishedPower === 'stopped')
  return { alive, free, failed, usable, outdated, looked: left.length - alone.length, warm, cold }
}

/** Those that would be started for warm ones that are missing, in that order. */
export const coldInOrder = (pool: PoolWish, desktops: readonly PoolDesktop[]): PoolDesktop[] =>
  sorted(pool, desktops).cold

export function planPool(pool: PoolWish, desktops: readonly PoolDesktop[]): PoolStep[] {
  const { alive, free, failed, usable, outdated, looked, warm, cold } = sorted(pool, desktops)
  const steps: PoolStep[] = []
  for (const { id } of failed) steps.push({ do: 'remove', desktopId: id, because: 'it failed and nobody has it' })
  for (const { id } of outdated)
    steps.push({ do: 'upgrade', desktopId: id, because: 'a newer template version is sealed' })
  const resting = cold.filter(desktop => desktop.phase === 'stopped')
  const wantedWarm = pool.enabled ? pool.warm : 0
  const growing = pool.enabled && !pool.restrained && pool.versionId !== null

  const missingWarm = Math.max(0, wantedWarm - warm.length)
  const promoted = pool.restrained ? [] : cold.filter(desktop => !desktop.cramped).slice(0, missingWarm)
  // For those that cannot start where they are others are made, which go where there is memory.
  const instead = Math.min(missingWarm - promoted.length, cold.filter(desktop => desktop.cramped).length)
  for (const { id } of promoted)
    steps.push({
      do: 'start',
      desktopId: id,
      because: `${missingWarm} warm ${missingWarm === 1 ? 'is' : 'are'} missing`,
    })

  const surplusWarm = warm.slice(wantedWarm)
  const wantedCold = pool.enabled ? pool.cold : 0
  const coldAfter = cold.length + looked - promoted.length
  const size = alive.length - failed.length
  let spare = Math.max(0, size - pool.minSize)
  surplusWarm.forEach(({ id }, index) => {
    const keep = coldAfter + index < wantedCold || spare === 0
    if (!keep) spare--
    steps.push(
      keep
        ? { do: 'stop', desktopId: id, because: 'more are warm than wished' }
        : { do: 'remove', desktopId: id, because: 'more are warm than wished and enough are cold' },
    )
  })
  const surplusCold = Math.max(0, coldAfter - instead - wantedCold)
  // The newest rest the shortest: the oldest are promoted first, so these would wait longest.
  for (const { id } of resting
    .filter(desktop => !promoted.includes(desktop))
    .toReversed()
    .slice(0, Math.min(surplusCold, spare))) {
    spare--
    steps.push({ do: 'remove', desktopId: id, because: 'more exist than wished' })
  }

  if (growing) {
    const assigned = alive.filter(desktop => desktop.assigned).length
    const stuck = free.length - failed.length - usable.length
    const wished = Math.min(pool.maxSize, Math.max(pool.minSize, assigned + stuck + wantedWarm + wantedCold))
    const missing = Math.max(0, wished - size)
    const most = Math.min(pool.maxSize - size, missing + instead)
    const makeWarm = Math.max(0, Math.min(most, missingWarm - promoted.length))
    const because = `${size} of ${wished} exist`
    if (makeWarm > 0) steps.push({ do: 'make', count: makeWarm, power: 'running', because })
    if (missing > makeWarm) steps.push({ do: 'make', count: missing - makeWarm, power: 'stopped', because })
  }
  return steps
}

/**
 * Of those that nobody has, the ones that are made anew on the pool's version now. Only resting ones: a person may claim
 * a running one at this very moment, and it is remade when given back. At most half of the warm ones at a time: the
 * others are there for whoever comes; and none while the last ones made so do not start.
 */
function outdatedNow(pool: PoolWish, usable: readonly PoolDesktop[]): PoolDesktop[] {
  if (pool.versionId === null || pool.held || pool.restrained) return []
  const old = usable.filter(({ versionId, verified }) => versionId !== pool.versionId && !verified)
  const warm = usable.filter(({ wishedPower }) => wishedPower !== 'stopped')
  const coming = warm.filter(({ phase }) => phase !== 'ready').length
  const atOnce = Math.max(0, Math.max(1, Math.floor(warm.length / 2)) - coming)
  return [
    ...old.filter(({ phase, wishedPower }) => phase === 'stopped' && wishedPower === 'stopped'),
    ...old.filter(({ phase }) => phase === 'ready').slice(0, atOnce),
  ]
}
