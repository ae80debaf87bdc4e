import { makeSimHost } from '../../vmm/sim-host.ts'
import { imageSpec, installationId, machineSpec } from '../vmm/wishes.ts'
import { describeHost } from './host.ts'

describeHost('a simulated host', async () => {
  const host = makeSimHost({ installationId, hostName: 'sim' })
  return {
    host,
    again: async () => host,
    stranger: async () => makeSimHost({ installationId: crypto.randomUUID(), hostName: 'sim' }),
    image: imageSpec(),
    subnet: '10.200.0.0/24',
    machine: machineSpec(1),
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  }
})
