/**
 * The loop of a host: it hears the wish, looks at what is, takes the next steps and says what changed. It works on
 * while the control plane is away, and a killed agent loses nothing: the next one reads the host and waits for a wish.
 */
import { capacityOf } from '../lib/capacity.ts'
import { type Clock, pause, systemClock } from '../lib/clock.ts'
import { asHdcsError, type ErrorCode, HdcsError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { ioStalledPercent, makeBootQueue } from './agent-boots.ts'
import type { ConsoleDial } from './agent-console.ts'
import { startUsbLook } from './agent-dongles.ts'
import { startForeignWatch } from './agent-foreign.ts'
import { startAgentImages } from './agent-images.ts'
import { startAgentNetwork } from './agent-network.ts'
import { startAgentOperations } from './agent-operations.ts'
import { makePing } from './agent-readiness.ts'
import { startHostReading } from './agent-reading.ts'
import { machineReport } from './agent-report.ts'
import { type AgentChannel, makeReporter } from './agent-reporter.ts'
import { makeSetup } from './agent-setup.ts'
import { isMoveStep, stepLanes, takeStep } from './agent-steps.ts'
import { startAgentStorage } from './agent-storage.ts'
import { emptyWorld, type KnownMachine, worldChange, worldEvent, worldWish } from './agent-world.ts'
import type { Host } from './host.ts'
import { makeLane } from './lanes.ts'
import { memoryFailed } from './memory.ts'
import { failedMove, freshMove, moveHolds } from './moves.ts'
import { isBooting, type MachineFacts, type MachineStep, planMachine } from './plan.ts'
import { beatMs, protocolVersion, type ToAgent } from './protocol.ts'
import type { HostAbility, HostReport } from './report.ts'
import { noSnapshots } from './snapshots.ts'

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
  /** Brings consoles to where pages wait for them; none: it brings none. */
  dialConsole?: ConsoleDial
  log: Log
  clock?: Clock
  /** Boots at once; the host's cores unless given. */
  bootSlots?: number
}

/** The host's own figures (usage) ride on a beat this often. */
const hostReportMs = 30_000
/** At the end, calls in flight get this long; the machines stay as they are in any case. */
const farewellMs = 5_000
/** Before the control plane is dialled, guests found running get this long to answer: else warm desktops flap. */
const firstPingsMs = 2_000
/** Between attempts to read the host at all. */
const firstReadMs = 1_000
/** Older control planes drop what they do not know. */
const abilities: HostAbility[] = ['save', 'snapshots', 'script']
const rereadAfter: readonly ErrorCode[] = ['not_found', 'conflict', 'unreachable']
/** setTimeout's own limit: a later moment is looked at again then. */
const longestTimerMs = 2 ** 31 - 1

/**
 * How much at once. Wider `disk`: the disk's queue delays the boots beside it; wider `stop`: libvirtd's workers are
 * busy waiting for dying QEMUs; narrower `quick`: people wait for their screen behind others. Starts have their own
 * admission (boot.ts). Wider `move`: guests share the line and all take longer, each changing its memory meanwhile.
 */
const laneWidths = { disk: 4, start: 64, stop: 6, quick: 16, move: 4 }

/**
 * Runs until disposed; machines are left as they are. Waits until the host can be read.
 * @throws HdcsError what the host says of itself when it cannot even say what it is.
 */
export async function startAgent(options: AgentOptions): Promise<AsyncDisposable> {
  const { host, log, clock = systemClock } = options
  const nowMs = () => clock.now().getTime()
  const startedAt = clock.now().toISOString()
  let facts = await host.facts()
  let lastUsage = await host.usage()
  const world = emptyWorld(facts.storageId)
  const reporter = makeReporter()
  const lanes = {
    disk: makeLane(laneWidths.disk),
    start: makeLane(laneWidths.start),
    stop: makeLane(laneWidths.stop),
    quick: makeLane(laneWidths.quick),
    move: makeLane(laneWidths.move),
  }
  const inFlight = new Set<Promise<unknown>>()
  const wakes = new Map<string, NodeJS.Timeout>()
  const dirty = new Set<string>()
  let ended = false
  const ending = new AbortController()
  let turning: NodeJS.Immediate | null = null
  let swept = false

  const track = (work: Promise<unknown>) => {
    inFlight.add(work)
    void work.finally(() => inFlight.delete(work))
  }
  /** Something about these machines changed: they are judged at the next turn, many changes in one. */
  const touch = (ids: Iterable<string>) => {
    for (const id of ids) dirty.add(id)
    if (!ended) turning ??= setImmediate(turn)
  }
  const touchAll = () => touch(world.machines.keys())

  const images = startAgentImages({ host, world, reporter, log, nowMs, track, changed: touchAll, gone: sweep })
  const network = startAgentNetwork({ host, world, log, track, changed: touchAll })
  const storage = startAgentStorage({ host, world, log, nowMs, track, say: reporter.storage, changed: touchAll })
  const specOf = (id: string) => world.machines.get(id)?.spec ?? null
  const operate = startAgentOperations({
    host,
    reporter,
    log,
    specOf,
    nowMs,
    ended: ending.signal,
    dialConsole: options.dialConsole,
  })
  const ping = makePing({ host, nowMs, track, touch })
  const setup = makeSetup({ host, nowMs, log, track, touch, ended: ending.signal })
  const usb = startUsbLook({ host, world, log, touch })
  const reading = startHostReading({ host, world, log, nowMs, touch })
  const strangers = startForeignWatch({ host, log })
  const boots = makeBootQueue({
    world,
    nowMs,
    slots: options.bootSlots ?? facts.cpus,
    ...(!facts.simulated && { ioStalledPercent }),
    start: known => run(known, { do: 'start' }),
    moved: ({ id }) => say(id),
  })

  function turn(): void {
    turning = null
    if (ended) return
    const ids = [...dirty]
    dirty.clear()
    for (const id of ids) {
      const known = world.machines.get(id)
      if (known) judge(known)
    }
    boots.admit()
    for (const id of ids) say(id)
    images.turn()
    network.ensure()
    storage.turn()
  }

  const factsOf = (known: KnownMachine): MachineFacts => ({
    ...known,
    image: known.spec ? images.stateOf(known.spec.imageId) : 'coming',
    disc: known.spec?.cdrom ? images.stateOf(known.spec.cdrom) : 'ready',
    imageSha256: world.images.get(known.spec?.imageId ?? '')?.found?.sha256 ?? null,
    volumes: storage,
    networkReady: network.ready(known),
    networkTrouble: network.trouble?.code === 'unreachable' ? null : network.trouble,
    wishHeard: world.wishHeard,
  })

  function judge(known: KnownMachine): void {
    clearTimeout(wakes.get(known.id))
    wakes.delete(known.id)
    if (known.found?.agentConnected && !known.found.arriving && !known.memory.answered) ping(known)
    setup(known)
    if (known.moving && !moveHolds(known.spec, known.moving.moveId, known.busy))
      known.moving.controller.abort(new HdcsError('cancelled', 'The move was cancelled.'))
    if (!known.spec?.adopt) known.adopting?.abort(new HdcsError('cancelled', 'It shall not be taken over any more.'))
    if (known.savingEnds && !(known.spec?.power === 'stopped' && known.spec.keepMemory))
      known.savingEnds.abort(new HdcsError('cancelled', 'Its memory shall not be saved any more.'))
    if (known.copying && !known.spec?.clone) known.copying.abort(new HdcsError('cancelled', 'The copy was cancelled.'))
    const decision = known.busy ? null : planMachine(factsOf(known), nowMs())
    if (decision?.step?.do === 'start') boots.join(known)
    else boots.leave(known)
    if (!decision) return
    known.decision = decision
    if (decision.wakeAtMs !== null) wake(known.id, decision.wakeAtMs)
    if (decision.step && decision.step.do !== 'start') run(known, decision.step)
  }

  function wake(id: string, atMs: number): void {
    const inMs = Math.min(Math.max(0, atMs - nowMs()) + 1, longestTimerMs)
    wakes.set(
      id,
      setTimeout(() => touch([id]), inMs),
    )
  }

  function run(known: KnownMachine, step: MachineStep): void {
    known.busy = step.do
    known.version++
    const work = lanes[stepLanes[step.do]](() => takeIfStill(known, step), known.spec?.priority === 'person')
      .catch(thrown => failed(known, step, thrown))
      .finally(() => {
        known.busy = null
        known.version++
        touch([known.id])
      })
    // A guest on its way goes on without us: nobody waits for it at the end.
    if (!isMoveStep(step) && step.do !== 'save') track(work)
  }

  /** The wish may have changed while the step waited for its turn in the lane. */
  async function takeIfStill(known: KnownMachine, step: MachineStep): Promise<void> {
    const again = planMachine(factsOf(known), nowMs()).step
    if (ended || JSON.stringify(again) !== JSON.stringify(step)) return
    log.debug({ machine: known.id, step, because: known.decision?.because }, 'step')
    if (step.do === 'remove disk')
      log.info({ machine: known.id, incarnation: step.incarnation, because: known.decision?.because }, 'removes a disk')
    await takeStep(host, known, step, nowMs, () => touch([known.id]))
    if ('volumeId' in step) storage.plugged(known.id, step.volumeId)
    // A boot proves itself by an answer, not by having begun.
    const proven = !known.found || !isBooting(known.spec, known.found, known.memory, nowMs())
    if (proven && known.memory.stopped !== 'crashed') known.memory = { ...known.memory, trouble: null }
  }

  function failed(known: KnownMachine, step: MachineStep, thrown: unknown): void {
    const error = asHdcsError(thrown, `The step “${step.do}” failed; the agent’s log on the host says why.`)
    // libvirt or the control plane being away passes, and nothing was refused: tried again.
    if (isMoveStep(step) && error.code !== 'unreachable') moveFailed(known, step, error)
    else if ('volumeId' in step) wake(known.id, storage.plugFailed(known.id, step.volumeId, troubleOf(error)))
    else if (step.do === 'save' && error.code !== 'unreachable') savingFailed(known, error)
    else if ('snapshotId' in step && error.code !== 'unreachable') snapshotFailed(known, step, error)
    else known.memory = memoryFailed(known.memory, error, nowMs())
    log.warn({ machine: known.id, name: known.spec?.name, step: step.do, code: error.code, err: error }, error.message)
    // What we know of the host is then not what is; and whether it can be read at all is what people should be told.
    if (rereadAfter.includes(error.code)) void reading.read()
    // How full it is decides where desktops are made: said with the next beat.
    if (error.code === 'storage_full') usageAtMs = 0
  }

  const troubleOf = ({ code, message: text }: HdcsError) => ({ code, text })

  function moveFailed(known: KnownMachine, step: MachineStep, { code, message: text }: HdcsError): void {
    if (!('moveId' in step)) return
    // It was gone before the answer came: an error of the last moment changes nothing.
    const left = step.do === 'send guest' && !known.found && known.memory.stopped === 'wished'
    known.move = left ? freshMove(step.moveId, 'left') : failedMove(step.moveId, { code, text })
    void reading.read()
  }

  /** Said of the saving alone: the guest runs on, and nothing is wrong with it. */
  function savingFailed(known: KnownMachine, { code, message: text }: HdcsError): void {
    if (known.saving) known.saving = { ...known.saving, trouble: { code, text } }
    void reading.read()
  }

  function snapshotFailed(known: KnownMachine, step: MachineStep & { snapshotId: string }, error: HdcsError): void {
    const { snapshots = noSnapshots } = known
    const id = step.do === 'revert' ? step.revertId : step.snapshotId
    const failed = { ...snapshots.failed, [id]: { code: error.code, text: error.message } }
    known.snapshots = { ...snapshots, failed }
  }

  function say(id: string): void {
    const known = world.machines.get(id)
    if (!known) return
    const held = known.spec || known.found || known.busy
    if (held || !world.wishHeard)
      return void reporter.machine(machineReport(known, nowMs()), known.spec?.priority === 'person')
    if (known.overlays.length > 0) return void reporter.stray(id, known.overlays)
    world.machines.delete(id)
    reporter.gone(id)
  }

  const events = host.events()[Symbol.asyncIterator]()
  const listening = (async () => {
    for (let next = await events.next(); !next.done; next = await events.next()) {
      const touched = worldEvent(world, next.value, nowMs())
      if (next.value.type === 'reread') renew()
      else if (touched === 'reread') void reading.read()
      else if (touched) touch([touched])
    }
  })().catch(thrown => log.error({ err: thrown }, 'the host’s events ended'))

  /** The host lost sight of things and has it back: what failed for want of it is tried at once. */
  function renew(): void {
    network.doubt()
    storage.doubt()
    for (const known of world.machines.values())
      if (known.memory.unreachable) known.memory = { ...known.memory, retryAtMs: 0, unreachable: false }
    void reading.read()
  }

  // A full report of what was never listed would say that everything is gone.
  for (await reading.read(); !reading.known; await reading.read()) await pause(firstReadMs)
  await usb.look()
  for (const known of world.machines.values()) if (known.found?.agentConnected) ping(known)
  await Promise.race([Promise.allSettled(inFlight), pause(firstPingsMs)])

  async function sweep(): Promise<void> {
    swept = true
    const wished = new Set([...world.images.values()].flatMap(({ id, spec }) => (spec ? [id] : [])))
    await host
      .sweep(wished)
      .catch(thrown => log.warn({ err: thrown }, 'half-made files of earlier work were not removed'))
  }

  const hostReport = (): HostReport => ({
    facts: { ...usb.facts(facts), can: abilities },
    capacity: capacityOf(facts).desktops,
    usage: lastUsage,
    troubles: [reading.trouble, network.trouble].filter(trouble => trouble !== null),
  })

  const connection = options.connect({
    opened(channel) {
      channel.send({ type: 'hello', protocol: protocolVersion, host: hostReport(), startedAt })
      reporter.opened(channel, () => ({
        machines: [...world.machines.values()].map(known => machineReport(known, nowMs())),
        images: images.reports(),
        storage: storage.report(),
      }))
    },
    heard(message) {
      if (message.type === 'operate') operate(message.operation)
      else if (message.type === 'change') touch(worldChange(world, message))
      else {
        touch(worldWish(world, message.spec))
        if (!swept) void sweep()
      }
    },
    closed() {
      reporter.closed()
      strangers.forget()
    },
  })

  let told = ''
  let usageAtMs = 0
  const beating = setInterval(async () => {
    const due = nowMs() - usageAtMs >= hostReportMs
    if (due) {
      usageAtMs = nowMs()
      lastUsage = await host.usage().catch(() => lastUsage) // the last figures are better than no beat
      facts = await host.facts().catch(() => facts) // likewise
    }
    // Not waited for: a libvirt that hangs must not make the host look lost. What is new goes with the next beat.
    void usb.look()
    const report = hostReport()
    const foreign = strangers.news()
    const news = JSON.stringify([report.troubles, report.facts.usbDevices])
    reporter.send({ type: 'beat', host: due || foreign || news !== told ? { ...report, foreign } : null })
    told = news
  }, beatMs)

  return {
    async [Symbol.asyncDispose]() {
      if (ended) return
      ended = true
      ending.abort()
      clearInterval(beating)
      reading[Symbol.dispose]()
      network[Symbol.dispose]()
      strangers[Symbol.dispose]()
      storage[Symbol.dispose]()
      if (turning) clearImmediate(turning)
      for (const timer of wakes.values()) clearTimeout(timer)
      images.abort(new HdcsError('cancelled', 'The agent ends.'))
      for (const { copying } of world.machines.values()) copying?.abort(new HdcsError('cancelled', 'The agent ends.'))
      reporter.stop()
      await connection[Symbol.asyncDispose]()
      await events.return?.()
      await listening
      await Promise.race([Promise.allSettled(inFlight), pause(farewellMs)])
    },
  }
}
