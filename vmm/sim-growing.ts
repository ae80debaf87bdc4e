/**
 * What simulated guests run with. What a name asks for:
 *   machine named …no-room…    was started without room for more, as by an agent of yesterday
 *   machine named …fail-grow…  is not given more (`internal`, as libvirt would say it)
 *   machine named …idle-cpus…  leaves vCPUs that came later aside
 */
import { HdcsError } from '../lib/errors.ts'
import { checkGrowth, roomOf } from './growing.ts'
import type { Host } from './host.ts'
import type { RunningHardware } from './report.ts'
import type { MachineSpec } from './spec.ts'

interface SimGrowing {
  spec: MachineSpec
  hardware: RunningHardware
  agentConnected: boolean
}

export function simHardware({ name, hardware: { vcpus, memoryBytes } }: MachineSpec): RunningHardware {
  const has = { vcpus, memoryBytes }
  if (name.includes('no-room')) return { ...has, maxVcpus: vcpus, maxMemoryBytes: memoryBytes }
  return { ...has, ...roomOf(has) }
}

/** @param running what runs under this id. @throws HdcsError `not_found`. */
export function simGrowing(running: (id: string) => SimGrowing): Pick<Host, 'machineGrow' | 'guestUseAll'> {
  return {
    async machineGrow(id, to) {
      const machine = running(id)
      const has = machine.hardware
      checkGrowth(has, to)
      if (machine.spec.name.includes('fail-grow'))
        throw new HdcsError('internal', 'libvirt: unable to plug it in, as its name asked.')
      const vcpus = Math.max(has.vcpus, to.vcpus)
      const memoryBytes = Math.max(has.memoryBytes, to.memoryBytes)
      machine.hardware = { ...has, vcpus, memoryBytes }
      return machine.hardware
    },
    async guestUseAll(id) {
      const { spec, hardware, agentConnected } = running(id)
      if (!agentConnected) throw new HdcsError('timeout', 'The guest’s agent does not answer.')
      const idle = spec.name.includes('idle-cpus') ? Math.max(0, hardware.vcpus - spec.hardware.vcpus) : 0
      return { vcpus: idle, memoryBytes: 0 }
    },
  }
}
