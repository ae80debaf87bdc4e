/** USB devices in libvirt's words: as the host has them, and as a machine gets one. */
import { DOMParser, type Element } from '@xmldom/xmldom'
import { xml } from '../lib/xml.ts'
import type { UsbPlace } from './dongles.ts'
import type { AttachedDongle } from './host.ts'
import type { UsbDevice } from './report.ts'
import type { DongleSpec } from './spec.ts'

/** Longer names tell nothing more. */
const maxName = 200
/** libvirt keeps names that begin so; the rest says which dongle it is. */
const aliasMark = 'ua-hdcs-dongle-'
const aliasForm = /^ua-hdcs-dongle-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/

/** What it is and where it sits: should another device sit there by now, libvirt refuses. */
export const dongleXml = ({ id, vendor, product }: DongleSpec, { bus, device }: UsbPlace): string =>
  xml`<hostdev mode='subsystem' type='usb' managed='no'>
    <source><vendor id='0x${vendor}'/><product id='0x${product}'/><address bus='${bus}' device='${device}'/></source>
    <alias name='${aliasMark}${id}'/>
  </hostdev>`.xml

/** To take one out nothing counts but where it sat. */
export const dongleAwayXml = (id: string, { bus, device }: UsbPlace): string =>
  xml`<hostdev mode='subsystem' type='usb' managed='no'>
    <source><address bus='${bus}' device='${device}'/></source><alias name='${aliasMark}${id}'/>
  </hostdev>`.xml

const first = (parent: Element, name: string) => parent.getElementsByTagName(name)[0]
const number = (element: Element | undefined, name: string) => Number(element?.getAttribute(name) ?? Number.NaN)

/** Those that we gave it; what an administrator gave it by other means is left alone. */
export function readDongles(domain: Element): AttachedDongle[] {
  return [...domain.getElementsByTagName('hostdev')].flatMap(hostdev => {
    const id = aliasForm.exec(first(hostdev, 'alias')?.getAttribute('name') ?? '')?.[1]
    const source = first(hostdev, 'source')
    const address = source && first(source, 'address')
    return id ? [{ id, bus: number(address, 'bus'), device: number(address, 'device') }] : []
  })
}

/** A node device of libvirt's; the serial is not in it. `path` is of sysfs; null: it is no USB device. */
export function readUsbNode(text: string): (Omit<UsbDevice, 'serial'> & { path: string }) | null {
  const node = new DOMParser().parseFromString(text, 'text/xml').documentElement
  const [capability] = node ? [...node.getElementsByTagName('capability')] : []
  if (!node || capability?.getAttribute('type') !== 'usb_device') return null
  const content = (name: string) => (first(capability, name)?.textContent ?? '').trim().slice(0, maxName)
  const idOf = (name: string) => (first(capability, name)?.getAttribute('id') ?? '').replace(/^0x/, '').toLowerCase()
  const path = first(node, 'path')?.textContent ?? ''
  const [vendor, product] = [idOf('vendor'), idOf('product')]
  // Only what the kernel itself calls a device of a bus: the path is read from.
  const port = /^\/sys\/devices\/[\w./:-]+\/(\d+-\d+(?:\.\d+)*)$/.exec(path)?.[1]
  if (path.includes('..') || port === undefined || !/^[0-9a-f]{4} [0-9a-f]{4}$/.test(`${vendor} ${product}`))
    return null
  return {
    vendor,
    product,
    vendorName: content('vendor'),
    productName: content('product'),
    port,
    bus: Number(content('bus')),
    device: Number(content('device')),
    path,
  }
}
