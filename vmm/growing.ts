/**
 * vCPUs and memory of a guest that runs: how much more it is started with room for, and which of it it gets next. Pure.
 *
 * A guest only grows while it runs: what it would give back it may be using, so less comes with its next start.
 */
import { HdcsError } from '../lib/errors.ts'
import { type MachineDecision, take } from './decision.ts'
import type { FoundMachine, GrownHardware, IdleHardware } from './host.ts'
import type { MachineMemory } from './memory.ts'
import type { RunningHardware } from './report.ts'
import type { LiveHardware, MachineSpec } from './spec.ts'

const MiB = 2 ** 20

/**
 * vCPUs are added up to so many times what it starts with, and at least up to `vcpusLeast`. Fewer: an administrator who
 * wants more has to wait for a start.
 */
const vcpusTimes = 4
const vcpusLeast = 4
const vcpusMost = 64
/** Each that may come costs Linux 260 KiB from its start on (measured): one for so much memory is 0.4 % of it at most. */
const bytesPerVcpu = 64 * MiB

/**
 * From so much on a guest has memory above 4 GiB anyway, and room for more costs it nothing. Below, Linux would keep 64 MiB
 * aside (measured: 914 instead of 981 MB of 1 GiB) for devices that reach no further, whether it ever grows or not.
 */
const memoryRoomFrom = 3 * 2 ** 30
const memoryTimes = 4
const memoryMost = 2 ** 40
/** Each growth takes one of so many. */
export const memorySlots = 16

/** How far a guest that starts with this may grow. */
export function roomOf({ vcpus, memoryBytes }: GrownHardware): Pick<RunningHardware, 'maxVcpus' | 'maxMemoryBytes'> {
  const wanted = Math.min(vcpusMost, Math.max(vcpusLeast, vcpus * vcpusTimes))
  const borne = vcpus + Math.floor(memoryBytes / bytesPerVcpu)
  const maxVcpus = Math.max(vcpus, Math.min(wanted, borne))
  const grows = memoryBytes >= memoryRoomFrom && memoryBytes < memoryMost
  return { maxVcpus, maxMemoryBytes: grows ? Math.min(memoryMost, memoryBytes * memoryTimes) : memoryBytes }
}

/** How the growth of the guest that runs went. */
export interface GrowthMemory {
  /** Under the wish of that generation it could not be given more. */
  refused: { generation: number; text: string } | null
  /** Its agent was asked to use so much. `text`: what it does not use; it is asked again then. */
  used: (GrownHardware & { text: string; againAtMs: number }) | null
}

export const freshGrowth: GrowthMemory = { refused: null, used: null }

/** What is idle may be brought online in the guest at any time. Longer: the page says so late; shorter: its agent is busy. */
export const idleLookMs = 10_000

/** Once it answered: before, its firmware may not know of what is plugged in. */
export function planGrowth(
  spec: MachineSpec,
  found: FoundMachine,
  { answered, growth }: MachineMemory,
  nowMs: number,
): MachineDecision | null {
  const { hardware } = found
  if (!spec.growNow?.length || !hardware || found.power !== 'running') return null
  if (spec.readyWhen === 'agent' && !answered) return null
  const to = grownTo(spec, hardware)
  const more = to.vcpus > hardware.vcpus || to.memoryBytes > hardware.memoryBytes
  if (more && growth.refused?.generation !== spec.generation) return take({ do: 'grow', to }, 'it is wished with more')
  const asked = growth.used?.vcpus === hardware.vcpus && growth.used.memoryBytes === hardware.memoryBytes
  const again = growth.used?.text !== '' && nowMs >= (growth.used?.againAtMs ?? 0)
  return found.agentConnected && (!asked || again) ? take({ do: 'use all' }, 'it was given more') : null
}

/** When a guest that leaves something idle is looked at again; null: it does not. */
export const growthLookAtMs = ({ growth: { used } }: MachineMemory, nowMs: number): number | null =>
  used && used.text !== '' && nowMs < used.againAtMs ? used.againAtMs : null

function grownTo({ hardware, growNow = [] }: MachineSpec, has: GrownHardware): GrownHardware {
  const wished = (name: LiveHardware) => (growNow.includes(name) ? Math.max(has[name], hardware[name]) : has[name])
  return { vcpus: wished('vcpus'), memoryBytes: wished('memoryBytes') }
}

/** What its guest leaves aside, for an administrator; empty: nothing. */
export function idleText(has: GrownHardware, idle: IdleHardware): string {
  const mib = (bytes: number) => Math.floor(bytes / MiB)
  return [
    idle.vcpus > 0 && `The guest uses ${has.vcpus - idle.vcpus} of its ${has.vcpus} vCPUs.`,
    idle.memoryBytes > 0 &&
      `The guest uses ${mib(has.memoryBytes - idle.memoryBytes)} of its ${mib(has.memoryBytes)} MiB.`,
    (idle.vcpus > 0 || idle.memoryBytes > 0) && 'Bring the rest online in the guest, or shut it down and start it.',
  ]
    .filter(text => text !== false)
    .join(' ')
}

export const growthText = ({ generation }: MachineSpec, { refused, used }: GrowthMemory): string =>
  refused?.generation === generation ? refused.text : (used?.text ?? '')

/** @throws HdcsError `unsupported`. */
export function checkGrowth(has: RunningHardware, to: GrownHardware): void {
  if (to.vcpus <= has.maxVcpus && to.memoryBytes <= has.maxMemoryBytes) return
  const text = `It was started with room for ${has.maxVcpus} vCPUs and ${has.maxMemoryBytes / MiB} MiB: it has more when it is shut down and started.`
  throw new HdcsError('unsupported', text)
}
