/** Machines that are not ours: what every host promises of them, and one as somebody makes it by hand, with virsh. */
import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Host } from '../../vmm/host.ts'
import { imageSpec } from '../vmm/wishes.ts'
import type { HostUnderTest } from './host.ts'

/** On a disk of its own, a copy of the tiny image. @param folder of the host under test, which has the image and is removed at its end. @returns libvirt's UUID. */
export async function foreignMake(folder: string): Promise<string> {
  const id = crypto.randomUUID()
  const disk = join(folder, 'by-hand.qcow2')
  const image = join(folder, 'images', `${imageSpec().id}.qcow2`)
  execFileSync('qemu-img', ['convert', '-f', 'qcow2', '-O', 'qcow2', image, disk])
  const definition = join(folder, 'by-hand.xml')
  await writeFile(
    definition,
    `<domain type='qemu'>
      <name>hdcs-by-hand-${id.slice(0, 8)}</name><uuid>${id}</uuid>
      <memory unit='MiB'>128</memory><vcpu>1</vcpu>
      <os><type arch='x86_64' machine='pc'>hvm</type></os>
      <devices><disk type='file' device='disk'>
        <driver name='qemu' type='qcow2'/><source file='${disk}'/><target dev='vda' bus='virtio'/>
      </disk></devices>
    </domain>`,
  )
  execFileSync('virsh', ['-q', 'define', definition])
  return id
}

const code = (name: string) => expect.objectContaining({ code: name })

/** @param now at the time of the case; `answers` resolves when that guest's agent does. */
export function foreignCases(
  now: () => { host: Host; test: HostUnderTest; answers(id: string): Promise<unknown> },
): void {
  it('tells of a machine that is not ours, and makes it one of ours with its disk when that is asked, once', async () => {
    const { host, test, answers } = now()
    const foreignId = await test.foreign()
    const told = async () => (await host.foreignMachines()).find(({ id }) => id === foreignId)
    expect(await told()).toMatchObject({
      power: 'stopped',
      disks: [{ format: 'qcow2', backing: null }],
      obstacles: [],
    })
    const { signal } = new AbortController()
    const blank = { ...test.image, id: '018f0000-0000-7000-8000-0000000000f8', source: { kind: 'blank' as const } }
    const machine = { ...test.machine, id: foreignId, name: 'adopted', incarnation: 1, imageId: blank.id, nic: null }
    await expect(host.foreignAdopt(machine, foreignId, () => {}, signal)).rejects.toEqual(code('not_found'))
    await host.imageMake(blank, () => {}, signal)
    await expect(host.foreignAdopt(machine, crypto.randomUUID(), () => {}, signal)).rejects.toEqual(code('not_found'))
    expect(await told()).toBeDefined()
    for (let time = 0; time < 2; time++) await host.foreignAdopt(machine, foreignId, () => {}, signal)
    expect(await told()).toBeUndefined()
    await host.machineStart(machine)
    // Its guest is on its disk: there is nothing else it could start from.
    await answers(foreignId)
    expect(await told()).toBeUndefined()
    await host.machineDestroy(foreignId)
    await host.overlayRemove({ machineId: foreignId, incarnation: 1 })
    await host.imageRemove(blank.id)
  })
}
