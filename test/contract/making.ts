import { expect, it } from 'vitest'
import type { Host } from '../../vmm/host.ts'
import type { MachineSpec } from '../../vmm/spec.ts'

const code = (name: string) => expect.objectContaining({ code: name })

/** What every host promises of copies of disks and of discs in drives, about a machine that stands still. */
export function makingCases(of: () => { host: Host; machine: MachineSpec }): void {
  it.each([false, true])(
    'copies the disk of a machine that stands still, once; with what is under it: %s',
    async full => {
      const { host, machine } = of()
      const source = { machineId: machine.id, incarnation: machine.incarnation, full }
      const copy = { ...machine, id: crypto.randomUUID(), name: `copy-${full ? 'full' : 'linked'}`, nic: null }
      const { signal } = new AbortController()
      for (let time = 0; time < 2; time++) await host.overlayClone(copy, source, () => {}, signal)
      const disk = { machineId: copy.id, incarnation: copy.incarnation }
      expect(await host.overlays()).toContainEqual(disk)
      expect(await host.machineStart(copy)).toMatchObject({ id: copy.id, power: 'running' })
      const again = { machineId: copy.id, incarnation: copy.incarnation, full }
      const other = { ...copy, id: crypto.randomUUID() }
      await expect(host.overlayClone(other, again, () => {}, signal)).rejects.toEqual(code('disk_in_use'))
      await host.machineDestroy(copy.id)
      await host.overlayRemove(disk)
      expect(await host.overlays()).toHaveLength(1)
    },
  )

  it('leaves nothing behind of a copy that was aborted, or whose source is not there', async () => {
    const { host, machine } = of()
    const source = { machineId: machine.id, incarnation: machine.incarnation, full: true }
    const copy = { ...machine, id: crypto.randomUUID(), name: 'slow-copy' }
    const aborted = new AbortController()
    aborted.abort()
    await expect(host.overlayClone(copy, source, () => {}, aborted.signal)).rejects.toEqual(code('cancelled'))
    const { signal } = new AbortController()
    const lost = { ...source, incarnation: 77 }
    await expect(host.overlayClone(copy, lost, () => {}, signal)).rejects.toEqual(code('not_found'))
    expect(await host.overlays()).toHaveLength(1)
  })

  it('takes the disc out of a drive and puts one in while the guest runs; one without a drive says so', async () => {
    const { host, machine } = of()
    const drive = async () => (await host.machines()).find(({ id }) => id === machine.id)?.cdrom
    expect(await host.machineStart({ ...machine, cdrom: machine.imageId })).toMatchObject({
      cdrom: { imageId: machine.imageId },
    })
    for (let time = 0; time < 2; time++) await host.machineDisc(machine.id, null)
    expect(await drive()).toEqual({ imageId: null })
    await host.machineDisc(machine.id, machine.imageId)
    expect(await drive()).toEqual({ imageId: machine.imageId })
    await host.machineDestroy(machine.id)
    await expect(host.machineDisc(machine.id, null)).rejects.toEqual(code('not_found'))
    await host.machineStart(machine)
    expect(await drive()).toBeNull()
    await expect(host.machineDisc(machine.id, null)).rejects.toEqual(code('unsupported'))
    await host.machineDestroy(machine.id)
  })

  it('gives a guest its answer file on a medium, and takes that away while it runs: nothing is left of it', async () => {
    const { host, machine } = of()
    const disk = { machineId: machine.id, incarnation: machine.incarnation }
    const mine = async () => (await host.overlays()).find(({ machineId }) => machineId === machine.id)
    await host.machineStart({ ...machine, answers: { text: '<unattend>Geh31mnis</unattend>' } })
    expect(await mine()).toMatchObject({ answers: true })
    // A drive of its own: that for discs is none of its.
    expect((await host.machines())[0]?.cdrom ?? null).toBeNull()
    for (let time = 0; time < 2; time++) await host.answersRemove(disk)
    expect(await mine()).toEqual(disk)
    const { xml } = await host.machineXml(machine.id, null)
    for (const word of ['answers.iso', 'Geh31mnis']) expect(xml).not.toContain(word)
    await host.machineDestroy(machine.id)
    await host.machineStart({ ...machine, answers: { text: '<unattend/>' } })
    await host.machineDestroy(machine.id)
    await host.answersRemove(disk)
    expect(await mine()).toEqual(disk)
  })
}
