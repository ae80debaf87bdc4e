/** A machine's own disk as libvirt's XML, and what libvirt calls it. */
import type { Element } from '@xmldom/xmldom'
import { hardwareFull } from '../lib/hardware.ts'
import { type Xml, xml } from '../lib/xml.ts'
import type { Hardware } from './spec.ts'
import { volumeOfAlias } from './storage-pool-xml.ts'

/**
 * Its name among the domain's devices. `sda` is the drive for discs and `sdb` the one for answer files: a machine that runs
 * keeps theirs, whatever its disk is on next. Guests name disks themselves.
 */
export const diskDevice = (hardware: Pick<Hardware, 'diskBus'>): string =>
  hardwareFull(hardware).diskBus === 'virtio' ? 'vda' : 'sdc'

export interface DiskParts {
  hardware: Pick<Hardware, 'diskBus'>
  /** Absolute paths: the overlay, and the image under it; null: it stands on none. */
  disk: string
  image: string | null
  /** The disk belongs to QEMU's user already. */
  ownersReady: boolean
}

/** Else libvirt makes a third unit of its name, and OVMF looks for none where the first is missing. */
const firstScsi = xml`<address type='drive' controller='0' bus='0' target='0' unit='0'/>`

/**
 * `writeback`: the page cache keeps a template's blocks once for all its desktops (with `none` each boot reads them from
 * the disk again), and what a guest flushes is still on the disk when it is told so. `enospace`: a full storage pauses
 * the guest instead of failing its writes.
 */
export function diskXml({ hardware, disk, image, ownersReady }: DiskParts): Xml {
  const owners = ownersReady && xml`<seclabel model='dac' relabel='no'/>`
  const { diskBus } = hardwareFull(hardware)
  return xml`<disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='writeback' discard='unmap' error_policy='enospace' rerror_policy='report'/>
      <source file='${disk}'>${owners}</source>
      ${image === null ? xml`<backingStore/>` : xml`<backingStore type='file'><format type='qcow2'/><source file='${image}'>${owners}</source><backingStore/></backingStore>`}
      <target dev='${diskDevice(hardware)}' bus='${diskBus}'/>
      ${diskBus === 'scsi' && firstScsi}
    </disk>
    ${diskBus === 'scsi' && xml`<controller type='scsi' index='0' model='virtio-scsi'/>`}`
}

/** What a domain that is there calls it: its hardware may be another by now than is wished. @returns null: it has none. */
export function diskDeviceOf(domain: Element): string | null {
  const first = (disk: Element, name: string) => [...disk.getElementsByTagName(name)][0]
  const own = [...domain.getElementsByTagName('disk')].find(
    disk =>
      (disk.getAttribute('device') ?? 'disk') === 'disk' && !volumeOfAlias(first(disk, 'alias')?.getAttribute('name')),
  )
  return (own && first(own, 'target')?.getAttribute('dev')) ?? null
}
