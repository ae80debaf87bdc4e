/** Dongles on a simulated host: what a machine has follows what is plugged in, and nothing of it hinders the machine. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { makeLog } from '../../lib/log.ts'
import { startAgent } from '../../vmm/agent.ts'
import type { DongleReport } from '../../vmm/report.ts'
import { makeSimHost, type SimHost } from '../../vmm/sim-host.ts'
import type { DongleSpec, MachineSpec } from '../../vmm/spec.ts'
import { makeControl } from './control.ts'
import { hostSpec, installationId, machineSpec } from './wishes.ts'

const log = makeLog('agent', 'silent')
const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]()
})

const key: DongleSpec = {
  id: '018f0000-0000-7000-8000-0000000000d1',
  vendor: '0529',
  product: '0001',
  serial: 'SIM-0001',
  port: null,
}
const device = { vendor: '0529', product: '0001', vendorName: 'S', productName: 'Key', serial: 'SIM-0001', port: '1-1' }
const withKey = (facts: Partial<MachineSpec> = {}) => machineSpec(1, { dongles: [key], ...facts })

async function agentOn(host: SimHost, machines: MachineSpec[]) {
  const control = makeControl()
  const agent = await startAgent({ host, connect: control.connect, log })
  open.push(agent)
  control.tell({ type: 'wish', spec: hostSpec(machines) })
  const said = (id: string, state: DongleReport['state']) =>
    control.machine(id, ({ dongles, power }) => power === 'running' && dongles?.[0]?.state === state)
  return { control, agent, said }
}
function simHost() {
  const host = makeSimHost({ installationId, hostName: 'sim-1', cpus: 2 })
  open.push(host)
  return host
}
const held = async (host: SimHost, id = machineSpec(1).id) =>
  (await host.machines()).find(machine => machine.id === id)?.dongles ?? []
const change = (control: ReturnType<typeof makeControl>, machine: MachineSpec) =>
  control.tell({ type: 'change', machines: [machine], images: [], gone: [], remove: [] })

describe('a machine with a dongle', () => {
  it('has it as soon as it runs, and again after a start and after its agent was killed', async () => {
    const host = simHost()
    const first = await agentOn(host, [withKey()])
    await first.said(withKey().id, 'attached')
    expect(await held(host)).toMatchObject([{ id: key.id, bus: 1 }])
    host.guestCrash(withKey().id)
    await first.control.machine(withKey().id, ({ power }) => power === 'stopped')
    await first.said(withKey().id, 'attached')
    await first.agent[Symbol.asyncDispose]()
    const second = await agentOn(host, [withKey()])
    await second.said(withKey().id, 'attached')
    expect(await held(host)).toHaveLength(1)
  })

  it('runs without it while it is not there, and gets it once it is, in whichever port', async () => {
    const host = simHost()
    host.usbUnplug('1-1')
    const { control, said } = await agentOn(host, [withKey()])
    expect(await said(withKey().id, 'missing')).toMatchObject({ power: 'running', trouble: null })
    expect(await control.machine(withKey().id, ({ ready }) => ready)).toMatchObject({ trouble: null })
    const { bus, device: number } = host.usbPlug({ ...device, port: '2-3' })
    await said(withKey().id, 'attached')
    expect(await held(host)).toEqual([{ id: key.id, bus, device: number }])
  })

  it('gets it again when it was unplugged and plugged in, with its new number', async () => {
    const host = simHost()
    const { said } = await agentOn(host, [withKey()])
    await said(withKey().id, 'attached')
    host.usbUnplug('1-1')
    const { bus, device: number } = host.usbPlug(device)
    await vi.waitFor(async () => expect(await held(host)).toEqual([{ id: key.id, bus, device: number }]), 10_000)
  })

  it('tells in libvirt’s words why it is refused, and that somebody else has it; and runs', async () => {
    for (const [serial, state, text] of [
      ['fail-attach-1', 'refused', /QEMU refused/],
      ['in-use-1', 'inUse', /domain a-stranger/],
    ] as const) {
      const host = simHost()
      host.usbPlug({ ...device, serial })
      const { said } = await agentOn(host, [withKey({ dongles: [{ ...key, serial }] })])
      const { dongles, trouble } = await said(withKey().id, state)
      expect(dongles).toEqual([{ id: key.id, state, text: expect.stringMatching(text) }])
      expect(trouble).toBeNull()
    }
  })

  it('gives it back at once when it is not its own any more; another one gets it then', async () => {
    const host = simHost()
    const { control, said } = await agentOn(host, [withKey(), machineSpec(2)])
    await said(withKey().id, 'attached')
    const other = machineSpec(2, { generation: 2, dongles: [{ ...key, id: '018f0000-0000-7000-8000-0000000000d2' }] })
    change(control, other)
    await said(other.id, 'inUse')
    change(control, machineSpec(1, { generation: 2 }))
    await vi.waitFor(async () => expect(await held(host)).toEqual([]))
    change(control, { ...other, generation: 3 })
    await said(other.id, 'attached')
    expect(await held(host, other.id)).toHaveLength(1)
  })
})
