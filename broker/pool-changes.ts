/** What a change of a pool's settings means, said before it is made: what holds when, what is made, and what goes. Pure. */
import type { HardwareValue } from '../db/schema.ts'
import type { NetworkValue } from '../db/schema-hosts.ts'
import { type PoolWish as Plan, type PoolDesktop, type PoolStep, planPool } from './pool-plan.ts'
import type { Partly, PoolWish } from './pool-wish.ts'

/** `nextMade`: those that are made from then on; `never`: those that people keep, until somebody changes them one by one. */
export const whens = ['now', 'nextClaim', 'atGiveBack', 'nextStart', 'nextMade', 'never'] as const
export type When = (typeof whens)[number]

export interface FieldChange {
  field: keyof PoolWish
  /** When it holds, and for how many of the desktops that are there. */
  applies: { when: When; desktops: number }[]
}

/** Desktops of the pool by what decides when a setting reaches them. */
export interface ChangeCounts {
  kind: 'floating' | 'persistent'
  /** Nobody's. */
  free: number
  assigned: number
  /** Wished to run, whoever has them. */
  running: number
}

/** As the pool stands; `network` in the form it is stored in. */
export type Standing = Omit<PoolWish, 'network' | 'hardware' | 'start'> & {
  network: NetworkValue
  hardware: Partial<HardwareValue>
}

type Rule = (counts: ChangeCounts, change: { before: Standing; given: Given }) => FieldChange['applies']
type Given = Partly<Omit<PoolWish, 'network'>> & { network?: NetworkValue }

const all = ({ free, assigned }: ChangeCounts) => free + assigned
const atOnce: Rule = counts => [{ when: 'now', desktops: all(counts) }]
const nothingThere =
  (when: When): Rule =>
  () => [{ when, desktops: 0 }]
/** Where it stands stays. */
const placed: Rule = counts => [{ when: 'nextMade', desktops: all(counts) }]
const whoHas = ({ kind, assigned }: ChangeCounts): FieldChange['applies'][number] => ({
  when: kind === 'floating' ? 'atGiveBack' : 'never',
  desktops: assigned,
})

const rules = {
  name: nothingThere('now'),
  description: nothingThere('now'),
  templateVersion: counts => [{ when: 'now', desktops: counts.free }, whoHas(counts)],
  minSize: nothingThere('now'),
  maxSize: nothingThere('now'),
  warm: nothingThere('now'),
  cold: nothingThere('now'),
  maxPerUser: nothingThere('nextClaim'),
  hardware: counts => [{ when: 'nextMade', desktops: counts.free }, whoHas(counts)],
  start: nothingThere('nextStart'),
  enabled: nothingThere('nextClaim'),
  clusterIds: placed,
  placement: placed,
  affinity: placed,
  needs: placed,
  network: ({ running }, { before, given }) => {
    const card = ({ mode, interface: name, vlan }: NetworkValue) => JSON.stringify([mode, name, vlan])
    const other = given.network !== undefined && card(given.network) !== card(before.network)
    return [{ when: other ? 'nextStart' : 'now', desktops: running }]
  },
  ha: atOnce,
  customise: counts => [{ when: 'now', desktops: counts.free }, whoHas(counts)],
} satisfies Record<keyof PoolWish, Rule>

/** What of the settings that were given is another than it was, and when that holds. */
export function fieldChanges(before: Standing, given: Given, counts: ChangeCounts): FieldChange[] {
  const changed = (Object.keys(rules) as (keyof PoolWish)[]).filter(
    field => given[field] !== undefined && !same(given[field], before[field as keyof Standing]),
  )
  return changed.map(field => {
    const applies = rules[field](counts, { before, given })
    const some = applies.filter(({ desktops }) => desktops > 0)
    return { field, applies: some.length > 0 ? some : applies.slice(0, 1) }
  })
}

/** The database keeps no order of names. */
const sorted = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(sorted)
    : value !== null && typeof value === 'object'
      ? Object.fromEntries(
          Object.entries(value)
            .filter(([, part]) => part !== undefined)
            .map(([name, part]): [string, unknown] => [name, sorted(part)])
            .toSorted(([a], [b]) => a.localeCompare(b)),
        )
      : value
const same = (a: unknown, b: unknown) => JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))

export interface Resize {
  make: number
  start: number
  stop: number
  /** Made anew on the pool's version. */
  remake: number
  /** Nobody's: those that people have stay. */
  remove: string[]
  /** Desktops of people beyond the largest size: they stay, and nobody new gets one before there are fewer. */
  over: number
}

/** More: a plan that never rests, which none does (pool-plan.test.ts), would hold a request up. */
const mostRounds = 50

/** What the pool comes to with these settings: its plan, carried out on paper until nothing is left to do. */
export function resize(pool: Plan, desktops: readonly (PoolDesktop & { name: string })[]): Resize {
  let left: PoolDesktop[] = desktops.filter(({ present }) => present)
  const before = new Map(left.map(desktop => [desktop.id, desktop]))
  const remade = new Set<string>()
  for (let round = 0; round < mostRounds; round++) {
    const steps = planPool(pool, left)
    if (steps.length === 0) break
    for (const step of steps) {
      if (step.do === 'upgrade') remade.add(step.desktopId)
      left = taken(step, left, pool.versionId)
    }
  }
  const names = new Map(desktops.map(({ id, name }) => [id, name]))
  const after = new Map(left.map(desktop => [desktop.id, desktop]))
  const turned = (to: 'running' | 'stopped') =>
    left.filter(({ id, wishedPower }) => {
      const was = before.get(id)
      return was !== undefined && wishedPower === to && (was.wishedPower === 'stopped') !== (to === 'stopped')
    }).length
  const assigned = left.filter(desktop => desktop.assigned).length
  return {
    make: left.filter(({ id }) => !before.has(id)).length,
    start: turned('running'),
    stop: turned('stopped'),
    remake: [...remade].filter(id => after.has(id) && before.has(id)).length,
    remove: [...before.keys()].filter(id => !after.has(id)).flatMap(id => names.get(id) ?? []),
    over: Math.max(0, assigned - pool.maxSize),
  }
}

/** A step, as if it were done at once. */
function taken(step: PoolStep, desktops: PoolDesktop[], versionId: string | null): PoolDesktop[] {
  if (step.do === 'remove') return desktops.filter(({ id }) => id !== step.desktopId)
  if (step.do === 'make') {
    const phase = step.power === 'running' ? ('ready' as const) : ('stopped' as const)
    const madeAt = new Date(8.64e15)
    const one = { phase, assigned: false, wishedPower: step.power, present: true, versionId: versionId ?? '', madeAt }
    return [
      ...desktops,
      ...Array.from({ length: step.count }, (_, at) => ({ ...one, id: `new ${desktops.length + at}` })),
    ]
  }
  return desktops.map(desktop => {
    if (desktop.id !== step.desktopId) return desktop
    if (step.do === 'upgrade') return { ...desktop, versionId: versionId ?? '' }
    return step.do === 'start'
      ? { ...desktop, wishedPower: 'running', phase: 'ready' }
      : { ...desktop, wishedPower: 'stopped', phase: 'stopped' }
  })
}
