/** vCPUs and memory of a simulated guest that runs: it gets more while it runs, and never less. */
import { afterEach, describe, expect, it } from 'vitest'
import { makeLog } from '../../lib/log.ts'
import { startAgent } from '../../vmm/agent.ts'
import { growthLookAtMs, planGrowth, roomOf } from '../../vmm/growing.ts'
import type { FoundMachine } from '../../vmm/host.ts'
import { freshMemory } from '../../vmm/memory.ts'
import type { RunningHardware } from '../../vmm/report.ts'
import { makeSimHost, type SimHost } from '../../vmm/sim-host.ts'
import type { MachineSpec } from '../../vmm/spec.ts'
import { makeControl } from './control.ts'
import { foundMachine, hostSpec, installationId, machineSpec } from './wishes.ts'

const GiB = 2 ** 30
const log = makeLog('agent', 'silent')
const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]()
})

const first = { ...machineSpec(1).hardware, vcpus: 1, memoryBytes: 4 * GiB }
const wished = (vcpus: number, memoryGib: number, facts: Partial<MachineSpec> = {}) =>
  machineSpec(1, { hardware: { ...first, vcpus, memoryBytes: memoryGib * GiB }, generation: 2, ...facts })
const both: MachineSpec['growNow'] = ['vcpus', 'memoryBytes']

async function agentOn(host: SimHost) {
  const control = makeControl()
  const agent = await startAgent({ host, connect: control.connect, log })
  open.push(agent)
  const has = (is: (hardware: RunningHardware & { text: string }) => boolean) =>
    control.machine(machineSpec(1).id, ({ hardware, ready }) => ready && hardware !== undefined && is(hardware))
  return {
    control,
    agent,
    has,
    wish: (spec: MachineSpec) => control.tell({ type: 'wish', spec: hostSpec([spec]) }),
  }
}
function simHost() {
  const host = makeSimHost({ installationId, hostName: 'sim-1', cpus: 2 })
  open.push(host)
  return host
}

describe('a guest that runs', () => {
  it('gets more vCPUs and memory when that is wished at once, and keeps them when less is', async () => {
    const { control, has, wish } = await agentOn(simHost())
    wish(machineSpec(1, { hardware: first }))
    await has(({ vcpus }) => vcpus === 1)
    wish(wished(2, 8, { growNow: both }))
    const { hardware, trouble } = await has(({ vcpus }) => vcpus === 2)
    expect(hardware).toEqual({ vcpus: 2, memoryBytes: 8 * GiB, maxVcpus: 4, maxMemoryBytes: 16 * GiB, text: '' })
    expect(trouble).toBeNull()
    wish(wished(1, 4, { growNow: both, generation: 3 }))
    await control.machine(machineSpec(1).id, ({ generation }) => generation === 3)
    expect(control.machines.get(machineSpec(1).id)?.hardware).toMatchObject({ vcpus: 2, memoryBytes: 8 * GiB })
  })

  it('gets nothing that waits for its next start, and has it then', async () => {
    const host = simHost()
    const { control, has, wish } = await agentOn(host)
    wish(machineSpec(1, { hardware: first }))
    await has(() => true)
    wish(wished(2, 8, { growNow: ['memoryBytes'] }))
    expect((await has(({ memoryBytes }) => memoryBytes === 8 * GiB)).hardware).toMatchObject({ vcpus: 1 })
    host.guestCrash(machineSpec(1).id)
    await control.machine(machineSpec(1).id, ({ power }) => power === 'stopped')
    await has(({ vcpus }) => vcpus === 2)
  })

  it('says what it is not given, once for a wish, and runs on', async () => {
    const host = simHost()
    const { has, wish } = await agentOn(host)
    wish(machineSpec(1, { hardware: first, name: 'no-room' }))
    await has(() => true)
    wish(wished(2, 4, { growNow: both, name: 'no-room' }))
    const refused = await has(({ text }) => text !== '')
    expect(refused).toMatchObject({ power: 'running', trouble: null, hardware: { vcpus: 1 } })
    expect(refused.hardware?.text).toContain('It was started with room for 1 vCPUs')
    wish(wished(1, 4, { growNow: both, name: 'no-room', generation: 3 }))
    await has(({ text }) => text === '')
  })

  it('says what of it the guest leaves aside', async () => {
    const { has, wish } = await agentOn(simHost())
    wish(machineSpec(1, { hardware: first, name: 'idle-cpus' }))
    await has(() => true)
    wish(wished(3, 4, { growNow: both, name: 'idle-cpus' }))
    expect((await has(({ text }) => text !== '')).hardware?.text).toContain('The guest uses 1 of its 3 vCPUs.')
  })

  it('is given nothing twice by an agent that was killed', async () => {
    const host = simHost()
    const before = await agentOn(host)
    before.wish(machineSpec(1, { hardware: first }))
    await before.has(() => true)
    await before.agent[Symbol.asyncDispose]()
    await host.machineGrow(machineSpec(1).id, { vcpus: 2, memoryBytes: 8 * GiB })
    const after = await agentOn(host)
    after.wish(wished(2, 8, { growNow: both }))
    expect((await after.has(({ vcpus }) => vcpus === 2)).hardware).toMatchObject({ memoryBytes: 8 * GiB, text: '' })
  })
})

describe('what grows next', () => {
  const has = { vcpus: 1, memoryBytes: 4 * GiB, maxVcpus: 4, maxMemoryBytes: 16 * GiB }
  const found = foundMachine({ hardware: has })
  const answered = { ...freshMemory, answered: true }
  const spec = wished(2, 4, { growNow: both })
  const to = { vcpus: 2, memoryBytes: 4 * GiB }
  const used = (text: string) => ({ ...answered, growth: { refused: null, used: { ...to, text, againAtMs: 9 } } })
  const grown = { ...found, hardware: { ...has, vcpus: 2 } }

  it.each([
    ['nothing, before the guest answered', spec, found, freshMemory, null],
    ['what is wished, once it answered', spec, found, answered, { do: 'grow', to }],
    [
      'without an agent, as soon as it runs',
      { ...spec, readyWhen: 'running' as const },
      found,
      freshMemory,
      { do: 'grow', to },
    ],
    ['nothing while it is paused', spec, { ...found, power: 'paused' as const }, answered, null],
    ['nothing of a machine of which that is not known', spec, { ...found, hardware: undefined }, answered, null],
    [
      'nothing that was refused under this wish',
      spec,
      found,
      {
        ...answered,
        growth: {
          refused: { generation: 2, text: 'no' },
          used: used('').growth.used && { ...has, text: '', againAtMs: 0 },
        },
      },
      null,
    ],
    ['its agent is asked for what it was given', spec, grown, answered, { do: 'use all' }],
    ['nothing more once it uses all', spec, grown, used(''), null],
    ['it is asked again later for what it leaves aside', spec, grown, used('idle'), { do: 'use all' }],
  ])('%s', (_title, spec, found, memory, step) => {
    expect(planGrowth(spec, found as FoundMachine, memory, 10)?.step ?? null).toEqual(step)
  })

  it('a guest that leaves something aside is looked at again, one that uses all is not', () => {
    expect([growthLookAtMs(used('idle'), 1), growthLookAtMs(used('idle'), 9), growthLookAtMs(used(''), 1)]).toEqual([
      9,
      null,
      null,
    ])
  })

  it.each([
    [1, 0.0625, 2, 0.0625],
    [1, 1, 4, 1],
    [2, 2, 8, 2],
    [2, 4, 8, 16],
    [32, 8, 64, 32],
    [64, 512, 64, 1024],
    [100, 1024, 100, 1024],
  ])('%i vCPUs and %f GiB have room for %i and %f', (vcpus, gib, maxVcpus, maxGib) => {
    expect(roomOf({ vcpus, memoryBytes: gib * GiB })).toEqual({ maxVcpus, maxMemoryBytes: maxGib * GiB })
  })
})
