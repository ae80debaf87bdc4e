/** What is told of a machine while its memory is saved. */
import { expect, it } from 'vitest'
import { makeLog } from '../../lib/log.ts'
import { startAgent } from '../../vmm/agent.ts'
import type { Host } from '../../vmm/host.ts'
import { makeSimHost } from '../../vmm/sim-host.ts'
import { makeControl } from './control.ts'
import { hostSpec, installationId, machineSpec } from './wishes.ts'

it('never says that a machine stands still before it says that its memory is saved, though its end is heard first', async () => {
  await using sim = makeSimHost({ installationId, hostName: 'sim-1', cpus: 2 })
  const control = makeControl()
  const [saved, other] = [machineSpec(1), machineSpec(2)]
  /** As libvirt does it: the domain ends, and only later the call is answered. */
  const host: Host = {
    ...sim,
    async machineSave(...asked) {
      const memory = await sim.machineSave(...asked)
      // Its end was heard long ago, as that of another machine's start is.
      control.tell({ type: 'change', machines: [other], images: [], gone: [], remove: [] })
      await control.machine(other.id, report => report.ready)
      return memory
    },
  }
  await using _agent = await startAgent({ host, connect: control.connect, log: makeLog('agent', 'silent') })
  control.tell({ type: 'wish', spec: hostSpec([saved]) })
  await control.machine(saved.id, report => report.ready)
  const wish = { ...saved, generation: 2, power: 'stopped' as const, keepMemory: true }
  control.tell({ type: 'change', machines: [wish], images: [], gone: [], remove: [] })
  await control.machine(saved.id, report => report.saved?.state === 'saved')
  const said = control.heard.flatMap(message => (message.type === 'report' ? message.machines : []))
  const stood = said.filter(({ id, power, generation }) => id === saved.id && power === 'stopped' && generation === 2)
  expect(stood.map(report => report.saved?.state)).toEqual(['saved'])
})
