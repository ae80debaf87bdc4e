/**
 * When desktops move to even hosts out, and when a nearly idle host is emptied and switched off. Pure: loads over time and a
 * cluster's settings in, steps with their reasons out. Both are off unless an administrator turned them on.
 *
 *   rebalance     a host above the threshold for so long ──▶ a few desktops move to hosts that stay well below it
 *   consolidate   a host below the threshold for so long, and the others can carry its desktops ──▶ wished off: its desktops
 *                 leave, then its power; and on again before the rest runs full, or when they cannot leave after all
 */
import { counted } from '../lib/counted.ts'
import type { BalanceSettings } from './balance-settings.ts'

export interface BalanceDesktop {
  id: string
  name: string
  vcpus: number
  memoryBytes: number
  running: boolean
  /** Why it stays where it is; null: it can move. */
  stays: string | null
  /** It stays until somebody does something, or for long: what waits for it waits in vain. */
  stuck: boolean
}

/** The rule by which desktops move, so that nothing is planned that is refused then (balancing.ts). */
export interface MoveRule {
  /** Why a desktop cannot go to hosts, by host; it can go to those that are not in it. */
  against(desktop: BalanceDesktop): ReadonlyMap<string, string>
  /** The same once a desktop goes there. */
  after(desktop: BalanceDesktop, hostId: string): MoveRule
}

export interface BalanceHost {
  id: string
  name: string
  online: boolean
  /** Consolidation switches it off, or has. */
  wishedOff: boolean
  cores: number
  /** Share of its cores in use: 0 to 1. */
  cpu: number
  offeredBytes: number
  takenBytes: number
  /** Why it cannot be switched off and on again; null: it can. */
  stuckOn: string | null
  desktops: readonly BalanceDesktop[]
}

/** Of each host: since when it is above the one threshold, and below the other. */
export type BalanceHistory = ReadonlyMap<string, { aboveSince: Date | null; belowSince: Date | null }>

export interface BalanceFacts {
  settings: BalanceSettings
  hosts: readonly BalanceHost[]
  history: BalanceHistory
  /** Nobody watched so long: the history is made up for a dry run, which tells how busy hosts are, not for how long. */
  assumed?: true
  rule: MoveRule
  /** Moves of this cluster that are not over, whoever asked for them. */
  openMoves: number
  movedAt: Date | null
  switchedAt: Date | null
  /** Desktops somebody waits for find no room now. */
  short: boolean
}

export type BalanceStep =
  | {
      do: 'move'
      cause: 'balance' | 'consolidation'
      desktopId: string
      desktopName: string
      fromHostId: string
      fromHostName: string
      toHostId: string
      toHostName: string
      because: string
    }
  /** Empty it, then switch it off. */
  | { do: 'off'; hostId: string; hostName: string; because: string }
  | { do: 'on'; hostId: string; hostName: string; because: string }
  /** It was to be emptied and cannot be: it serves again. */
  | { do: 'keep'; hostId: string; hostName: string; because: string }

export interface BalancePlan {
  steps: BalanceStep[]
  /** Why nothing, or no more, is done. */
  notes: string[]
}

/** Where a desktop goes stays this far below the threshold. Nearer: the next look moves it on; farther: nothing moves. */
const margin = 0.1
/** The hosts that stay on carry no more than this after another went off … */
const fullAfterOff = 0.6
/** … and one is switched on when they carry this. The gap keeps a host from going off and on and off. */
const fullWakes = 0.75

const share = (part: number, whole: number) => (whole > 0 ? part / whole : 0)
const percent = (value: number) => `${Math.round(value * 100)} %`
const minutesMs = (minutes: number) => minutes * 60_000

/** What a host is used by: its cores or its memory, whichever is scarcer. */
export const hostLoad = (host: Pick<BalanceHost, 'cpu' | 'offeredBytes' | 'takenBytes'>) =>
  Math.max(host.cpu, share(host.takenBytes, host.offeredBytes))

/** The history after another look. Hosts that are away begin anew. */
export function balanceSeen(
  history: BalanceHistory,
  hosts: readonly BalanceHost[],
  settings: BalanceSettings,
  now: Date,
): BalanceHistory {
  const seen = hosts.filter(host => host.online && !host.wishedOff)
  return new Map(
    seen.map(host => {
      const before = history.get(host.id)
      const load = hostLoad(host) * 100
      return [
        host.id,
        {
          aboveSince: load > settings.rebalance.thresholdPercent ? (before?.aboveSince ?? now) : null,
          belowSince: load < settings.consolidate.thresholdPercent ? (before?.belowSince ?? now) : null,
        },
      ]
    }),
  )
}

export function balancePlan(facts: BalanceFacts, now: Date): BalancePlan {
  const woken = planWake(facts)
  // Never both at once: a host that is needed is not a time for saving.
  if (woken.steps.length > 0) return woken
  const evened = planRebalance(facts, now)
  if (evened.steps.length > 0) return { steps: evened.steps, notes: [...woken.notes, ...evened.notes] }
  const saved = planConsolidate(facts, now)
  return { steps: saved.steps, notes: [...woken.notes, ...evened.notes, ...saved.notes] }
}

const nothing = (...notes: string[]): BalancePlan => ({ steps: [], notes })
const serving = (hosts: readonly BalanceHost[]) => hosts.filter(host => host.online && !host.wishedOff)
const cooling = (at: Date | null, minutes: number, now: Date) =>
  at !== null && now.getTime() - at.getTime() < minutesMs(minutes)

const underWay = (moves: number) => counted(moves, 'move is under way', 'moves are under way')
const lasting = (minutes: number) => counted(minutes, 'minute', 'minutes')
/** "was above 85 % for 10 minutes" */
const seenText = (where: string, rules: { thresholdPercent: number; forMinutes: number }, assumed?: true) =>
  assumed
    ? `is ${where} ${rules.thresholdPercent} % now`
    : `was ${where} ${rules.thresholdPercent} % for ${lasting(rules.forMinutes)}`

function planRebalance(
  { settings, hosts, history, assumed, rule, openMoves, movedAt }: BalanceFacts,
  now: Date,
): BalancePlan {
  const rules = settings.rebalance
  if (!rules.enabled) return nothing('rebalancing is off')
  if (openMoves > 0) return nothing(`${underWay(openMoves)}: their effect is awaited`)
  if (cooling(movedAt, rules.cooldownMinutes, now)) return nothing(`moves rest for ${lasting(rules.cooldownMinutes)}`)
  const limit = rules.thresholdPercent / 100
  const [busiest] = serving(hosts)
    .filter(host => {
      const since = history.get(host.id)?.aboveSince
      return since && now.getTime() - since.getTime() >= minutesMs(rules.forMinutes)
    })
    .toSorted((a, b) => hostLoad(b) - hostLoad(a) || (a.id < b.id ? -1 : 1))
  const above = seenText('above', rules, assumed)
  if (!busiest) return nothing(`no host ${above}`)
  const because = `${busiest.name} ${above} (${percent(hostLoad(busiest))})`
  const steps: BalanceStep[] = []
  const notes: string[] = []
  let then: Then = { loads: serving(hosts), rule }
  for (const desktop of largestFirst(busiest)) {
    const source = then.loads.find(host => host.id === busiest.id) ?? busiest
    if (steps.length >= rules.maxMoves || hostLoad(source) <= limit) break
    const target = desktop.stays ?? roomiest(then, source, desktop, limit - margin)
    if (typeof target === 'string') notes.push(`${desktop.name} stays: ${target}`)
    else {
      steps.push({ do: 'move', cause: 'balance', ...between(desktop, source, target), because })
      then = moved(then, desktop, source, target)
    }
  }
  if (steps.length === 0) notes.unshift(`${because}, but no desktop of it fits elsewhere`)
  return { steps, notes: notes.slice(0, notesMost) }
}

function planConsolidate(
  { settings, hosts, history, assumed, rule, openMoves, switchedAt, short }: BalanceFacts,
  now: Date,
): BalancePlan {
  const rules = settings.consolidate
  if (!rules.enabled) return nothing('consolidation is off')
  const leaving = hosts.find(host => host.wishedOff && host.online && host.desktops.length > 0)
  if (leaving) return openMoves > 0 ? nothing(`${leaving.name} is being emptied`) : emptied(leaving, hosts, rule)
  if (openMoves > 0) return nothing(underWay(openMoves))
  if (short) return nothing('desktops find no room: nothing is switched off')
  if (cooling(switchedAt, rules.cooldownMinutes, now))
    return nothing(`power rests for ${lasting(rules.cooldownMinutes)}`)
  const on = serving(hosts)
  if (on.length <= rules.minHosts) return nothing(counted(rules.minHosts, 'host stays on', 'hosts stay on'))
  const idle = on
    .filter(host => {
      const since = history.get(host.id)?.belowSince
      return since && now.getTime() - since.getTime() >= minutesMs(rules.forMinutes)
    })
    .toSorted((a, b) => a.desktops.length - b.desktops.length || hostLoad(a) - hostLoad(b) || (a.id < b.id ? -1 : 1))
  const below = seenText('below', rules, assumed)
  if (idle.length === 0) return nothing(`no host ${below}`)
  const notes: string[] = []
  for (const host of idle) {
    const against = host.stuckOn ?? cannotEmpty(host, { loads: on, rule })
    if (against === null) {
      const because = `${host.name} ${below}, and ${counted(on.length - 1, 'other', 'others')} can carry its ${counted(host.desktops.length, 'desktop', 'desktops')}`
      return { steps: [{ do: 'off', hostId: host.id, hostName: host.name, because }], notes }
    }
    notes.push(`${host.name} stays on: ${against}`)
  }
  return { steps: [], notes }
}

/** Why its desktops cannot all go elsewhere; null: they can. */
function cannotEmpty(host: BalanceHost, now: Then): string | null {
  const stays = host.desktops.find(desktop => desktop.stays !== null)
  if (stays) return `${stays.name} stays: ${stays.stays}`
  let then = now
  for (const desktop of host.desktops) {
    const source = then.loads.find(({ id }) => id === host.id) ?? host
    const target = roomiest(then, source, desktop, fullAfterOff)
    if (typeof target === 'string') return `${desktop.name} stays: ${target}`
    then = moved(then, desktop, source, target)
  }
  return null
}

/** Its desktops leave, a few at a time, while all of them can: one that cannot would keep it on for nothing. */
function emptied(host: BalanceHost, hosts: readonly BalanceHost[], rule: MoveRule): BalancePlan {
  const named = { hostId: host.id, hostName: host.name }
  const keep = ({ name }: BalanceDesktop, why: string | null): BalancePlan => ({
    steps: [{ do: 'keep', ...named, because: `${host.name} cannot be emptied: ${name} stays: ${why}` }],
    notes: [],
  })
  const stuck = host.desktops.find(desktop => desktop.stays !== null && desktop.stuck)
  if (stuck) return keep(stuck, stuck.stays)
  const steps: BalanceStep[] = []
  let then: Then = { loads: [host, ...serving(hosts)], rule }
  for (const desktop of host.desktops.filter(({ stays }) => stays === null)) {
    const source = then.loads[0] as BalanceHost
    const target = roomiest(then, source, desktop, 1)
    if (typeof target === 'string') return keep(desktop, target)
    const because = `${host.name} is emptied to be switched off`
    steps.push({ do: 'move', cause: 'consolidation', ...between(desktop, source, target), because })
    then = moved(then, desktop, source, target)
  }
  if (steps.length > 0) return { steps: steps.slice(0, atOnce), notes: [] }
  const notes = host.desktops.map(({ name, stays }) => `${host.name} is emptied later: ${name} stays: ${stays}`)
  return { steps, notes: notes.slice(0, notesMost) }
}

/** More: nobody reads them. */
const notesMost = 6

/** More: the moves of one host starve the others; fewer: emptying takes hours. */
const atOnce = 4

function planWake({ settings, hosts, short }: BalanceFacts): BalancePlan {
  const [off] = hosts
    .filter(host => host.wishedOff)
    // One that is still on is back at once.
    .toSorted((a, b) => Number(b.online) - Number(a.online) || (a.id < b.id ? -1 : 1))
  if (!off) return nothing()
  const wake = (because: string): BalancePlan => ({
    steps: [{ do: 'on', hostId: off.id, hostName: off.name, because }],
    notes: [],
  })
  if (!settings.consolidate.enabled) return wake('consolidation was turned off')
  if (short) return wake('desktops find no room')
  const on = serving(hosts)
  if (on.length < settings.consolidate.minHosts)
    return wake(`fewer than ${counted(settings.consolidate.minHosts, 'host is', 'hosts are')} on`)
  const full = share(
    on.reduce((sum, host) => sum + hostLoad(host), 0),
    on.length,
  )
  return full >= fullWakes ? wake(`the hosts that are on are used by ${percent(full)}`) : nothing()
}

/** Fewer moves do. */
const largestFirst = (host: BalanceHost) =>
  host.desktops
    .filter(({ running }) => running)
    .toSorted((a, b) => b.vcpus - a.vcpus || b.memoryBytes - a.memoryBytes || (a.id < b.id ? -1 : 1))

/** What a desktop uses of its host's cores: nobody measures it here, so it is taken to be as its vCPUs are among all there. */
function coresOf(desktop: BalanceDesktop, host: BalanceHost): number {
  if (!desktop.running) return 0
  const all = host.desktops.filter(({ running }) => running).reduce((sum, { vcpus }) => sum + vcpus, 0)
  return host.cpu * host.cores * share(desktop.vcpus, all)
}

const bytesOf = (desktop: BalanceDesktop) => (desktop.running ? desktop.memoryBytes : 0)

/** Hosts and the rule as they are once some moves are made. */
interface Then {
  loads: readonly BalanceHost[]
  rule: MoveRule
}

/** The host that is used least with it, of those that may take it; else why there is none. */
function roomiest({ loads, rule }: Then, source: BalanceHost, desktop: BalanceDesktop, most: number) {
  const against = rule.against(desktop)
  const judged = loads
    .filter(host => host.id !== source.id)
    .map(host => {
      const load = hostLoad(loaded(host, desktop, coresOf(desktop, source), 1))
      const full = load <= most ? undefined : `it would be used by ${percent(load)}, more than ${percent(most)}`
      return { host, load, refusal: against.get(host.id) ?? full }
    })
  const [best] = judged
    .filter(({ refusal }) => refusal === undefined)
    .toSorted((a, b) => a.load - b.load || (a.host.id < b.host.id ? -1 : 1))
  if (best) return best.host
  const told = judged.slice(0, refusalsMost).map(({ host, refusal }) => `${host.name}: ${refusal}`)
  return told.length === 0 ? 'there is no other host' : told.join('; ')
}

const refusalsMost = 3

const loaded = (host: BalanceHost, desktop: BalanceDesktop, cores: number, sign: 1 | -1): BalanceHost => ({
  ...host,
  cpu: Math.max(0, host.cpu + sign * share(cores, host.cores)),
  takenBytes: host.takenBytes + sign * bytesOf(desktop),
  desktops: sign === 1 ? [...host.desktops, desktop] : host.desktops.filter(({ id }) => id !== desktop.id),
})

function moved({ loads, rule }: Then, desktop: BalanceDesktop, source: BalanceHost, target: BalanceHost): Then {
  const cores = coresOf(desktop, source)
  const after = loads.map(host =>
    host.id === source.id
      ? loaded(host, desktop, cores, -1)
      : host.id === target.id
        ? loaded(host, desktop, cores, 1)
        : host,
  )
  return { loads: after, rule: rule.after(desktop, target.id) }
}

const between = (desktop: BalanceDesktop, source: BalanceHost, target: BalanceHost) => ({
  desktopId: desktop.id,
  desktopName: desktop.name,
  fromHostId: source.id,
  fromHostName: source.name,
  toHostId: target.id,
  toHostName: target.name,
})
