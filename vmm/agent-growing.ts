/** How a guest that runs is given more vCPUs and memory, and made to use them. */
import { asHdcsError } from '../lib/errors.ts'
import type { KnownMachine } from './agent-world.ts'
import { freshGrowth, idleLookMs, idleText } from './growing.ts'
import type { GrownHardware, Host } from './host.ts'

/** Failures that say nothing of the growth: libvirt is away, or the machine is gone. */
const passing: readonly string[] = ['unreachable', 'not_found', 'cancelled']

export const growthSteps = {
  /** A refusal is the growth's alone: the guest runs on as it was. */
  async grow(host: Host, known: KnownMachine, { to }: { to: GrownHardware }) {
    const generation = known.spec?.generation ?? 0
    try {
      const hardware = await host.machineGrow(known.id, to)
      if (known.found) known.found = { ...known.found, hardware }
      known.memory = { ...known.memory, growth: freshGrowth }
    } catch (thrown) {
      const { code, message } = asHdcsError(thrown)
      if (passing.includes(code)) throw thrown
      known.memory = { ...known.memory, growth: { ...known.memory.growth, refused: { generation, text: message } } }
    }
  },
  async 'use all'(host: Host, known: KnownMachine, _step: unknown, now: () => number) {
    const has = known.found?.hardware
    const { stops } = known.memory
    if (!has) return
    const text = await host.guestUseAll(known.id).then(
      idle => idleText(has, idle),
      thrown => {
        const { code, message } = asHdcsError(thrown)
        if (passing.includes(code)) throw thrown
        return `Whether the guest uses all of its vCPUs and memory is not known. ${message}`
      },
    )
    // Another life since: it has what it was started with.
    if (known.memory.stops !== stops) return
    const used = { vcpus: has.vcpus, memoryBytes: has.memoryBytes, text, againAtMs: now() + idleLookMs }
    known.memory = { ...known.memory, growth: { ...known.memory.growth, used } }
  },
}
