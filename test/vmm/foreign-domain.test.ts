import { describe, expect, it } from 'vitest'
import {
  adoptedBus,
  type ForeignFile,
  type ForeignState,
  foreignObstacles,
  readForeign,
} from '../../vmm/foreign-domain.ts'

const stopped: ForeignState = { power: 'stopped', persistent: true, saved: false, snapshots: false, uefi: true }
const file: ForeignFile = { sizeBytes: 8 * 2 ** 30, usedBytes: 2 ** 20, backing: null, whole: true }
const disk = (facts: { type?: string; source?: string; format?: string; bus?: string; more?: string } = {}) =>
  `<disk type='${facts.type ?? 'file'}' device='disk'><driver name='qemu' type='${facts.format ?? 'qcow2'}'/>
    <source ${facts.source ?? "file='/var/lib/libvirt/images/a.qcow2'"}/><target dev='vda' bus='${facts.bus ?? 'virtio'}'/>${facts.more ?? ''}</disk>`
const domain = ({ os = '', devices = disk(), arch = 'x86_64', osMore = '' } = {}) =>
  `<domain type='kvm'><name>a</name><uuid>11111111-2222-4333-8444-555555555555</uuid>
    <memory unit='GiB'>2</memory><vcpu placement='static'>4</vcpu>
    <os${osMore}><type arch='${arch}' machine='pc'>hvm</type>${os}</os>
    <devices>${devices}<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>
      <interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface>
      <video><model type='qxl'/></video></devices></domain>`

const obstacles = (xml: string, state: Partial<ForeignState> = {}, found: ForeignFile | null = file) => {
  const read = readForeign(xml)
  if (!read) throw new Error('no domain')
  return foreignObstacles(read, { ...stopped, ...state }, found)
}

describe('a machine that is not ours', () => {
  it('is read with what it has; a CD drive is no disk of it', () => {
    expect(readForeign(domain())).toMatchObject({
      ...{ name: 'a', vcpus: 4, memoryBytes: 2 ** 31, video: 'qxl', marked: false },
      disks: [{ path: '/var/lib/libvirt/images/a.qcow2', format: 'qcow2', bus: 'virtio' }],
      nics: [{ mac: '52:54:00:00:00:01', network: 'default' }],
    })
    expect(obstacles(domain())).toEqual([])
    expect(readForeign('<network/>')).toBeNull()
  })

  it.each([
    ['by name', { osMore: " firmware='efi'" }],
    ['by its loader', { os: "<loader type='pflash'>/x</loader><nvram>/var/lib/libvirt/qemu/nvram/a_VARS.fd</nvram>" }],
    ['from a ROM', { os: "<loader type='rom'>/usr/share/ovmf/OVMF.fd</loader>" }],
  ])('that starts by UEFI %s is adopted where its host has that', (_how, parts) => {
    expect(readForeign(domain(parts))).toMatchObject({ uefi: true })
    expect(obstacles(domain(parts))).toEqual([])
  })

  it('that starts by BIOS, also by a file of it, does not start by UEFI', () => {
    expect(readForeign(domain())).toMatchObject({ uefi: false })
    const bios = "<loader type='rom'>/usr/share/seabios/bios.bin</loader>"
    expect(readForeign(domain({ os: bios }))).toMatchObject({ uefi: false })
  })

  const scsi = (model: string) => `<controller type='scsi' index='0'${model}/>`
  it.each<[string, string, string]>([
    ['virtio', 'virtio', disk()],
    ['SATA', 'sata', disk({ bus: 'sata' })],
    ['IDE, which q35 has not', 'sata', disk({ bus: 'ide' })],
    ['SCSI of virtio', 'scsi', disk({ bus: 'scsi' }) + scsi(" model='virtio-scsi'")],
    ['SCSI that q35 guests have no driver for', 'sata', disk({ bus: 'scsi' }) + scsi(" model='lsilogic'")],
    ['SCSI of no named kind', 'sata', disk({ bus: 'scsi' }) + scsi('')],
  ])('with its disk on %s is adopted to %s', (_was, becomes, devices) => {
    const read = readForeign(domain({ devices }))
    expect(read && adoptedBus(read)).toBe(becomes)
    expect(obstacles(domain({ devices }))).toEqual([])
  })

  it.each<[string, string, Parameters<typeof domain>[0], Partial<ForeignState>?, (ForeignFile | null)?]>([
    ['of another processor', 'x86_64', { arch: 'aarch64' }],
    ['with UEFI on a host without', 'install the Debian package ovmf', { osMore: " firmware='efi'" }, { uefi: false }],
    ['with a kernel of the host', 'kernel file', { os: '<kernel>/boot/vmlinuz</kernel>' }],
    ['with a device of the host', 'hostdev', { devices: `${disk()}<hostdev mode='subsystem' type='pci'/>` }],
    ['without a disk', 'it has no disk', { devices: '' }],
    ['with two disks', 'it has 2 disks', { devices: disk() + disk() }],
    ['on a block device', 'no file (block)', { devices: disk({ type: 'block', source: "dev='/dev/sdb'" }) }],
    ['on a network disk', 'no file (network)', { devices: disk({ type: 'network', source: "name='rbd/a'" }) }],
    ['of another format', 'format vmdk', { devices: disk({ format: 'vmdk' }) }],
    ['on another bus', 'attached by usb', { devices: disk({ bus: 'usb' }) }],
    ['on a disk that others may have open', 'shareable', { devices: disk({ more: '<shareable/>' }) }],
    ['whose disk cannot be read', 'cannot be read', {}, {}, null],
    ['whose disk stands on another file', '/etc/shadow', {}, {}, { ...file, backing: '/etc/shadow' }],
    ['whose disk is in two files', 'another file', {}, {}, { ...file, whole: false }],
    ['that is transient', 'transient', {}, { persistent: false }],
    ['with snapshots', 'snapshots', {}, { snapshots: true }],
    ['with saved memory', 'memory was saved', {}, { saved: true }],
    ['that runs', 'it runs', {}, { power: 'running' }],
  ])('%s is not adopted, and says why', (_title, why, parts, state, found = file) => {
    expect(obstacles(domain(parts), state, found)).toEqual([expect.stringContaining(why)])
  })
})
