/** How each step of plan.ts is taken: one call of the host, then what it proved is noted. */
import { randomBytes } from 'node:crypto'
import { HdcsError } from '../lib/errors.ts'
import { type KnownMachine, machineStopped } from './agent-world.ts'
import type { Host } from './host.ts'
import { memoryStarted, memoryStopped } from './memory.ts'
import type { MachineStep } from './plan.ts'
import type { MachineSpec } from './spec.ts'

type Take<K extends MachineStep['do']> = (
  host: Host,
  known: KnownMachine,
  step: Extract<MachineStep, { do: K | string }> & { do: K },
  now: () => number,
) => Promise<void>

const specOf = (known: KnownMachine): MachineSpec => {
  if (!known.spec) throw new HdcsError('cancelled', 'The machine is not wished any more.')
  return known.spec
}

export const machineSteps = {
  async 'make disk'(host, known, { incarnation }) {
    await host.overlayMake({ ...specOf(known), incarnation })
    known.overlays = [...known.overlays.filter(other => other !== incarnation), incarnation]
  },
  async 'remove disk'(host, known, { incarnation }) {
    await host.overlayRemove({ machineId: known.id, incarnation })
    known.overlays = known.overlays.filter(other => other !== incarnation)
  },
  async start(host, known, _step, now) {
    known.heard = { stopped: null, agent: false }
    const spec = specOf(known)
    const found = await host.machineStart(spec)
    known.memory = memoryStarted(known.memory, now())
    if (known.heard.stopped) {
      // It died before its start was answered: the event came first.
      known.memory = memoryStopped(known.memory, known.heard.stopped, spec.generation, now())
      return
    }
    known.found = { ...found, agentConnected: found.agentConnected || known.heard.agent }
    known.pingFailures = 0
  },
  async destroy(host, known, _step, now) {
    await host.machineDestroy(known.id)
    if (known.found) machineStopped(known, 'wished', now())
  },
  async 'shut down'(host, known, _step, now) {
    const { memory } = known
    // Noted before it is asked: a guest that is asked and ends at once was not asked by itself.
    known.memory = { ...memory, shutdownAskedAtMs: memory.shutdownAskedAtMs ?? now(), shutdownLastAskedAtMs: now() }
    await host.machineShutdown(known.id)
  },
  async pause(host, known) {
    await host.machinePause(known.id)
    if (known.found) known.found = { ...known.found, power: 'paused' }
  },
  async resume(host, known) {
    await host.machineResume(known.id)
    if (known.found) known.found = { ...known.found, power: 'running' }
  },
  async admit(host, known, { serial }) {
    const { stops } = known.memory
    const wished = known.spec?.graphics
    const graphics =
      wished && wished.serial === serial
        ? await host.graphicsAdmit(known.id, wished.password, new Date(wished.validUntil))
        : await host.graphicsAdmit(known.id, randomBytes(24).toString('base64url'), new Date(0))
    // Another life since: its QEMU has not heard of this password.
    if (!known.found || known.memory.stops !== stops) return
    known.memory = { ...known.memory, admittedSerial: serial }
    if (graphics) known.found = { ...known.found, graphics }
  },
} satisfies { [K in MachineStep['do']]: Take<K> }

/** Which lane a step runs in: widths in agent.ts. */
export const stepLanes = {
  'make disk': 'disk',
  'remove disk': 'disk',
  start: 'start',
  destroy: 'stop',
  'shut down': 'quick',
  pause: 'quick',
  resume: 'quick',
  admit: 'quick',
} satisfies Record<MachineStep['do'], 'disk' | 'start' | 'stop' | 'quick'>

export function takeStep(host: Host, known: KnownMachine, step: MachineStep, now: () => number): Promise<void> {
  const take = machineSteps[step.do] as Take<MachineStep['do']>
  return take(host, known, step as never, now)
}
