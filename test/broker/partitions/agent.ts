/** The agent's loop over its real parts: agent-world, plan, memory, steps and report. Only time and the wire are the model's. */
import { asHdcsError } from '../../../lib/errors.ts'
import { machineReport } from '../../../vmm/agent-report.ts'
import { takeStep } from '../../../vmm/agent-steps.ts'
import {
  emptyWorld,
  type KnownMachine,
  worldChange,
  worldEvent,
  worldListing,
  worldVersions,
  worldWish,
} from '../../../vmm/agent-world.ts'
import { memoryAnswered, memoryFailed } from '../../../vmm/memory.ts'
import { isBooting, type MachineStep, planMachine } from '../../../vmm/plan.ts'
import { noVolumes } from '../../../vmm/plan-volumes.ts'
import { beatMs, type FromAgent, protocolVersion, type ToAgent } from '../../../vmm/protocol.ts'
import type { HostReport } from '../../../vmm/report.ts'
import { hostHands, type Room, type RoomHost } from './room.ts'
import type { Timeline } from './timeline.ts'

/** As in vmm/agent-reading.ts. */
const rereadMs = 45_000
/** From, to: a step's way through libvirt. */
const durations = {
  'make disk': [20, 200],
  'remove disk': [20, 100],
  start: [200, 1_500],
  destroy: [100, 800],
  'shut down': [5, 20],
  pause: [5, 20],
  resume: [5, 20],
  admit: [5, 20],
} satisfies Partial<Record<MachineStep['do'], [number, number]>>

export interface ModelAgent {
  opened(): void
  hears(message: ToAgent): void
  kill(): void
}

export function startModelAgent(
  room: Room,
  host: RoomHost,
  timeline: Timeline,
  send: (message: FromAgent) => void,
): ModelAgent {
  const world = emptyWorld(host.storage.id)
  const hands = hostHands(room, host, timeline)
  const told = new Map<string, string>()
  const straysTold = new Set<string>()
  const nowMs = () => timeline.nowMs()
  let alive = true

  const report = (): HostReport => ({
    facts: { storageId: host.storage.id, diskLocks: host.locks } as HostReport['facts'],
    capacity: 10,
    usage: { cpu: 0, memoryUsedBytes: 0, storageTotalBytes: 1, storageFreeBytes: 1 },
    troubles: [],
  })

  function read(): Set<string> {
    const machines = [...host.domains.values()]
    const listing = { machines, overlays: [...host.storage.overlays.values()], images: [] }
    const { touched, missing } = worldListing(world, listing, worldVersions(world), nowMs())
    if (missing) later(1_000, () => turn(read()))
    return touched
  }

  function later(ms: number, act: () => void | Promise<void>): void {
    timeline.after(ms, () => (alive ? act() : undefined))
  }

  function turn(ids: Iterable<string>): void {
    const some = [...ids]
    for (const id of some) {
      const known = world.machines.get(id)
      if (known) judge(known)
    }
    tell(some)
  }

  function judge(known: KnownMachine): void {
    const answers = known.found?.agentConnected && !known.memory.answered
    if (answers) known.memory = memoryAnswered(known.memory, nowMs())
    if (known.busy) return
    const decision = plan(known)
    known.decision = decision
    if (decision.wakeAtMs !== null) later(decision.wakeAtMs - nowMs() + 1, () => turn([known.id]))
    if (decision.step) run(known, decision.step, decision.because)
  }

  const plan = (known: KnownMachine) =>
    planMachine(
      {
        ...known,
        image: 'ready',
        imageSha256: null,
        volumes: noVolumes,
        networkReady: true,
        networkTrouble: null,
        wishHeard: world.wishHeard,
      },
      nowMs(),
    )

  function run(known: KnownMachine, step: MachineStep, because: string): void {
    known.busy = step.do
    known.version++
    const [least, most] = durations[step.do as keyof typeof durations] ?? [5, 20]
    // What libvirt was asked goes on though the agent dies; whether it was asked already is chance.
    const asked = timeline.random() < 0.5
    timeline.after(timeline.between(least, most), async () => {
      if (!host.on || (!alive && !asked)) return
      if (alive && step.do !== 'admit') timeline.note(host.name, `${named(known)} ${shown(step)}: ${because}`)
      const thrown = await takeStep(hands, known, step, nowMs, () => tell([known.id])).catch((error: unknown) =>
        asHdcsError(error),
      )
      if (!alive) return
      if (thrown) {
        known.memory = memoryFailed(known.memory, thrown, nowMs())
        timeline.note(host.name, `${named(known)} ${step.do} failed: ${thrown.message}`)
      } else if (isProven(known)) known.memory = { ...known.memory, trouble: null }
      known.busy = null
      known.version++
      turn([known.id])
      if (thrown?.code === 'not_found' || thrown?.code === 'conflict') turn(read())
    })
  }

  /** As in vmm/agent.ts: a boot proves itself by an answer, not by having begun. */
  const isProven = ({ spec, found, memory }: KnownMachine) =>
    (!found || !isBooting(spec, found, memory, nowMs())) && memory.stopped !== 'crashed'

  function tell(ids: Iterable<string>): void {
    const message: Extract<FromAgent, { type: 'report' }> = {
      type: 'report',
      full: false,
      machines: [],
      images: [],
      gone: [],
      strays: [],
    }
    for (const id of ids) {
      const known = world.machines.get(id)
      if (!known) continue
      if (known.spec || known.found || known.busy || !world.wishHeard) {
        const now = machineReport(known, nowMs())
        const text = JSON.stringify(now)
        if (told.get(id) !== text) message.machines.push(now)
        told.set(id, text)
      } else if (known.overlays.length > 0) {
        if (!straysTold.has(id)) message.strays.push({ id, incarnations: [...known.overlays] })
        straysTold.add(id)
      } else {
        world.machines.delete(id)
        told.delete(id)
        message.gone.push(id)
      }
    }
    if (message.machines.length + message.gone.length + message.strays.length > 0) send(message)
  }

  host.listener = event => {
    if (!alive) return
    const touched = worldEvent(world, event, nowMs())
    if (touched !== null && touched !== 'reread') turn([touched])
  }
  const beat = () => {
    send({ type: 'beat', host: null })
    later(beatMs, beat)
  }
  const reread = () => {
    turn(read())
    later(rereadMs, reread)
  }
  later(timeline.between(0, beatMs), beat)
  reread()

  return {
    opened() {
      told.clear()
      straysTold.clear()
      send({ type: 'hello', protocol: protocolVersion, host: report() })
      const machines = [...world.machines.values()].map(known => machineReport(known, nowMs()))
      send({ type: 'report', full: true, machines, images: [], gone: [], strays: [] })
    },
    hears(message) {
      if (message.type === 'operate') return
      turn(message.type === 'wish' ? worldWish(world, message.spec) : worldChange(world, message))
    },
    kill() {
      alive = false
      host.listener = null
    },
  }
}

const named = (known: KnownMachine) => `${known.id}:`
const shown = (step: MachineStep) => ('incarnation' in step ? `${step.do} ${step.incarnation}` : step.do)
