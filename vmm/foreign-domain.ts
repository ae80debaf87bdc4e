/** What a domain that is not ours looks like, and what keeps it from becoming one of ours. Pure. */
import { DOMParser, type Element } from '@xmldom/xmldom'
import type { DiskBus } from '../lib/hardware.ts'
import { machineNamespace } from './domain-xml.ts'
import type { ForeignDisk, ForeignMachine } from './report.ts'

/** Of a disk's file, as it is: what the XML cannot tell. */
export interface ForeignFile {
  sizeBytes: number
  usedBytes: number
  /** The file it stands on. */
  backing: string | null
  /** It has its content in yet another file, or is encrypted. */
  whole: boolean
}

export interface ForeignXml extends Pick<ForeignMachine, 'id' | 'name' | 'vcpus' | 'memoryBytes' | 'nics'> {
  /** It bears a mark of HDCS, this installation's or another's. */
  marked: boolean
  video: string
  disks: (Omit<ForeignDisk, 'sizeBytes' | 'usedBytes' | 'backing'> & { kind: string; shared: boolean })[]
  uefi: boolean
  /** Its SCSI controller is not virtio's. */
  oldScsi: boolean
  arch: string
  /** It starts from a kernel file of the host, not from its disk. */
  hostKernel: boolean
  /** Things of the host that it holds, e.g. `hostdev`. */
  holds: string[]
}

const elements = (parent: Element, name: string) => [...parent.getElementsByTagName(name)]
const attribute = (parent: Element | undefined, name: string) => parent?.getAttribute(name) || null
/** libvirt's units of memory, in bytes. */
const units: Record<string, number> = { b: 1, bytes: 1, k: 1024, KiB: 1024, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }
/** What only this host has, or what holds state of its own elsewhere. */
const hostThings = ['hostdev', 'filesystem', 'tpm', 'nvdimm', 'shmem']

/** @returns null for what is no domain. */
export function readForeign(text: string): ForeignXml | null {
  const domain = new DOMParser().parseFromString(text, 'text/xml').documentElement
  if (domain?.tagName !== 'domain') return null
  const first = (name: string) => elements(domain, name)[0]
  const content = (name: string) => first(name)?.textContent?.trim() ?? ''
  const memory = first('memory')
  const [os] = elements(domain, 'os')
  const loader = os && elements(os, 'loader')[0]
  return {
    id: content('uuid'),
    name: content('name'),
    marked: domain.getElementsByTagNameNS(machineNamespace, 'machine').length > 0,
    vcpus: Number(content('vcpu')) || 1,
    memoryBytes: (Number(content('memory')) || 0) * (units[attribute(memory, 'unit') ?? 'KiB'] ?? 1024),
    video: attribute(elements(domain, 'video').flatMap(video => elements(video, 'model'))[0], 'type') ?? '',
    disks: elements(domain, 'disk').flatMap(disk => {
      const target = elements(disk, 'target')[0]
      if ((attribute(disk, 'device') ?? 'disk') !== 'disk') return []
      const source = elements(disk, 'source').find(found => found.parentNode === disk)
      const path = ['file', 'dev', 'name', 'volume'].map(name => attribute(source, name)).find(found => found !== null)
      return [
        {
          kind: attribute(disk, 'type') ?? 'file',
          path: path ?? null,
          format: attribute(elements(disk, 'driver')[0], 'type') ?? 'raw',
          bus: attribute(target, 'bus') ?? '',
          shared: elements(disk, 'shareable').length > 0,
        },
      ]
    }),
    nics: elements(domain, 'interface').map(nic => {
      const source = elements(nic, 'source')[0]
      return {
        mac: attribute(elements(nic, 'mac')[0], 'address') ?? '',
        network: attribute(source, 'network') ?? attribute(source, 'bridge') ?? attribute(source, 'dev'),
      }
    }),
    uefi:
      attribute(os, 'firmware') === 'efi' ||
      attribute(loader, 'type') === 'pflash' ||
      /ovmf|edk2|uefi/i.test(loader?.textContent ?? ''),
    oldScsi: elements(domain, 'controller').some(
      controller =>
        attribute(controller, 'type') === 'scsi' && !(attribute(controller, 'model') ?? '').startsWith('virtio'),
    ),
    arch: attribute(os && elements(os, 'type')[0], 'arch') ?? '',
    hostKernel: Boolean(os && elements(os, 'kernel').length > 0),
    holds: hostThings.filter(name => elements(domain, name).length > 0),
  }
}

export interface ForeignState {
  power: ForeignMachine['power']
  persistent: boolean
  saved: boolean
  snapshots: boolean
  /** Its host has UEFI firmware. */
  uefi: boolean
}

/** libvirt's words for what a disk is on, and what a desktop has for it. q35 has no IDE; any guest has a driver for SATA. */
const buses: Record<string, DiskBus> = { virtio: 'virtio', sata: 'sata', ide: 'sata', scsi: 'scsi' }

/** What its disk will be on; undefined: desktops have nothing like it. */
export function adoptedBus({ disks: [disk], oldScsi }: Pick<ForeignXml, 'disks' | 'oldScsi'>): DiskBus | undefined {
  const bus = disk && buses[disk.bus]
  return bus === 'scsi' && oldScsi ? 'sata' : bus
}

type Rule = (domain: ForeignXml, state: ForeignState, file: ForeignFile | null) => string | false

/** Disks that qemu-img copies by the format that the definition names; it is never guessed from what a guest wrote. */
export const foreignFormats = ['qcow2', 'raw'] as const

/** Every one that holds is told; the passing ones last. */
const rules: Rule[] = [
  ({ arch }) => arch !== 'x86_64' && `it is made for ${arch || 'another processor'}, desktops are x86_64`,
  ({ uefi }, host) =>
    uefi &&
    !host.uefi &&
    'it starts by UEFI, and this host has no firmware for that: install the Debian package ovmf first',
  ({ hostKernel }) => hostKernel && 'it starts from a kernel file of the host, not from its disk',
  ({ holds }) => holds.length > 0 && `it holds things of this host (${holds.join(', ')}): take them out of it first`,
  ({ disks }) =>
    disks.length !== 1 &&
    (disks.length === 0
      ? 'it has no disk'
      : `it has ${disks.length} disks; a desktop has one: detach the others first`),
  ({ disks: [disk] }) => disk?.kind !== undefined && disk.kind !== 'file' && `its disk is no file (${disk.kind})`,
  ({ disks: [disk] }) =>
    disk?.kind === 'file' &&
    !foreignFormats.some(format => format === disk.format) &&
    `its disk has the format ${disk.format}: convert it to qcow2 first (qemu-img convert)`,
  domain =>
    domain.disks[0] !== undefined &&
    adoptedBus(domain) === undefined &&
    `its disk is attached by ${domain.disks[0].bus || 'an unknown bus'}, desktops use virtio, SATA or SCSI: change it, and see that its guest starts so`,
  ({ disks: [disk] }) => disk?.shared === true && 'its disk may be open on other machines (shareable)',
  ({ disks: [disk] }, _state, file) =>
    disk?.kind === 'file' && file === null && `its disk ${disk.path ?? ''} cannot be read`,
  (_domain, _state, file) =>
    file !== null &&
    file.backing !== null &&
    `its disk stands on another file (${file.backing}): make it a file of its own first (qemu-img rebase -b "")`,
  (_domain, _state, file) =>
    file !== null && !file.whole && 'its disk is encrypted or has its content in another file: convert it first',
  (_domain, { persistent }) => !persistent && 'it is transient: nothing of it stays once it is shut down',
  (_domain, { snapshots }) => snapshots && 'it has snapshots: delete them first (virsh snapshot-delete)',
  (_domain, { saved }) => saved && 'its memory was saved: start it and shut it down first',
  (_domain, { power }) => power !== 'stopped' && 'it runs: shut it down first',
]

/** Why it cannot be adopted as it is; empty: it can. */
export const foreignObstacles = (domain: ForeignXml, state: ForeignState, file: ForeignFile | null): string[] =>
  rules.map(rule => rule(domain, state, file)).filter(text => text !== false)
