/** Real guests that start by UEFI without settings of their own, from each bus a disk may be on. */
import { execFileSync } from 'node:child_process'
import { copyFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DiskBus, diskBuses, type Firmware } from '../../lib/hardware.ts'
import type { Host } from '../../vmm/host.ts'
import { openLibvirtHost } from '../../vmm/libvirt-host.ts'
import { type RealPlace, realPlace } from '../contract/real.ts'
import { uefiDisk, uefiDiskBytes } from '../support/uefi-disk.ts'
import { imageSpec, machineSpec } from './wishes.ts'

type Spec = ReturnType<typeof specOf>

const { signal } = new AbortController()
const blank = imageSpec({ source: { kind: 'blank' } })
const pathOf = ({ id, incarnation }: Spec) => join(place.folder, 'overlays', `${id}.${incarnation}.qcow2`)
const diskOf = ({ id, incarnation }: Spec) => ({ machineId: id, incarnation })
let place: RealPlace
let host: Host

beforeAll(async () => {
  place = await realPlace('uefi')
  host = await place.open()
  await host.imageMake(blank, () => {}, signal)
})
afterAll(async () => {
  await host?.[Symbol.asyncDispose]()
  await place?.[Symbol.asyncDispose]()
})

function specOf(firmware: Firmware, diskBus: DiskBus) {
  const { hardware } = machineSpec(1)
  return machineSpec(1, {
    id: crypto.randomUUID(),
    name: `uefi-${firmware}-${diskBus}`,
    imageId: blank.id,
    hardware: { ...hardware, diskBytes: uefiDiskBytes, firmware, diskBus },
    readyWhen: 'running',
  })
}

/** With a disk that only UEFI finds a program on. */
async function made(firmware: Firmware, diskBus: DiskBus) {
  const spec = specOf(firmware, diskBus)
  await host.overlayMake(spec)
  const raw = join(place.folder, 'esp.raw')
  await writeFile(raw, uefiDisk(`started from ${diskBus}`))
  execFileSync('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'qcow2', raw, pathOf(spec)])
  return spec
}

/** Reads its serial port until it says so. A guest under emulation takes ten seconds to its disk; a busy machine longer. */
async function says(id: string, words: string): Promise<void> {
  await using console = await host.consoleOpen(id)
  let heard = ''
  for await (const piece of console.output) {
    heard += Buffer.from(piece).toString('latin1')
    if (heard.includes(words)) return
    heard = heard.slice(-4_000)
  }
  throw new Error(`Its serial port was closed before it said so: ${heard}`)
}

describe('a guest with UEFI', () => {
  it.each(diskBuses)('starts what its disk on %s has under its fallback path', async bus => {
    const spec = await made('uefi', bus)
    await host.machineStart(spec)
    await says(spec.id, `started from ${bus}`)
    await host.machineDestroy(spec.id)
    // Nothing was kept of the firmware: it starts once more as if it never had.
    await host.machineStart(spec)
    await says(spec.id, `started from ${bus}`)
    await host.machineDestroy(spec.id)
    await host.overlayRemove(diskOf(spec))
  })

  it('has its disk grown and snapshotted while it runs, and goes on from its saved memory', async () => {
    const spec = await made('uefi', 'sata')
    await host.machineStart(spec)
    await says(spec.id, 'started from sata')
    await host.overlayGrow(diskOf(spec), 2 * uefiDiskBytes)
    const snapshot = crypto.randomUUID()
    await host.snapshotTake(diskOf(spec), snapshot)
    expect(await host.snapshots(diskOf(spec))).toMatchObject([{ id: snapshot }])
    const seen = execFileSync('qemu-img', ['info', '-U', '--output=json', pathOf(spec)], { encoding: 'utf8' })
    expect(JSON.parse(seen)).toMatchObject({ 'virtual-size': 2 * uefiDiskBytes })
    await host.machineSave(spec.id, diskOf(spec), () => {}, signal)
    await host.machineRestore(spec)
    await says(spec.id, 'started from sata')
    await host.machineDestroy(spec.id)
    await host.snapshotRevert(diskOf(spec), snapshot)
    await host.overlayRemove(diskOf(spec))
  })
})

it('that somebody made with settings of its own is adopted without them, from IDE to SATA, and runs on', async () => {
  const id = crypto.randomUUID()
  const at = (name: string) => join(place.folder, name)
  await writeFile(at('by-hand.raw'), uefiDisk('started as ever'))
  await copyFile('/usr/share/OVMF/OVMF_VARS_4M.fd', at('by-hand.fd'))
  await writeFile(
    at('by-hand.xml'),
    `<domain type='qemu'><name>hdcs-uefi-${id.slice(0, 8)}</name><uuid>${id}</uuid><memory unit='MiB'>256</memory><vcpu>1</vcpu>
      <os><type arch='x86_64' machine='pc'>hvm</type>
        <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram>${at('by-hand.fd')}</nvram></os>
      <features><acpi/></features><devices><disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='${at('by-hand.raw')}'/>
        <target dev='hda' bus='ide'/></disk></devices></domain>`,
  )
  execFileSync('virsh', ['-q', 'define', at('by-hand.xml')])
  const told = async () => (await host.foreignMachines()).find(machine => machine.id === id)
  expect(await told()).toMatchObject({ firmware: 'uefi', diskBus: 'sata', obstacles: [] })
  const spec = { ...specOf('uefi', 'sata'), id }
  await host.foreignAdopt(spec, id, () => {}, signal)
  expect(await told()).toBeUndefined()
  expect((await stat(at('by-hand.fd'))).size).toBeGreaterThan(0)
  await host.machineStart(spec)
  await says(id, 'started as ever')
  await host.machineDestroy(id)
  await host.overlayRemove(diskOf(spec))
})

it('says what to install where a host has no firmware for it, and starts the others', async () => {
  const options = {
    installationId: crypto.randomUUID(),
    folder: join(place.folder, 'without'),
    ovmfFiles: ['/nowhere'],
  }
  const fetchImage = () => Promise.reject(new Error('nothing was uploaded'))
  await using without = await openLibvirtHost({ ...options, fetchImage, accelerator: 'tcg' })
  expect(await without.facts()).toMatchObject({ uefi: false })
  expect(await host.facts()).toMatchObject({ uefi: true })
  await without.imageMake(blank, () => {}, signal)
  for (const firmware of ['uefi', 'bios'] as const) {
    const spec = specOf(firmware, 'virtio')
    await without.overlayMake(spec)
    const started = without.machineStart(spec)
    if (firmware === 'bios') await started
    else
      await expect(started).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringContaining('apt-get install ovmf'),
      })
    await without.machineDestroy(spec.id)
    await without.overlayRemove(diskOf(spec))
  }
})
