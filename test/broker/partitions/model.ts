/** A cluster in virtual time: what may happen to it, and what must be true of it in the end. */
import type { FromAgent } from '../../../vmm/protocol.ts'
import { type ModelAgent, startModelAgent } from './agent.ts'
import { type DesktopRow, desktopRow, type ModelControl, makeModelControl } from './control.ts'
import { type Line, makeLine } from './line.ts'
import { diskKey, domainEnd, makeStorage, powerCut, type Room, type RoomHost } from './room.ts'
import { makeTimeline, type Timeline } from './timeline.ts'

export interface Setup {
  hosts: { name: string; storage: string; locks: boolean }[]
  desktops: {
    id: string
    kind: 'floating' | 'persistent'
    assigned: boolean
    host: string
    ha?: 'restart' | 'wait'
    power?: 'running' | 'stopped'
  }[]
  /** What the cluster's fence command does; none when absent. */
  fence?: 'works' | 'fails'
}

/** Everything that may happen. */
export const happenings = {
  cut: (model, host) => model.atHost(host, (room, line) => !room.cut && line.cut()),
  heal: (model, host) => model.atHost(host, (room, line) => room.cut && line.heal()),
  'power off': (model, host) => model.powerOff(host),
  'power on': (model, host) => model.powerOn(host),
  'kill agent': (model, host) => model.agentEnd(host),
  'start agent': (model, host) => model.agentBegin(host),
  'kill control': model => model.controlEnd(),
  'start control': model => model.controlBegin(),
  crash: (model, id) => model.crash(id),
  'confirm off': (model, host) => model.confirmOff(host),
  'switch off': (model, id) => model.control.wish(id, row => (row.power = 'stopped'), 'switch it off'),
  'switch on': (model, id) => model.control.wish(id, row => (row.power = 'running'), 'switch it on'),
  'give back': (model, id) => model.giveBack(id),
  delete: (model, id) => model.control.wish(id, row => (row.present = false), 'delete it'),
} satisfies Record<string, (model: Model, subject: string) => unknown>
export type Happening = keyof typeof happenings

export interface Model {
  timeline: Timeline
  room: Room
  control: ModelControl
  atHost(name: string, act: (room: RoomHost, line: Line) => unknown): void
  powerOff(name: string): void
  powerOn(name: string): void
  agentEnd(name: string): void
  agentBegin(name: string): void
  controlEnd(): void
  controlBegin(): void
  crash(id: string): void
  confirmOff(name: string): void
  giveBack(id: string): void
  /** Cables, power, agents and the control plane are all there again. */
  everythingBack(again?: number): void
  /** What is not as the wish says; empty is well. */
  wrongs(): string[]
}

export function makeModel(setup: Setup, seed: number): Model {
  const timeline = makeTimeline(seed)
  const storages = new Map([...new Set(setup.hosts.map(host => host.storage))].map(id => [id, makeStorage(id)]))
  const room: Room = { hosts: new Map(), doubles: [] }
  const lines = new Map<string, Line>()
  const agents = new Map<string, ModelAgent>()
  const control = makeModelControl({
    timeline,
    send: (name, message) => lines.get(name)?.toAgent(message),
    fence: setup.fence ? (name, ended) => fence(name, setup.fence === 'works', ended) : null,
  })
  const hostOf = (name: string): RoomHost => {
    const host = room.hosts.get(name)
    if (!host) throw new Error(`no host ${name}`)
    return host
  }

  /** Out of band, as a power switch is: the network's cuts do not reach it. */
  function fence(name: string, works: boolean, ended: (well: boolean) => void): void {
    timeline.note('control', `runs the fence command for ${name}`)
    timeline.after(timeline.between(1_000, 4_000), () => {
      if (works) model.powerOff(name)
      ended(works)
    })
  }

  const model: Model = {
    timeline,
    room,
    control,
    atHost: (name, act) => void act(hostOf(name), lines.get(name) as Line),
    powerOff(name) {
      const host = hostOf(name)
      if (!host.on) return
      timeline.note(name, 'loses power')
      model.agentEnd(name)
      powerCut(host)
    },
    powerOn(name) {
      const host = hostOf(name)
      if (host.on) return
      timeline.note(name, 'boots')
      host.on = true
      timeline.after(timeline.between(1_000, 3_000), () => model.agentBegin(name))
    },
    agentEnd(name) {
      if (!agents.has(name)) return
      agents.get(name)?.kill()
      agents.delete(name)
      lines.get(name)?.drop()
    },
    agentBegin(name) {
      const host = hostOf(name)
      if (!host.on || agents.has(name)) return
      const send = (message: FromAgent) => lines.get(name)?.toControl(message)
      agents.set(name, startModelAgent(room, host, timeline, send))
    },
    controlEnd() {
      if (!control.alive) return
      control.end()
      for (const line of lines.values()) line.drop()
    },
    controlBegin() {
      if (!control.alive) control.begin()
    },
    crash(id) {
      for (const host of room.hosts.values())
        if (host.domains.has(id)) {
          timeline.note(host.name, `${id} crashes`)
          domainEnd(host, id, 'crashed')
        }
    },
    confirmOff(name) {
      // A person looks before saying so.
      if (!hostOf(name).on) control.fenceConfirm(name)
    },
    giveBack(id) {
      if (control.desktops.get(id)?.kind === 'floating')
        control.wish(
          id,
          row => Object.assign(row, { assigned: false, incarnation: row.incarnation + 1 }),
          'give it back',
        )
    },
    everythingBack(again = 3) {
      timeline.note('all', 'is back')
      model.controlBegin()
      for (const [name, host] of room.hosts) {
        if (host.cut) lines.get(name)?.heal()
        model.powerOn(name)
        model.agentBegin(name)
      }
      // A fence command that was under way may still switch one off.
      if (again > 0) timeline.after(10_000, () => model.everythingBack(again - 1))
    },
    wrongs: () => [...room.doubles, ...wrongsOf(room, [...control.desktops.values()])],
  }

  for (const { name, storage, locks } of setup.hosts) {
    const shared = storages.get(storage)
    if (!shared) throw new Error(`no storage ${storage}`)
    room.hosts.set(name, { name, storage: shared, locks, on: true, cut: false, domains: new Map(), listener: null })
    control.hosts.set(name, {
      name,
      storageId: storage,
      diskLocks: locks,
      state: 'joining',
      stateSince: timeline.now(),
      beatAt: null,
      fencedAt: null,
      fencing: false,
      fenceAgainMs: 0,
    })
    const host = hostOf(name)
    lines.set(
      name,
      makeLine(host, timeline, {
        agentIsThere: () => agents.has(name),
        controlIsThere: () => control.alive,
        agentOpened: () => agents.get(name)?.opened(),
        agentHears: message => agents.get(name)?.hears(message),
        controlHears: message => control.hears(name, message),
      }),
    )
  }
  for (const { host, ...desktop } of setup.desktops)
    control.desktops.set(desktop.id, desktopRow({ ...desktop, hostName: host }))
  control.begin()
  for (const { name } of setup.hosts) model.agentBegin(name)
  return model
}

/** Every desktop is where and as it is wished, once; no domain, disk or lock is left besides. */
function wrongsOf(room: Room, rows: DesktopRow[]): string[] {
  const wrong: string[] = []
  const hosts = [...room.hosts.values()]
  const wishedDisks = new Set<string>()
  for (const row of rows) {
    const where = hosts.filter(host => host.domains.has(row.id)).map(host => host.name)
    const disk = diskKey(row.id, row.incarnation)
    if (!row.present) wrong.push(`${row.id} was to be removed`)
    else if (row.power === 'running' && where.join() !== row.hostName)
      wrong.push(`${row.id} shall run on ${row.hostName} and runs on ${where.join() || 'none'}`)
    else if (row.power === 'stopped' && where.length > 0)
      wrong.push(`${row.id} shall stand still and runs on ${where.join()}`)
    else if (row.phase !== (row.power === 'running' ? 'ready' : 'stopped')) wrong.push(`${row.id} is ${row.phase}`)
    if (!room.hosts.get(row.hostName)?.storage.overlays.has(disk)) wrong.push(`${row.id} has no disk ${disk}`)
    wishedDisks.add(`${room.hosts.get(row.hostName)?.storage.id} ${disk}`)
  }
  const known = new Set(rows.map(row => row.id))
  for (const host of hosts)
    for (const id of host.domains.keys()) if (!known.has(id)) wrong.push(`${id} is nobody’s and runs on ${host.name}`)
  for (const storage of new Set(hosts.map(host => host.storage))) {
    for (const disk of storage.overlays.keys())
      if (!wishedDisks.has(`${storage.id} ${disk}`)) wrong.push(`the disk ${disk} is left on ${storage.id}`)
    for (const [disk, holder] of storage.locks)
      if (!storage.writers.get(disk)?.has(holder)) wrong.push(`the lock of ${disk} is left with ${holder}`)
  }
  return wrong
}
