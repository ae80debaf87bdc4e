/**
 * What an appliance says of itself: the OVF descriptor (DMTF DSP0243, versions 1.x and 2.x) as VirtualBox, VMware and
 * others write it. Read only for what a template needs: one machine, one disk in one file, and what hardware is proposed.
 * All numbers are hints of whoever wrote it; the disk itself is checked as any image from outside.
 */
import { DOMParser, type Element } from '@xmldom/xmldom'
import { HdcsError } from './errors.ts'
import { type DiskBus, diskBuses, type Firmware } from './hardware.ts'

/** An honest one has some ten thousand bytes. */
export const mostOvfBytes = 2 ** 20

export interface Ovf {
  name: string
  description: string
  /** Null: it does not say, or nothing sensible. */
  vcpus: number | null
  memoryBytes: number | null
  sound: boolean
  firmware: Firmware
  /** Null: it does not say. */
  diskBus: DiskBus | null
  disk: {
    /** The file's name in the archive. */
    href: string
    capacityBytes: number | null
  }
  /** For the administrator: what is there and will not be taken over. */
  notes: string[]
}

const refused = (reason: string) => new HdcsError('invalid', `The appliance cannot be taken: ${reason}`)

/** DSP0243 table 5, CIM_ResourceAllocationSettingData.ResourceType. */
const types = { processor: '3', memory: '4', ide: '5', scsi: '6', network: '10', disk: '17', sata: '20', sound: '35' }

/** Under this key of VMware's `ExtraConfig` ours says what its disk was on: beside the controller that others look for. */
export const diskBusKey = 'hdcs.diskBus'

/** @throws HdcsError `invalid`, `unsupported` with what to do. */
export function ovfRead(text: string): Ovf {
  const root = parsed(text)
  if (root.localName !== 'Envelope') throw refused('its descriptor is no OVF. Export it again, as OVF 1.0.')
  const systems = all(root, 'VirtualSystem')
  const [system] = systems
  if (systems.length > 1) throw refused(`it holds ${systems.length} machines. Export them one by one.`)
  if (!system) throw refused('its descriptor names no machine.')

  const files = new Map(all(all(root, 'References')[0] ?? root, 'File').map(file => [attribute(file, 'id'), file]))
  const disks = all(all(root, 'DiskSection')[0] ?? root, 'Disk')
  const [disk, ...others] = disks.filter(found => attribute(found, 'fileRef') !== '')
  if (!disk) throw refused('it has no disk with content.')
  if (others.length > 0)
    throw refused(`it has ${others.length + 1} disks, and a template has one. Export it with its system disk alone.`)
  const file = files.get(attribute(disk, 'fileRef'))
  const href = file ? attribute(file, 'href') : ''
  if (!file || href === '') throw refused('its disk names a file that is not listed.')
  if (!['', 'identity'].includes(attribute(file, 'compression')))
    throw new HdcsError('unsupported', 'The appliance’s disk is compressed as a file. Export it without compression.')
  if (attribute(file, 'chunkSize') !== '')
    throw new HdcsError('unsupported', 'The appliance’s disk is cut into pieces. Export it as one file.')

  const items = all(system, 'Item').map(item => ({ type: content(item, 'ResourceType'), item }))
  const first = (type: string) => items.find(found => found.type === type)?.item
  const place = diskPlace(system, attribute(disk, 'diskId'))
  const cards = items.filter(found => found.type === types.network).length
  return {
    name: content(system, 'Name') || attribute(system, 'id'),
    description: content(all(system, 'AnnotationSection')[0], 'Annotation').slice(0, 500),
    vcpus: whole(content(first(types.processor), 'VirtualQuantity')),
    memoryBytes: memoryOf(first(types.memory)),
    sound: first(types.sound) !== undefined,
    firmware: firmwareOf(system),
    diskBus: place.bus,
    disk: { href, capacityBytes: capacityOf(disk) },
    notes: [
      ...(disks.length > 1 ? ['Its empty further disks are not taken over.'] : []),
      ...(files.size > 1 ? ['Its further files (CD images) are not taken over.'] : []),
      ...place.notes,
      ...(cards > 1 ? [`One of its ${cards} network cards is kept.`] : []),
    ],
  }
}

function parsed(text: string): Element {
  // Entities of its own make a small text large, and can name files: no honest descriptor has any.
  if (/<!(DOCTYPE|ENTITY)/i.test(text)) throw refused('its descriptor declares entities.')
  const fail = (level: string, message: string) => {
    if (level !== 'warning') throw refused(`its descriptor is no XML (${message.split('\n')[0]}).`)
  }
  try {
    const root = new DOMParser({ onError: fail }).parseFromString(text, 'text/xml').documentElement
    if (root) return root
  } catch (thrown) {
    if (thrown instanceof HdcsError) throw thrown
    throw new HdcsError('invalid', 'The appliance cannot be taken: its descriptor is no XML.', { cause: thrown })
  }
  throw refused('its descriptor is empty.')
}

/** Prefixes and the version's namespace differ between writers; local names do not. */
const all = (parent: Element, name: string): Element[] => [...parent.getElementsByTagNameNS('*', name)]
const content = (parent: Element | undefined, name: string): string =>
  parent ? (all(parent, name)[0]?.textContent?.trim() ?? '') : ''
const attribute = (element: Element, name: string): string =>
  [...element.attributes].find(found => found.localName === name)?.value.trim() ?? ''

function whole(text: string): number | null {
  const value = Number(text)
  return text !== '' && Number.isSafeInteger(value) && value > 0 ? value : null
}

/** `byte * 2^20` (DSP0004, programmatic units), or a word of VMware's older writers. */
function unitBytes(text: string): number | null {
  if (text === '' || /^bytes?$/i.test(text)) return 1
  const power = /^byte\s*\*\s*2\^(\d{1,2})$/i.exec(text)?.[1]
  if (power !== undefined) return 2 ** Number(power)
  const words: Record<string, number> = { k: 10, m: 20, g: 30, t: 40 }
  const letter = /^([kmgt])(ilo|ega|iga|era)?b(ytes?)?$/i.exec(text)?.[1]?.toLowerCase()
  return letter === undefined ? null : 2 ** (words[letter] ?? 0)
}

function product(amount: number | null, unit: number | null): number | null {
  const bytes = (amount ?? Number.NaN) * (unit ?? Number.NaN)
  return Number.isSafeInteger(bytes) ? bytes : null
}

const memoryOf = (item: Element | undefined): number | null =>
  item ? product(whole(content(item, 'VirtualQuantity')), unitBytes(content(item, 'AllocationUnits') || 'MB')) : null
const capacityOf = (disk: Element): number | null =>
  product(whole(attribute(disk, 'capacity')), unitBytes(attribute(disk, 'capacityAllocationUnits')))

/** VMware's `Config` and `ExtraConfig`: what OVF itself has no word for. */
const configOf = (system: Element, key: string): string =>
  ['Config', 'ExtraConfig']
    .flatMap(name => all(system, name))
    .filter(found => attribute(found, 'key') === key)
    .map(found => attribute(found, 'value'))[0] ?? ''

/** In VMware's words, or VirtualBox's. */
function firmwareOf(system: Element): Firmware {
  const said = [configOf(system, 'firmware'), ...all(system, 'Firmware').map(found => attribute(found, 'type'))]
  return said.some(word => /^efi/i.test(word)) ? 'uefi' : 'bios'
}

/** q35 has neither IDE nor the SCSI controllers of others: their disks get SATA, for which any system has a driver. */
function diskPlace(system: Element, diskId: string): { bus: DiskBus | null; notes: string[] } {
  const ours = diskBuses.find(bus => bus === configOf(system, diskBusKey))
  if (ours) return { bus: ours, notes: [] }
  const items = all(system, 'Item').concat(all(system, 'StorageItem'))
  const drive = items.find(
    item => content(item, 'ResourceType') === types.disk && content(item, 'HostResource').endsWith(`/${diskId}`),
  )
  const parent = content(drive, 'Parent')
  const controller = parent === '' ? undefined : items.find(item => content(item, 'InstanceID') === parent)
  const type = content(controller, 'ResourceType')
  if (type !== types.ide && type !== types.scsi && type !== types.sata) return { bus: null, notes: [] }
  const model = content(controller, 'ResourceSubType')
  if (type === types.scsi && /virtio/i.test(model)) return { bus: 'scsi', notes: [] }
  const was = type === types.sata ? '' : `${type === types.ide ? 'IDE' : 'SCSI'}${model && ` (${model})`}`
  return { bus: 'sata', notes: was ? [`Its disk was on ${was} and comes to SATA.`] : [] }
}

/** What a manifest (`.mf`) says of one file: `SHA256(name)= hex` (OpenSSL's words), also with SHA1 and SHA512. */
export interface ManifestLine {
  algorithm: 'sha1' | 'sha256' | 'sha512'
  digest: string
}

const algorithms = ['sha1', 'sha256', 'sha512'] as const
const hexLength = { sha1: 40, sha256: 64, sha512: 128 }

/** @throws HdcsError `invalid`. */
export function manifestRead(text: string): Map<string, ManifestLine> {
  const lines = text.split(/\r?\n/).filter(line => line.trim() !== '')
  return new Map(
    lines.map(line => {
      const [, word = '', name = '', hex = ''] = /^(\w+)\s*\((.+)\)\s*=\s*([0-9a-fA-F]+)\s*$/.exec(line) ?? []
      const algorithm = algorithms.find(known => known === word.toLowerCase())
      if (!algorithm || hex.length !== hexLength[algorithm])
        throw refused('its manifest has a line that is no checksum. Export it again.')
      return [name, { algorithm, digest: hex.toLowerCase() }]
    }),
  )
}
