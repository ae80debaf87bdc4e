/**
 * The control plane in the model: rows as in the database, the hub's "what changed", and the reconcilers with their real
 * decisions (hostState, returnPlan, desktopPhase). What a row says outlives the process, as the database does.
 */
import { type DesktopFacts, desktopConsequence, desktopPhase } from '../../../broker/desktop-state.ts'
import { hostState, usualSilence } from '../../../broker/reconcile/hosts.ts'
import {
  desktopRests,
  isFenced,
  listeningSince,
  lostForCertain,
  mayTake,
  type ReturnPlan,
  returnPlan,
} from '../../../broker/returning.ts'
import type { HostState } from '../../../db/schema.ts'
import type { FromAgent, ToAgent } from '../../../vmm/protocol.ts'
import type { MachineReport } from '../../../vmm/report.ts'
import type { MachineSpec } from '../../../vmm/spec.ts'
import { machineSpec } from '../../vmm/wishes.ts'
import type { Timeline } from './timeline.ts'

export interface DesktopRow {
  id: string
  kind: 'floating' | 'persistent'
  assigned: boolean
  ha: 'restart' | 'wait'
  hostName: string
  present: boolean
  power: 'running' | 'stopped'
  incarnation: number
  generation: number
  diskIncarnation: number | null
  observed: DesktopFacts['observed']
  stepSince: Date
  phase: string
  waits: string
}

export interface HostRow {
  name: string
  storageId: string
  diskLocks: boolean
  state: HostState
  stateSince: Date
  beatAt: Date | null
  fencedAt: Date | null
  /** A fence command is under way. */
  fencing: boolean
  fenceAgainMs: number
}

export interface ModelControl {
  desktops: Map<string, DesktopRow>
  hosts: Map<string, HostRow>
  hears(hostName: string, message: FromAgent): void
  /** A request: wished columns change. */
  wish(id: string, change: (row: DesktopRow) => void, text: string): void
  fenceConfirm(hostName: string): void
  begin(): void
  end(): void
  readonly alive: boolean
}

export interface ControlParts {
  timeline: Timeline
  send(hostName: string, message: ToAgent): void
  /** Runs the cluster's fence command: true when it ended well. Null: there is none. */
  fence: ((hostName: string, ended: (well: boolean) => void) => void) | null
}

/** As in broker/fencing.ts. */
const fenceAgainMs = 60_000

const unobserved: DesktopFacts['observed'] = {
  generation: null,
  incarnation: null,
  power: null,
  stopped: null,
  ready: false,
  step: null,
  trouble: null,
  saved: null,
  gone: false,
}

let generations = 0

export function desktopRow(
  wish: Pick<DesktopRow, 'id' | 'kind' | 'assigned' | 'hostName'> & Partial<DesktopRow>,
): DesktopRow {
  return {
    ha: 'restart',
    present: true,
    power: 'running',
    incarnation: 1,
    generation: ++generations,
    diskIncarnation: null,
    observed: unobserved,
    stepSince: new Date(0),
    phase: 'making',
    waits: '',
    ...wish,
  }
}

export function makeModelControl({ timeline, send, fence }: ControlParts): ModelControl {
  const desktops = new Map<string, DesktopRow>()
  const hosts = new Map<string, HostRow>()
  const told = new Map<string, Map<string, number>>()
  const removing = new Map<string, Set<string>>()
  let since = timeline.now()
  let listening = since
  let alive = false
  let life = 0

  const ofHost = (name: string) => [...desktops.values()].filter(row => row.hostName === name)
  const online = () => [...hosts.values()].filter(host => host.state === 'online')

  function spec(row: DesktopRow): MachineSpec {
    return machineSpec(1, {
      id: row.id,
      name: row.id,
      generation: row.generation,
      power: row.power,
      incarnation: row.incarnation,
      diskMade: row.diskIncarnation === row.incarnation,
      priority: row.assigned ? 'person' : 'prewarm',
      bootTimeoutMs: 180_000,
    })
  }

  function tellAll(name: string): void {
    const rows = ofHost(name)
    const machines = rows.filter(row => row.present).map(spec)
    const remove = rows.filter(row => !row.present).map(row => row.id)
    told.set(name, new Map(machines.map(({ id, generation }) => [id, generation])))
    removing.set(name, new Set(remove))
    const network = { supernet: '10.128.0.0/14', subnet: '10.128.4.0/22' }
    send(name, {
      type: 'wish',
      spec: { installationId: 'model', hostId: name, network, images: [], machines, remove },
    })
  }

  function tellChanges(name: string): void {
    const known = told.get(name)
    const condemned = removing.get(name)
    if (!known || !condemned) return
    const rows = ofHost(name)
    const wished = new Map(rows.filter(row => row.present).map(row => [row.id, row]))
    const machines = [...wished.values()].filter(row => known.get(row.id) !== row.generation).map(spec)
    const remove = rows.filter(row => !row.present && !condemned.has(row.id)).map(row => row.id)
    const gone = [...known.keys()].filter(id => !wished.has(id) && !remove.includes(id))
    removing.set(name, new Set(rows.filter(row => !row.present).map(row => row.id)))
    for (const { id, generation } of machines) known.set(id, generation)
    for (const id of [...gone, ...remove]) known.delete(id)
    if (machines.length + remove.length + gone.length > 0)
      send(name, { type: 'change', machines, images: [], gone, remove })
  }

  function changed(row: DesktopRow, ...hostNames: string[]): void {
    row.generation = ++generations
    settle(row)
    if (alive) for (const name of hostNames) tellChanges(name)
  }

  function observe(name: string, reports: MachineReport[], gone: string[]): void {
    for (const report of reports) {
      const row = desktops.get(report.id)
      if (row?.hostName !== name) continue
      if (row.observed.step !== report.step) row.stepSince = timeline.now()
      const { generation, incarnation, power, stopped, ready, step, trouble } = report
      row.observed = { generation, incarnation, power, stopped, ready, step, trouble, saved: null, gone: false }
      settle(row)
    }
    for (const id of gone) {
      const row = desktops.get(id)
      if (row?.hostName !== name) continue
      row.observed = { ...unobserved, gone: true }
      settle(row)
    }
  }

  /** The desktops reconciler. */
  function settle(row: DesktopRow): void {
    const facts: DesktopFacts = {
      kind: row.kind,
      hostState: hosts.get(row.hostName)?.state ?? 'lost',
      assigned: row.assigned,
      claimOpen: false,
      moving: null,
      diskMade: row.diskIncarnation === row.incarnation,
      waitsFor: row.waits || null,
      wished: { ...row, saved: false },
      observed: row.observed,
    }
    const { phase, reason } = desktopPhase(facts)
    if (row.observed.incarnation === row.incarnation) row.diskIncarnation = row.incarnation
    if (phase !== row.phase) timeline.note('control', `${row.id} is ${phase}: ${reason}`)
    row.phase = phase
    if (desktopConsequence(facts, phase).do === 'forget') forget(row, 'its host has nothing of it')
  }

  function forget(row: DesktopRow, because: string): void {
    desktops.delete(row.id)
    timeline.note('control', `${row.id} is removed: ${because}`)
    if (alive) tellChanges(row.hostName)
  }

  /** The hosts reconciler, and right after it the returns reconciler. */
  function reconcile(): void {
    const now = timeline.now()
    for (const host of hosts.values()) {
      const state = hostState({ state: host.state, wished: 'online', beatAt: host.beatAt }, now, since)
      if (state === host.state) continue
      timeline.note('control', `${host.name} is ${state} (was ${host.state})`)
      host.state = state
      host.stateSince = now
      for (const row of ofHost(host.name)) settle(row)
    }
    listening = listeningSince(
      listening,
      now,
      [...hosts.values()].map(({ beatAt }) => ({ beatAt, suspectMs: usualSilence.suspectMs })),
      now,
    )
    for (const host of hosts.values()) if (isLost(host)) lose(host)
  }

  const isLost = (host: HostRow) =>
    lostForCertain(
      { state: host.state, stateSince: host.stateSince, beatAt: host.beatAt, lostMs: usualSilence.lostMs },
      timeline.now(),
      listening,
    )

  function lose(host: HostRow): void {
    fenceOnce(host)
    for (const row of ofHost(host.name)) {
      const plan = returnPlan({
        ...row,
        diskMade: row.diskIncarnation === row.incarnation,
        rests: desktopRests({ ...row, wishedPower: row.power }, host.stateSince),
        moving: false,
        justMoved: false,
        pinned: null,
        host: { ...host, lostSince: host.stateSince },
        others: online(),
      })
      if (plan.do === 'forget') forget(row, plan.because)
      else if (plan.do === 'wait') waits(row, plan.for)
      else bringBack(row, plan)
    }
  }

  function waits(row: DesktopRow, text: string): void {
    if (row.waits !== text) timeline.note('control', `${row.id} waits for ${text}`)
    row.waits = text
  }

  function bringBack(row: DesktopRow, plan: Extract<ReturnPlan, { do: 'return' }>): void {
    const [target] = online()
      .filter(host => mayTake(plan, host))
      .toSorted((a, b) => ofHost(a.name).length - ofHost(b.name).length || (a.name < b.name ? -1 : 1))
    if (!target) {
      waits(row, 'a host that can take it')
      return
    }
    const was = row.hostName
    row.hostName = target.name
    row.waits = ''
    if (plan.disk === 'new') row.incarnation++
    row.observed = plan.disk === 'own' ? { ...unobserved, incarnation: row.incarnation } : unobserved
    row.stepSince = timeline.now()
    timeline.note('control', `${row.id} → ${target.name}, disk ${row.incarnation}: ${plan.because}`)
    changed(row, was, target.name)
  }

  function fenceOnce(host: HostRow): void {
    const now = timeline.nowMs()
    if (!fence || isFenced({ fencedAt: host.fencedAt, lostSince: host.stateSince })) return
    if (host.fencing || now < host.fenceAgainMs) return
    host.fencing = true
    host.fenceAgainMs = now + fenceAgainMs
    const mine = life
    fence(host.name, well => {
      host.fencing = false
      // A process that ended meanwhile notes nothing, and a host that was heard meanwhile is not called off.
      if (mine !== life || !isLost(host)) return
      if (well) host.fencedAt = timeline.now()
      timeline.note('control', well ? `${host.name} is fenced` : `${host.name} could not be fenced`)
      if (well) reconcile()
    })
  }

  function tick(mine: number): void {
    if (mine !== life) return
    reconcile()
    timeline.after(2_000, () => tick(mine))
  }

  return {
    desktops,
    hosts,
    get alive() {
      return alive
    },
    hears(name, message) {
      const host = hosts.get(name)
      if (!host || !alive) return
      if (message.type === 'hello') {
        host.beatAt = timeline.now()
        host.storageId = message.host.facts.storageId
        host.diskLocks = message.host.facts.diskLocks
        tellAll(name)
        return reconcile()
      }
      if (message.type === 'beat') host.beatAt = timeline.now()
      if (message.type !== 'report') return
      if (message.full) {
        const named = new Set(message.machines.map(({ id }) => id))
        for (const row of ofHost(name))
          if (!named.has(row.id)) {
            row.observed = { ...row.observed, incarnation: null, power: null, ready: false, step: null, gone: true }
            settle(row)
          }
      }
      observe(name, message.machines, message.gone)
      // As in db/agents.ts; nothing moves in the model.
      const strays = message.strays.filter(({ id, incarnations }) => {
        const row = desktops.get(id)
        if (!row) return true
        const elsewhere = row.hostName !== name && hosts.get(row.hostName)?.storageId !== host.storageId
        return elsewhere && (!row.present || Math.max(...incarnations) < row.incarnation)
      })
      const remove = strays.map(({ id }) => id)
      if (remove.length > 0) send(name, { type: 'change', machines: [], images: [], gone: [], remove })
    },
    wish(id, change, text) {
      const row = desktops.get(id)
      if (!row || !alive) return
      timeline.note('person', `${id}: ${text}`)
      change(row)
      changed(row, row.hostName)
    },
    fenceConfirm(name) {
      const host = hosts.get(name)
      if (!host || !alive || !isLost(host)) return
      host.fencedAt = timeline.now()
      timeline.note('person', `confirms that ${name} is off`)
      reconcile()
    },
    begin() {
      alive = true
      since = timeline.now()
      listening = since
      told.clear()
      removing.clear()
      for (const host of hosts.values()) Object.assign(host, { fencing: false, fenceAgainMs: 0 })
      tick(++life)
    },
    end() {
      alive = false
      life++
    },
  }
}
