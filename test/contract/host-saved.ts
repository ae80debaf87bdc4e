/** What every host promises of a machine that runs: libvirt's words, and its memory kept over a stop. */
import { expect, it } from 'vitest'
import type { FoundMachine, Host, HostEvent } from '../../vmm/host.ts'
import type { MachineSpec } from '../../vmm/spec.ts'

/** The host under test and its one machine, as they are at the moment. */
export interface HostAtTest {
  readonly host: Host
  readonly spec: MachineSpec
  readonly imageId: string
  mine(): Promise<FoundMachine | undefined>
  isOf(type: HostEvent['type']): (event: HostEvent) => boolean
  event(is: (event: HostEvent) => boolean): Promise<HostEvent>
  /** The agent was killed and started again. */
  again(): Promise<void>
}

const code = (name: string) => expect.objectContaining({ code: name })

export function describeSaved(at: HostAtTest): void {
  it('says a machine and itself in libvirt’s words, without passwords, and what one would start with', async () => {
    const running = await at.host.machineXml(at.spec.id, null)
    expect(running).toMatchObject({ live: true, xml: expect.stringContaining(`<name>${at.spec.name}</name>`) })
    expect(running.xml).not.toContain('passwd')
    const { node, capabilities } = await at.host.hostXml()
    expect(capabilities).toContain('<capabilities>')
    expect(node.cpus).toBe((await at.host.facts()).cpus)
    await expect(at.host.machineXml(crypto.randomUUID(), null)).rejects.toEqual(code('not_found'))
  })

  it('saves a guest’s memory beside its disk, also after its agent was killed, and goes on from there', async () => {
    const disk = { machineId: at.spec.id, incarnation: at.spec.incarnation }
    const steps: number[] = []
    const { signal } = new AbortController()
    const memory = await at.host.machineSave(at.spec.id, disk, percent => steps.push(percent), signal)
    expect(memory.bytes).toBeGreaterThan(0)
    expect(steps.length).toBeGreaterThan(0)
    await at.event(at.isOf('stopped'))
    expect(await at.mine()).toBeUndefined()
    await at.again()
    await at.host.sweep(new Set([at.imageId]))
    expect(await at.host.overlays()).toEqual([{ ...disk, memory }])
    // Asked again by an agent that was killed: it is saved already.
    expect(await at.host.machineSave(at.spec.id, disk, () => {}, signal)).toEqual(memory)
    const going = await at.host.machineRestore(at.spec)
    expect(going).toMatchObject({ id: at.spec.id, incarnation: at.spec.incarnation, power: 'running' })
    await at.event(event => at.isOf('agent')(event) && 'connected' in event && event.connected)
    expect(await at.host.agentPing(at.spec.id, 5_000)).toBe(true)
    expect(await at.host.machineRestore(at.spec)).toMatchObject({ id: at.spec.id, power: 'running' })
    const graphics = await at.host.graphicsAdmit(at.spec.id, 'after-restore', new Date(Date.now() + 60_000))
    expect(graphics?.port).toBeGreaterThan(0)
    await at.host.memoryForget(disk)
    await at.host.memoryForget(disk)
    expect(await at.host.overlays()).toEqual([disk])
  })

  it('runs on when saving its memory is called off, and nothing is left of it', async () => {
    const disk = { machineId: at.spec.id, incarnation: at.spec.incarnation }
    const aborted = AbortSignal.abort()
    await expect(at.host.machineSave(at.spec.id, disk, () => {}, aborted)).rejects.toEqual(code('cancelled'))
    expect(await at.mine()).toMatchObject({ power: 'running' })
    expect(await at.host.overlays()).toEqual([disk])
  })
}
