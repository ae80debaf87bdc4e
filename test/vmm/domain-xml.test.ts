import { describe, expect, it } from 'vitest'
import { type DomainParts, domainXml, graphicsXml, readDomain } from '../../vmm/domain-xml.ts'
import { arrivingXml } from '../../vmm/libvirt-moves.ts'
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
