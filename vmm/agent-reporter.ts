/** Says what changed, once, a little later: many changes of one moment are one message, and nothing is said twice. */
import type { FromAgent } from './protocol.ts'
import type { ImageReport, MachineReport, StorageReport, StrayReport } from './report.ts'

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

/**
 * A stray is told again after so long, with the next reading of the host: the answer was silence while its desktop was on
 * its way or its home away. Longer: copies lie about; shorter: on shared storage every host tells of all the others' disks.
 */
const strayAgainMs = 40_000

interface AllReports {
  machines: MachineReport[]
  images: ImageReport[]
  storage?: StorageReport
}

export interface Reporter {
  opened(channel: AgentChannel, all: () => AllReports): void
  closed(): void
  /** @param person it is a person's: one may wait for it. */
  machine(report: MachineReport, person: boolean): void
  image(report: ImageReport): void
  storage(report: StorageReport): void
  gone(id: string): void
  /** There are disks of it and no word in the wish. Said again until they are gone or it is wished. */
  stray(id: string, incarnations: readonly number[]): void
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
  let storage: StorageReport | null = null
  /** As last said over this connection. */
  let storageSaid = ''
  const gone = new Set<string>()
  const strays = new Map<string, StrayReport>()
  /** When each was said, and what. */
  const straysSaid = new Map<string, { atMs: number; text: string }>()

  function storageNews(): { storage?: StorageReport } {
    const text = JSON.stringify(storage)
    if (!storage || text === storageSaid) return {}
    storageSaid = text
    return { storage }
  }

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
      strays: [...strays.values()],
      ...storageNews(),
    }
    gone.clear()
    strays.clear()
    const things = [message.machines, message.images, message.gone, message.strays]
    if (message.storage || things.some(list => list.length > 0)) channel?.send(message)
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
    for (const things of [said, machines, images, gone, strays, straysSaid]) things.clear()
    storage = null
    storageSaid = ''
  }

  return {
    opened(opened, all) {
      forget()
      channel = opened
      const { machines, images, storage: held } = all()
      if (held && held.pools.length + held.volumes.length > 0) storage = held
      for (const report of [...machines, ...images]) said.set(report.id, JSON.stringify(report))
      channel.send({ type: 'report', full: true, machines, images, gone: [], strays: [], ...storageNews() })
    },
    closed() {
      channel = null
      forget()
    },
    machine(report, person) {
      if (!channel) return
      for (const others of [gone, strays, straysSaid]) others.delete(report.id)
      machines.set(report.id, report)
      const awaited = report.move !== null || (person && (report.ready || report.trouble !== null))
      soon(awaited && said.get(report.id) !== JSON.stringify(report))
    },
    image(report) {
      if (!channel) return
      images.set(report.id, report)
      soon()
    },
    storage(report) {
      if (!channel) return
      storage = report
      if (JSON.stringify(report) !== storageSaid && (storageSaid !== '' || report.pools.length > 0)) soon(true)
    },
    gone(id) {
      if (!channel) return
      machines.delete(id)
      images.delete(id)
      for (const others of [said, strays, straysSaid]) others.delete(id)
      gone.add(id)
      soon()
    },
    stray(id, overlays) {
      const incarnations = overlays.toSorted((a, b) => a - b)
      const text = `${incarnations}`
      const before = straysSaid.get(id)
      if (!channel || (before?.text === text && Date.now() - before.atMs < strayAgainMs)) return
      machines.delete(id)
      said.delete(id)
      straysSaid.set(id, { atMs: Date.now(), text })
      strays.set(id, { id, incarnations })
      soon()
    },
    send: message => channel?.send(message),
    stop: forget,
  }
}
