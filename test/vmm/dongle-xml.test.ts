import { describe, expect, it } from 'vitest'
import { readDomain } from '../../vmm/domain-xml.ts'
import { dongleXml, readUsbNode } from '../../vmm/dongle-xml.ts'

const id = '018f0000-0000-7000-8000-0000000000d1'
const dongle = { id, vendor: '0529', product: '0001', serial: null, port: '1-1.4' }
const node = (change: (text: string) => string = text => text) =>
  readUsbNode(
    change(`<device>
  <name>usb_1_1_4</name>
  <path>/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.4</path>
  <devnode type='dev'>/dev/bus/usb/001/007</devnode>
  <parent>usb_1_1</parent>
  <driver><name>usb</name></driver>
  <capability type='usb_device'>
    <bus>1</bus><device>7</device>
    <product id='0x0001'>HASP &lt;HL&gt;</product><vendor id='0x0529'>Aladdin Knowledge Systems</vendor>
  </capability>
</device>`),
  )

describe('a USB device in libvirt’s words', () => {
  it('is read as what it is, in which port, and where it sits now', () => {
    expect(node()).toEqual({
      vendor: '0529',
      product: '0001',
      vendorName: 'Aladdin Knowledge Systems',
      productName: 'HASP <HL>',
      port: '1-1.4',
      bus: 1,
      device: 7,
      path: '/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.4',
    })
  })

  it.each([
    ['is a root hub', (text: string) => text.replace('/1-1/1-1.4<', '<')],
    ['is no USB device', (text: string) => text.replace('usb_device', 'usb')],
    ['has a path that leads elsewhere', (text: string) => text.replace('/usb1/1-1/', '/../../etc/')],
    ['has no number of its maker', (text: string) => text.replace('0x0529', '')],
  ])('is none where it %s', (_title, change) => {
    expect(node(change)).toBeNull()
  })

  it('is found again in the machine that was given it, by its dongle; what others gave it is not told of', () => {
    const theirs = "<hostdev mode='subsystem' type='usb'><source><address bus='2' device='3'/></source></hostdev>"
    const given = dongleXml(dongle, { bus: 1, device: 7 })
    const found = readDomain(
      `<domain><name>a</name><uuid>b</uuid><m:machine xmlns:m="urn:hdcs:machine:1" installation="i" incarnation="1"/>
       <devices>${theirs}${given}</devices></domain>`,
    )
    expect(found?.dongles).toEqual([{ id, bus: 1, device: 7 }])
    expect(given).toContain("<vendor id='0x0529'/><product id='0x0001'/><address bus='1' device='7'/>")
  })
})
