/**
 * The loop of a host: it hears the wish, looks at what is, takes the next steps and says what changed. It works on
 * while the control plane is away, and a killed agent loses nothing: the next one reads the host and waits for a wish.
 */
import { type Clock, pause, systemClock } from '../lib/clock.ts'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { startAgentImages } from './agent-images.ts'
import { startAgentOperations } from './agent-operations.ts'
import { machineReport } from './agent-report.ts'
import { type AgentChannel, makeReporter } from './agent-reporter.ts'
import { stepLanes, takeStep } from './agent-steps.ts'
import {
  emptyWorld,
  type KnownMachine,
  worldChange,
  worldEvent,
  worldListing,
  worldVersions,
  worldWish,
} from './agent-world.ts'
import { admitBoots, placeShown, type WaitingBoot } from './boot.ts'
import { capacityOf } from './capacity.ts'
import type { Host } from './host.ts'
import { makeLane } from './lanes.ts'
import { memoryAnswered, memoryFailed } from './memory.ts'
import { isBooting, type MachineFacts, type MachineStep, planMachine } from './plan.ts'
import { beatMs, protocolVersion, type ToAgent } from './protocol.ts'
import type { HostReport, Trouble } from './report.ts'

/** What the connection tells the agent. It may open and close any number of times. */
export interface AgentConnection {
  opened(channel: AgentChannel): void
  heard(message: ToAgent): void
  closed(): void
}

/** Opens the way to the control plane and keeps it open (agent-socket.ts), or a test's own. */
export type AgentConnect = (connection: AgentConnection) => AsyncDisposable

export interface AgentOptions {
  host: Host
  connect: AgentConnect
  log: Log
  clock?: Clock
  /** Boots at once; the host's cores unless given. */
  bootSlots?: number
}

/** Everything is listed anew so often, in case an event was lost. Shorter: an idle host works; longer: it lingers. */
const rereadMs = 45_000
/** The host's own figures (usage) ride on a beat this often. */
const hostReportMs = 30_000
/** A guest under emulation may take a second to answer; a hung one must not keep a lane longer. */
const pingTimeoutMs = 5_000
/** A machine missing in a listing is asked for again: its own event, with the reason, may be on its way. */
const missingMs = 1_000
/** At the end, calls in flight get this long; the machines stay as they are in any case. */
const farewellMs = 5_000
/** Between attempts to read the host at all. Shorter: a libvirtd that starts is hammered; longer: people wait for it. */
const firstRereadMs = 1_000
/** Before the control plane is dialled, guests found running get this long to answer: else warm desktops flap. */
const firstPingsMs = 2_000

/**
 * How much at once. Wider `disk`: the disk's queue delays the boots beside it; wider `stop`: libvirtd's workers are
 * busy waiting for dying QEMUs; narrower `quick`: people wait for their screen behind others.
 */
const laneWidths = { disk: 4, start: 64, stop: 6, quick: 16, ping: 8 }

/** Runs until disposed; machines are left as they are. */
export async function startAgent(options: AgentOptions): Promise<AsyncDisposable> {
  const { host, log, clock = systemClock } = options
  const nowMs = () => clock.now().getTime()
  const world = emptyWorld()
  const reporter = makeReporter()
  const lanes = {
    disk: makeLane(laneWidths.disk),
    start: makeLane(laneWidths.start),
    stop: makeLane(laneWidths.stop),
    quick: makeLane(laneWidths.quick),
    ping: makeLane(laneWidths.ping),
  }
  const inFlight = new Set<Promise<unknown>>()
  const wakes = new Map<string, NodeJS.Timeout>()
  const dirty = new Set<string>()
  const waiting = new Map<string, WaitingBoot>()
  let ended = false
  let turning: NodeJS.Immediate | null = null

  const facts = await host.facts()
  const slots = options.bootSlots ?? facts.cpus
  const troubles: Record<'host' | 'network', Trouble | null> = { host: null, network: null }
  let lastUsage = await host.usage()
  let networkReady: string | null = null
  let networkBusy = false
  let swept = false

  const track = (work: Promise<unknown>) => {
    inFlight.add(work)
    void work.finally(() => inFlight.delete(work))
  }
  const touch = (ids: Iterable<string>) => {
    for (const id of ids) dirty.add(id)
    if (!ended) turning ??= setImmediate(turn)
  }
  const touchAll = () => touch(world.machines.keys())

  const images = startAgentImages({ host, world, reporter, log, nowMs, track, changed: touchAll })
  const operate = startAgentOperations({ host, reporter, log })

  function factsOf(known: KnownMachine): MachineFacts {
    const { spec } = known
    return {
      ...known,
      image: spec ? images.stateOf(spec.imageId) : 'coming',
      networkReady: networkReady !== null && networkReady === world.network?.subnet,
      wishHeard: world.wishHeard,
    }
  }

  function turn(): void {
    turning = null
    if (ended) return
    const ids = [...dirty]
    dirty.clear()
    for (const id of ids) {
      const known = world.machines.get(id)
      if (known) judge(known)
    }
    admit()
    for (const id of ids) say(id)
    images.turn()
    void ensureNetwork()
  }

  function judge(known: KnownMachine): void {
    clearTimeout(wakes.get(known.id))
    wakes.delete(known.id)
    waiting.delete(known.id)
    known.place = null
    if (known.found?.agentConnected && !known.memory.answered) ping(known)
    if (known.busy) return
    const decision = planMachine(factsOf(known), nowMs())
    known.decision = decision
    if (decision.wakeAtMs !== null) wake(known.id, decision.wakeAtMs)
    if (decision.step?.do === 'start') {
      const { priority } = known.spec ?? { priority: 'prewarm' }
      waiting.set(known.id, { machineId: known.id, priority, sinceMs: sinceOf(known) })
    } else {
      since.delete(known.id)
      if (decision.step) run(known, decision.step)
    }
  }

  /** A machine keeps its place in the queue however often it is judged. */
  const since = new Map<string, number>()
  const sinceOf = (known: KnownMachine) => {
    const value = since.get(known.id) ?? nowMs()
    since.set(known.id, value)
    return value
  }

  function admit(): void {
    if (waiting.size === 0) return
    const { admitted, queue } = admitBoots(slots, bootingCount(), [...waiting.values()])
    for (const id of admitted) {
      waiting.delete(id)
      since.delete(id)
      const known = world.machines.get(id)
      if (known) run(known, { do: 'start' })
      say(id)
    }
    queue.forEach((id, index) => {
      const known = world.machines.get(id)
      const place = placeShown(index + 1)
      if (!known || known.place === place) return
      known.place = place
      say(id)
    })
  }

  function bootingCount(): number {
    let count = 0
    const now = nowMs()
    for (const { busy, spec, found, memory } of world.machines.values())
      if (busy === 'start' || isBooting(spec, found, memory, now)) count++
    return count
  }

  function wake(id: string, atMs: number): void {
    wakes.set(
      id,
      setTimeout(() => touch([id]), Math.min(Math.max(0, atMs - nowMs()) + 1, 2 ** 31 - 1)),
    )
  }

  function run(known: KnownMachine, step: MachineStep): void {
    known.busy = step.do
    known.version++
    const work = lanes[stepLanes[step.do]](async () => {
      // The wish may have changed while it waited for its turn in the lane.
      const again = planMachine(factsOf(known), nowMs()).step
      if (ended || JSON.stringify(again) !== JSON.stringify(step)) return
      log.debug({ machine: known.id, step, because: known.decision?.because }, 'step')
      await takeStep(host, known, step, nowMs)
      const well = !known.found || !isBooting(known.spec, known.found, known.memory, nowMs())
      if (well && known.memory.stopped !== 'crashed') known.memory = { ...known.memory, trouble: null }
    }, known.spec?.priority === 'person')
      .catch(thrown => failed(known, step, thrown))
      .finally(() => {
        known.busy = null
        known.version++
        touch([known.id])
      })
    track(work)
  }

  function failed(known: KnownMachine, step: MachineStep, thrown: unknown): void {
    const error = asHdcsError(thrown, `The step “${step.do}” failed; the agent’s log on the host says why.`)
    known.memory = memoryFailed(known.memory, error, nowMs())
    log.warn({ machine: known.id, name: known.spec?.name, step: step.do, code: error.code, err: error }, error.message)
    if (error.code === 'not_found' || error.code === 'conflict') void reread()
  }

  function ping(known: KnownMachine): void {
    if (known.pinging) return
    known.pinging = true
    const { stops } = known.memory
    const work = lanes
      .ping(() => host.agentPing(known.id, pingTimeoutMs))
      .catch(() => false) // not answering is an answer; the next try follows
      .then(answers => {
        const same = known.found !== null && known.memory.stops === stops
        if (same && answers) known.memory = memoryAnswered(known.memory, nowMs())
        known.pingFailures = answers ? 0 : known.pingFailures + 1
        const again = answers ? 0 : Math.min(1_000 * 2 ** (known.pingFailures - 1), 15_000)
        setTimeout(() => {
          known.pinging = false
          touch([known.id])
        }, again).unref()
      })
    track(work)
  }

  function say(id: string): void {
    const known = world.machines.get(id)
    if (!known) return
    const left = known.spec || known.found || known.overlays.length > 0 || known.busy
    if (left || !world.wishHeard) reporter.machine(machineReport(known, nowMs()))
    else {
      world.machines.delete(id)
      reporter.gone(id)
    }
  }

  let rereading: Promise<void> | null = null
  let rereadAgain = false
  let listed = false
  function reread(): Promise<void> {
    rereadAgain = rereading !== null
    rereading ??= (async () => {
      do {
        rereadAgain = false
        const before = worldVersions(world)
        const [machines, overlays, found] = await Promise.all([host.machines(), host.overlays(), host.images()])
        const { touched, missing } = worldListing(world, { machines, overlays, images: found }, before, nowMs())
        touch(touched)
        if (missing) setTimeout(() => void (ended || reread()), missingMs).unref()
        listed = true
        if (troubles.host) log.info('the host answers again')
        troubles.host = null
      } while (rereadAgain && !ended)
    })()
      .catch(thrown => {
        const error = asHdcsError(thrown, 'The host cannot be read; the agent’s log says why.')
        if (troubles.host?.text !== error.message) log.warn({ code: error.code, err: error }, error.message)
        troubles.host = { code: error.code, text: error.message }
        setTimeout(() => void (ended || reread()), 2_000).unref()
      })
      .finally(() => {
        rereading = null
      })
    return rereading
  }

  async function ensureNetwork(): Promise<void> {
    const wished = world.network
    if (!wished || networkBusy || networkReady === wished.subnet || ended) return
    networkBusy = true
    let againMs = 0
    try {
      await host.networkEnsure(wished)
      networkReady = wished.subnet
      troubles.network = null
    } catch (thrown) {
      const error = asHdcsError(thrown, 'The desktops’ network cannot be made; the agent’s log says why.')
      if (troubles.network?.text !== error.message) log.warn({ code: error.code, err: error }, error.message)
      troubles.network = { code: error.code, text: error.message }
      againMs = 5_000
    }
    setTimeout(() => {
      networkBusy = false
      touchAll()
      if (networkReady !== world.network?.subnet) void ensureNetwork()
    }, againMs).unref()
  }

  async function sweepOnce(): Promise<void> {
    if (swept) return
    swept = true
    await host
      .sweep()
      .catch(thrown => log.warn({ err: thrown }, 'half-made files of earlier work could not be removed'))
  }

  const hostReport = (): HostReport => ({
    facts,
    capacity: capacityOf(facts),
    usage: lastUsage,
    troubles: [troubles.host, troubles.network].filter(trouble => trouble !== null),
  })

  const events = host.events()[Symbol.asyncIterator]()
  const listening = (async () => {
    for (let next = await events.next(); !next.done; next = await events.next()) {
      const touched = worldEvent(world, next.value, nowMs())
      if (touched === 'reread') {
        // The network may have gone with whatever made the host lose its events.
        networkReady = null
        for (const known of world.machines.values())
          if (known.memory.trouble?.code === 'unreachable') known.memory = { ...known.memory, retryAtMs: 0 }
        void reread()
      } else if (touched) touch([touched])
    }
  })().catch(thrown => log.error({ err: thrown }, 'the host’s events ended'))

  // A full report of what was never listed would say that everything is gone.
  while (!listed) {
    await reread()
    if (!listed) await pause(firstRereadMs)
  }
  for (const known of world.machines.values()) if (known.found?.agentConnected) ping(known)
  await Promise.race([Promise.allSettled(inFlight), new Promise(r => setTimeout(r, firstPingsMs).unref())])

  let lastBeat = ''
  let hostReportAtMs = 0
  const connection = options.connect({
    opened(channel) {
      channel.send({ type: 'hello', protocol: protocolVersion, host: hostReport() })
      reporter.opened(channel, () => ({
        machines: [...world.machines.values()].map(known => machineReport(known, nowMs())),
        images: images.reports(),
      }))
    },
    heard(message) {
      if (message.type === 'operate') return operate(message.operation)
      if (message.type === 'change') touch(worldChange(world, message))
      if (message.type === 'wish') {
        touch(worldWish(world, message.spec))
        void sweepOnce()
      }
      images.turn()
    },
    closed: () => reporter.closed(),
  })

  const beating = setInterval(async () => {
    const due = nowMs() - hostReportAtMs >= hostReportMs
    if (due) hostReportAtMs = nowMs()
    if (due) lastUsage = await host.usage().catch(() => lastUsage) // the last figures are better than no beat
    const troubled = JSON.stringify(hostReport().troubles)
    reporter.send({ type: 'beat', host: due || troubled !== lastBeat ? hostReport() : null })
    lastBeat = troubled
  }, beatMs)
  const resync = setInterval(() => void reread(), rereadMs)

  return {
    async [Symbol.asyncDispose]() {
      if (ended) return
      ended = true
      clearInterval(beating)
      clearInterval(resync)
      if (turning) clearImmediate(turning)
      for (const timer of wakes.values()) clearTimeout(timer)
      images.abort(new HdcsError('cancelled', 'The agent ends.'))
      reporter.stop()
      await connection[Symbol.asyncDispose]()
      await events.return?.()
      await listening
      await Promise.race([Promise.allSettled(inFlight), new Promise(r => setTimeout(r, farewellMs).unref())])
    },
  }
}
