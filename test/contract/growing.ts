import { expect, it } from 'vitest'
import type { Host } from '../../vmm/host.ts'
import type { MachineSpec } from '../../vmm/spec.ts'

/** What every host promises of vCPUs and memory of a guest that runs. @param of.again the same host after its agent was killed. */
export function growingCases(of: () => { host: Host; again(): Promise<Host>; spec: MachineSpec }): void {
  it('gives a guest that runs more vCPUs, which it uses, and never takes one away', async () => {
    const { host, again, spec } = of()
    const { vcpus, memoryBytes } = spec.hardware
    const has = async (from: Host) => (await from.machines()).find(({ id }) => id === spec.id)?.hardware
    expect(await has(host)).toMatchObject({ vcpus, memoryBytes })
    const more = { vcpus: vcpus + 1, memoryBytes }
    for (let time = 0; time < 2; time++) expect(await host.machineGrow(spec.id, more)).toMatchObject(more)
    expect(await (await again()).machineGrow(spec.id, { vcpus, memoryBytes })).toMatchObject(more)
    expect(await host.guestUseAll(spec.id)).toEqual({ vcpus: 0, memoryBytes: 0 })
    expect(await has(host)).toMatchObject(more)
  })

  it('gives it nothing that it was started without room for', async () => {
    const { host, spec } = of()
    const before = (await host.machines()).find(({ id }) => id === spec.id)?.hardware
    const tooMuch = { vcpus: 1, memoryBytes: 2 ** 45 }
    await expect(host.machineGrow(spec.id, tooMuch)).rejects.toMatchObject({ code: 'unsupported' })
    expect((await host.machines()).find(({ id }) => id === spec.id)?.hardware).toEqual(before)
    const stranger = crypto.randomUUID()
    await expect(host.machineGrow(stranger, tooMuch)).rejects.toMatchObject({ code: 'not_found' })
    await expect(host.guestUseAll(stranger)).rejects.toMatchObject({ code: 'not_found' })
  })
}
