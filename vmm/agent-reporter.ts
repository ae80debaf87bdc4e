/** Says what changed, once, a little later: many changes of one moment are one message, and nothing is said twice. */
import type { FromAgent } from './protocol.ts'
import type { ImageReport, MachineReport } from './report.ts'

export interface AgentChannel {
  send(message: FromAgent): void
}

/** Changes within this time go out together. Longer: pages lag behind; shorter: a pool that fills sends a message per machine and step. */
const gatherMs = 40
/**
 * What somebody waits for (a person's desktop that is ready or cannot be, the other host of a move) goes out this long
 * after the last message, with all else there is to say. Longer: they wait; shorter: a class is a message per desktop.
 */
const awaitedMs = 5

export interface Reporter {
  opened(channel: AgentChannel, all: () => { machines: MachineReport[]; images: ImageReport[] }): void
  closed(): void
  /** @param person it is a person's: one may wait for it. */
  machine(report: MachineReport, person: boolean): void
  image(report: ImageReport): void
  gone(id: string): void
  /** There is a disk of it and no word in the wish. Said once per connection. */
  stray(id: string): void
  send(message: FromAgent): void
  stop(): void
}

export function makeReporter(): Reporter {
  let channel: AgentChannel | null = null
  let timer: NodeJS.Timeout | null = null
  let dueMs = Number.POSITIVE_INFINITY
  let lastSentMs = 0
  /** As last said over this connection. */
  const said = new Map<string, string>()
  const machines = new Map<string, MachineReport>()
  const images = new Map<string, ImageReport>()
  const gone = new Set<string>()
  const strays = new Set<string>()
  const straysSaid = new Set<string>()

  const flush = () => {
    timer = null
    dueMs = Number.POSITIVE_INFINITY
    lastSentMs = Date.now()
    const fresh = <T extends { id: string }>(reports: Map<string, T>) => {
      const changed = [...reports.values()].filter(report => {
        const text = JSON.stringify(report)
        if (said.get(report.id) === text) return false
        said.set(report.id, text)
        return true
      })
      reports.clear()
      return changed
    }
    const message: FromAgent = {
      type: 'report',
      full: false,
      machines: fresh(machines),
      images: fresh(images),
      gone: [...gone],
      strays: [...strays],
    }
    gone.clear()
    strays.clear()
    const things = [message.machines, message.images, message.gone, message.strays]
    if (things.some(list => list.length > 0)) channel?.send(message)
  }
  const soon = (awaited = false) => {
    const nowMs = Date.now()
    const inMs = awaited ? Math.max(0, Math.min(awaitedMs, lastSentMs + awaitedMs - nowMs)) : gatherMs
    const wantedMs = nowMs + inMs
    if (!channel || wantedMs >= dueMs) return
    if (timer) clearTimeout(timer)
    dueMs = wantedMs
    timer = setTimeout(flush, inMs)
  }
  const forget = () => {
    if (timer) clearTimeout(timer)
    timer = null
    dueMs = Number.POSITIVE_INFINITY
    for (const map of [said, machines, images]) map.clear()
    for (const set of [gone, strays, straysSaid]) set.clear()
  }

  return {
    opened(opened, all) {
      forget()
      channel = opened
      const { machines, images } = all()
      for (const report of [...machines, ...images]) said.set(report.id, JSON.stringify(report))
      channel.send({ type: 'report', full: true, machines, images, gone: [], strays: [] })
    },
    closed() {
      channel = null
      forget()
    },
    machine(report, person) {
      if (!channel) return
      gone.delete(report.id)
      machines.set(report.id, report)
      const awaited = report.move !== null || (person && (report.ready || report.trouble !== null))
      soon(awaited && said.get(report.id) !== JSON.stringify(report))
    },
    image(report) {
      if (!channel) return
      images.set(report.id, report)
      soon()
    },
    gone(id) {
      if (!channel) return
      machines.delete(id)
      images.delete(id)
      said.delete(id)
      gone.add(id)
      soon()
    },
    stray(id) {
      if (!channel || straysSaid.has(id)) return
      machines.delete(id)
      said.delete(id)
      straysSaid.add(id)
      strays.add(id)
      soon()
    },
    send: message => channel?.send(message),
    stop: forget,
  }
}
