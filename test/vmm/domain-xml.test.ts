import { DOMParser } from '@xmldom/xmldom'
import { describe, expect, it } from 'vitest'
import type { DiskBus } from '../../lib/hardware.ts'
import { xml } from '../../lib/xml.ts'
import { answersXml } from '../../vmm/answer-medium.ts'
import { type DomainParts, domainXml, graphicsXml, readDomain } from '../../vmm/domain-xml.ts'
import { arrivingXml } from '../../vmm/libvirt-moves.ts'
import { diskDevice, diskDeviceOf } from '../../vmm/machine-disk.ts'
import { aliasOf } from '../../vmm/storage-pool-xml.ts'
import { installationId, machineSpec, nicSpec } from './wishes.ts'

const parts = (spec = machineSpec(1)): DomainParts => ({
  spec,
  domainName: spec.name,
  installationId,
  accelerator: 'tcg',
  disk: '/o/1.qcow2',
  image: '/i/1.qcow2',
  nicSource: { network: 'hdcs' },
  spiceListen: '127.0.0.1',
  ownersReady: true,
})

describe('a machine as a libvirt domain', () => {
  it('takes another name in libvirt while a stranger has its own', () => {
    expect(domainXml({ ...parts(), domainName: 'demo-1-0f0f0f0f' })).toContain('<name>demo-1-0f0f0f0f</name>')
  })

  it('is read back as what it was written from', () => {
    const spec = machineSpec(1, { incarnation: 7 })
    expect(readDomain(domainXml(parts(spec)))).toEqual({
      cdrom: null,
      disks: [],
      id: spec.id,
      name: spec.name,
      installationId,
      incarnation: 7,
      graphics: null,
      screenFixed: false,
      agentConnected: false,
      hardware: { vcpus: 1, memoryBytes: 128 * 2 ** 20, maxVcpus: 3, maxMemoryBytes: 128 * 2 ** 20 },
    })
  })

  it('of somebody else is nobody’s', () => {
    expect(readDomain('<domain type="kvm"><name>a</name><uuid>b</uuid></domain>')).toBeNull()
  })

  it('lets nobody see its screen before a person is admitted', () => {
    const text = domainXml(parts())
    expect(text).toMatch(/passwd='[0-9a-f]{32}' passwdValidTo='1970-01-01T00:00:00'/)
    expect(domainXml(parts())).not.toBe(text)
  })

  it('listens where the control plane said, and else where libvirt finds a place', () => {
    expect(domainXml(parts(machineSpec(1, { screenPort: 16_001 })))).toMatch(/port='16001' autoport='no'/)
    expect(domainXml(parts())).toMatch(/port='-1' autoport='yes'/)
    const arrived = arrivingXml(domainXml(parts()), { address: '192.0.2.7', port: 16_002 })
    expect(readDomain(arrived)).toMatchObject({ screenFixed: true, graphics: { host: '192.0.2.7', port: 16_002 } })
    expect(arrivingXml(arrived, { address: '192.0.2.8', port: null })).toMatch(/autoport="yes".*listen="192.0.2.8"/)
  })

  const made = (diskBus: DiskBus | undefined, more: Partial<DomainParts> = {}) => {
    const { hardware } = machineSpec(1)
    const text = domainXml({ ...parts(machineSpec(1, { hardware: { ...hardware, diskBus } })), ...more })
    return { text, domain: new DOMParser().parseFromString(text, 'text/xml').documentElement }
  }
  it.each([
    [undefined, 'vda', 'virtio'],
    ['virtio', 'vda', 'virtio'],
    ['sata', 'sdc', 'sata'],
    ['scsi', 'sdc', 'scsi'],
  ] as const)('has its disk on the bus that is wished (%s)', (wished, device, bus) => {
    const { text, domain } = made(wished)
    expect(text).toContain(`<target dev='${device}' bus='${bus}'/>`)
    expect(domain && diskDeviceOf(domain)).toBe(device)
    expect(diskDevice({ diskBus: wished })).toBe(device)
    expect(text.includes('virtio-scsi')).toBe(bus === 'scsi')
  })

  it('keeps the names of its drives beside a disk on SATA, and tells its disk from volumes', () => {
    const volume = xml`<disk type='file' device='disk'><target dev='vdb' bus='virtio'/><alias name='${aliasOf('v')}'/></disk>`
    const drives = { disc: '/i/2.qcow2', answers: answersXml('/o/1.iso', true), volumes: [volume] }
    const { text, domain } = made('sata', drives)
    const names = [...text.matchAll(/<target dev='(\w+)' bus/g)].map(([, name]) => name)
    expect(names.toSorted()).toEqual(['sda', 'sdb', 'sdc', 'vdb'])
    expect(domain && diskDeviceOf(domain)).toBe('sdc')
    expect(readDomain(text)).toMatchObject({ cdrom: {}, disks: [{ id: 'v', device: 'vdb' }] })
    // Its disk first, then what is in its drive.
    expect(text).toMatch(/<boot dev='hd'\/>\s*<boot dev='cdrom'\/>/)
  })

  it('starts from its disc before its disk where that is wished, and from its disk where there is no disc', () => {
    const spec = machineSpec(1, { bootDisc: true })
    const orderOf = (disc: string | null) =>
      [...domainXml({ ...parts(spec), disc }).matchAll(/<boot dev='(\w+)'/g)].map(([, name]) => name)
    expect(orderOf('/i/2.qcow2')).toEqual(['cdrom', 'hd'])
    expect(orderOf(null)).toEqual(['hd'])
  })

  it('starts by BIOS, or by a UEFI that is only read and keeps nothing', () => {
    expect(domainXml(parts())).not.toContain('<loader')
    const text = domainXml({ ...parts(), ovmf: '/f/OVMF.fd' })
    expect(text).toContain("<loader readonly='yes' type='pflash' stateless='yes'>/f/OVMF.fd</loader>")
    expect(text).not.toContain('nvram')
  })

  it('ends with its guest and never starts again by itself', () => {
    expect(domainXml(parts())).toContain('<on_poweroff>destroy</on_poweroff>')
    expect(domainXml(parts())).toContain('<on_crash>destroy</on_crash>')
  })

  it('has libvirt ask for the features of an emulated CPU at once; of a real one, one by one and all', () => {
    const text = domainXml({ ...parts(), accelerator: 'tcg' })
    expect(text).toContain(`xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'`)
    expect(text).toContain(`<qemu:del capability='cpu-unavailable-features'/>`)
    expect(domainXml({ ...parts(), accelerator: 'kvm' })).not.toContain('<qemu:')
  })

  it('keeps the translation cache of small emulated guests small, and of no others', () => {
    const large = machineSpec(1, { hardware: { ...machineSpec(1).hardware, memoryBytes: 2 ** 30 } })
    expect(domainXml(parts())).toContain("<tb-cache unit='MiB'>32</tb-cache>")
    expect(domainXml(parts(large))).not.toContain('tb-cache')
    expect(domainXml({ ...parts(), accelerator: 'kvm' })).not.toContain('tb-cache')
  })

  it.each([
    ['a name with markup', { name: "a'/><x" }],
    ['a name with a slash', { name: '../a' }],
    ['an id that is no UUID', { id: '../../etc/passwd' }],
    ['a malformed MAC', { nic: nicSpec('10.0.0.2', { mac: 'x' }) }],
    ['no memory', { hardware: { ...machineSpec(1).hardware, memoryBytes: 0 } }],
  ])('refuses %s', (_title, wrong) => {
    expect(() => domainXml(parts(machineSpec(1, wrong)))).toThrow(expect.objectContaining({ code: 'invalid' }))
  })

  it('says until when a screen password is good in the form libvirt reads', () => {
    const text = graphicsXml({
      listen: '::1',
      port: 5901,
      fixed: false,
      password: 'p&<',
      validUntil: new Date('2026-11-21T10:00:00Z'),
    })
    expect(text.xml).toContain("passwd='p&#38;&#60;' passwdValidTo='2026-11-21T10:00:00'")
    const tooLong = { listen: '::1', port: 1, fixed: false, password: 'x'.repeat(60), validUntil: new Date() }
    expect(() => graphicsXml(tooLong)).toThrow(expect.objectContaining({ code: 'invalid' }))
  })
})
