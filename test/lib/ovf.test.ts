import { describe, expect, it } from 'vitest'
import { manifestRead, ovfRead } from '../../lib/ovf.ts'
import { fileHead } from '../../lib/template-file.ts'
import { ovfWrite } from '../../vmm/ovf.ts'
import { virtualBoxOvf, vmwareOvf } from '../support/appliances.ts'

const about = {
  name: 'cad',
  description: 'For <drawing> & building',
  hardware: { vcpus: 4, memoryBytes: 6 * 2 ** 30, video: 'virtio' as const, diskBytes: null, sound: true },
  readyWhen: 'agent' as const,
  number: 3,
  notes: 'with the new driver',
  madeAt: '2026-03-01T12:00:00.000Z',
}
const disk = { name: 'cad-disk1.vmdk', sizeBytes: 1234, virtualBytes: 40 * 2 ** 30 }

describe('a descriptor', () => {
  it('of ours says again what the template is', () => {
    expect(ovfRead(ovfWrite(about, disk))).toEqual({
      name: 'cad',
      description: 'For <drawing> & building\nwith the new driver',
      vcpus: 4,
      memoryBytes: 6 * 2 ** 30,
      sound: true,
      firmware: 'bios',
      diskBus: 'virtio',
      disk: { href: 'cad-disk1.vmdk', capacityBytes: 40 * 2 ** 30 },
      notes: [],
    })
  })

  it('of VirtualBox and of VMware is understood', () => {
    expect(ovfRead(virtualBoxOvf('My Box-disk001.vmdk'))).toMatchObject({
      name: 'My Box',
      vcpus: 2,
      memoryBytes: 2 ** 31,
      disk: { href: 'My Box-disk001.vmdk', capacityBytes: 2 ** 30 },
    })
    expect(ovfRead(vmwareOvf('win 10-disk1.vmdk'))).toMatchObject({
      name: 'win 10',
      vcpus: 4,
      memoryBytes: 2 ** 32,
      disk: { href: 'win 10-disk1.vmdk', capacityBytes: 2 ** 30 },
      notes: ['Its further files (CD images) are not taken over.', 'One of its 2 network cards is kept.'],
    })
  })

  it.each([
    ['bios', 'sata'],
    ['uefi', 'virtio'],
    ['uefi', 'scsi'],
  ] as const)('of ours with %s and its disk on %s comes back so', (firmware, diskBus) => {
    const text = ovfWrite({ ...about, hardware: { ...about.hardware, firmware, diskBus } }, disk)
    expect(ovfRead(text)).toMatchObject({ firmware, diskBus, notes: [] })
    // Whoever does not know our word finds a controller that every program has.
    expect(ovfRead(text.replace(/<vmw:ExtraConfig.*>/, ''))).toMatchObject({ firmware, diskBus: 'sata' })
  })

  const controller = (type: number, model: string, of: string) =>
    of
      .replace('<rasd:HostResource>', '<rasd:Parent>3</rasd:Parent><rasd:HostResource>')
      .replace(
        '</VirtualHardwareSection>',
        `<Item><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>${model}</rasd:ResourceSubType><rasd:ResourceType>${type}</rasd:ResourceType></Item></VirtualHardwareSection>`,
      )
  it.each([
    [20, 'AHCI', 'sata', []],
    [20, 'vmware.sata.ahci', 'sata', []],
    [5, 'PIIX4', 'sata', ['Its disk was on IDE (PIIX4) and comes to SATA.']],
    [6, 'lsilogicsas', 'sata', ['Its disk was on SCSI (lsilogicsas) and comes to SATA.']],
    [6, 'VirtioSCSI', 'scsi', []],
    [1, 'something', null, []],
  ])('whose disk is on a controller %i (%s) proposes %s', (type, model, diskBus, notes) => {
    expect(ovfRead(controller(type, model, virtualBoxOvf('disk.vmdk')))).toMatchObject({ diskBus, notes })
  })

  it('says its firmware in VMware’s words or VirtualBox’s', () => {
    const vmware = vmwareOvf('disk.vmdk')
    const efi = '<vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/></VirtualHardwareSection>'
    expect(ovfRead(vmware)).toMatchObject({ firmware: 'bios', diskBus: null })
    expect(ovfRead(vmware.replace('</VirtualHardwareSection>', efi)).firmware).toBe('uefi')
    const hardware = '><Hardware><Firmware type="EFI"/></Hardware></vbox:Machine>'
    const machine = /(<vbox:Machine[^>]*)\/>/
    expect(ovfRead(virtualBoxOvf('disk.vmdk').replace(machine, `$1${hardware}`)).firmware).toBe('uefi')
    const bios = hardware.replace('EFI', 'BIOS')
    expect(ovfRead(virtualBoxOvf('disk.vmdk').replace(machine, `$1${bios}`)).firmware).toBe('bios')
  })

  const box = virtualBoxOvf('disk.vmdk')
  const twice = (text: string, what: RegExp) => text.replace(what, found => `${found}${found}`)
  it.each<[string, string, RegExp]>([
    ['is no XML', '<Envelope', /no XML/],
    ['is empty', '', /no XML|empty/],
    ['is something else', '<domain/>', /no OVF/],
    ['declares entities', `<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>${box}`, /entities/],
    ['holds two machines', twice(box, /<VirtualSystem .*<\/VirtualSystem>/s), /2 machines/],
    ['has two disks', twice(box, /<Disk .*?\/>/), /2 disks/],
    ['has no disk', box.replace(/<Disk .*?\/>/, ''), /no disk/],
    ['names a file that is not listed', box.replace('ovf:id="file1"', 'ovf:id="file9"'), /not listed/],
    ['has a compressed disk', box.replace('ovf:id="file1"', 'ovf:id="file1" ovf:compression="gzip"'), /compressed/],
    ['has a disk in pieces', box.replace('ovf:id="file1"', 'ovf:id="file1" ovf:chunkSize="700"'), /pieces/],
  ])('that %s is refused', (_what, text, reason) => {
    expect(() => ovfRead(text)).toThrow(reason)
  })

  it.each([
    ['-4', null],
    ['four', null],
    ['1e99', null],
    ['8', 8],
  ])('proposes %s processors only where that is a number of them', (text, vcpus) => {
    const changed = box.replace('<rasd:VirtualQuantity>2<', `<rasd:VirtualQuantity>${text}<`)
    expect(ovfRead(changed).vcpus).toBe(vcpus)
  })
})

describe('a manifest', () => {
  it('is read in the words of OpenSSL, whatever the algorithm', () => {
    const text = `SHA1(a b.ovf)= ${'A'.repeat(40)}\r\nSHA256 (d.vmdk) = ${'b'.repeat(64)}\n\n`
    expect([...manifestRead(text)]).toEqual([
      ['a b.ovf', { algorithm: 'sha1', digest: 'a'.repeat(40) }],
      ['d.vmdk', { algorithm: 'sha256', digest: 'b'.repeat(64) }],
    ])
  })

  it.each(['MD5(a)= 00', `SHA1(a)= ${'0'.repeat(39)}`, 'nonsense'])('with the line “%s” is refused', line => {
    expect(() => manifestRead(line)).toThrow('no checksum')
  })
})

describe('the beginning of a file', () => {
  it('that is no archive is that of an image', () => {
    expect(fileHead(Buffer.from('QFI\u00fb', 'latin1'))).toEqual({ kind: 'image' })
    expect(fileHead(new Uint8Array(0))).toEqual({ kind: 'image' })
  })
})
