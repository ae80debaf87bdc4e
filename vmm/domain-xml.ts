/** The libvirt domain of a machine: written from its spec, read back when machines are listed. */
import { DOMParser, type Element } from '@xmldom/xmldom'
import { HdcsError } from '../lib/errors.ts'
import { type Xml, xml } from '../lib/xml.ts'
import type { NicSource } from './desktop-network.ts'
import { readDongles } from './dongle-xml.ts'
import { loaderXml } from './firmware.ts'
import { hardwareXml, readHardware } from './hardware-xml.ts'
import type { FoundMachine } from './host.ts'
import { diskXml } from './machine-disk.ts'
import { tapOf } from './networks.ts'
import type { Hardware, MachineSpec, NicSpec } from './spec.ts'
import { volumeOfAlias } from './storage-pool-xml.ts'

/** Our mark in each domain: whose it is and which life of its disk it runs on. */
export const machineNamespace = 'urn:hdcs:machine:1'
export const agentChannel = 'org.qemu.guest_agent.0'

export interface DomainParts {
  spec: MachineSpec
  /** Unique on this host; the machine's own name unless a stranger has it. */
  domainName: string
  installationId: string
  accelerator: 'kvm' | 'tcg'
  /** Absolute paths: the overlay, and the image under it; null: it stands on none. */
  disk: string
  image: string | null
  /** The image of the disc in its drive; null: it gets no drive. */
  disc?: string | null
  /** What the NIC is plugged into; null: no NIC. */
  nicSource: NicSource | null
  spiceListen: string
  /** The disk belongs to QEMU's user already, so libvirt need not (and shall not) change owners at every start. */
  ownersReady: boolean
  /** Its volumes, as disks. */
  volumes?: readonly Xml[]
  /** The drive with its answer file. */
  answers?: Xml | null
  /** The file of its UEFI firmware; null: it starts by BIOS. */
  ovmf?: string | null
}

export interface GraphicsParts {
  listen: string
  /** Null before the start: libvirt chooses. */
  port: number | null
  /** It was chosen for libvirt, not by it; libvirt refuses a change of this. */
  fixed: boolean
  password: string
  validUntil: Date
}

const nameForm = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const idForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const macForm = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/

/** Names go into XML, file names and the guest: only these. @throws HdcsError `invalid`. */
export function checkMachine({ id, name, nic, hardware }: MachineSpec): void {
  const wrong = (what: string) => new HdcsError('invalid', `The machine ${name} cannot be made: ${what}.`)
  if (!idForm.test(id)) throw wrong('its id is no UUID')
  if (!nameForm.test(name)) throw wrong('its name is no host name of a-z, 0-9 and -')
  if (nic && !macForm.test(nic.mac)) throw wrong('its MAC address is malformed')
  if (!Number.isInteger(hardware.vcpus) || hardware.vcpus < 1) throw wrong('it has no vCPU')
  if (hardware.memoryBytes < 32 * 2 ** 20) throw wrong('it has less than 32 MiB of memory')
}

/**
 * A tiny guest never fills more; QEMU's default (up to 1 GiB) only grows. Smaller: translating again costs CPU, 16 MiB
 * already 0.5 s per boot. Larger: each of many small desktops takes that much more memory.
 */
const tinyCacheMiB = 32
const tinyMemoryBytes = 256 * 2 ** 20

/** Free slots for what is plugged in later (a NIC, a disk). Each costs firmware and guest some milliseconds of boot. */
const freePorts = 3
const usedPorts = 7

const videos = {
  vga: xml`<model type='vga' vram='16384'/>`,
  virtio: xml`<model type='virtio' heads='1'/>`,
  qxl: xml`<model type='qxl' ram='65536' vram='65536' vgamem='32768' heads='1'/>`,
} satisfies Record<Hardware['video'], Xml>

const qemuNamespace = 'http://libvirt.org/schemas/domain/qemu/1.0'

/**
 * Without it libvirt asks QEMU at every start, also of a guest that moves, for each of 200 features of its CPU, one by one:
 * 0.35 s under emulation, where QEMU is busy. Under KVM that is short, and what is asked at once lacks features (MSRs).
 */
const askedAtOnce = xml`<qemu:capabilities><qemu:del capability='cpu-unavailable-features'/></qemu:capabilities>`

export function domainXml(parts: DomainParts): string {
  const { spec, accelerator } = parts
  checkMachine(spec)
  const { hardware } = spec
  const { memory, cpu } = hardwareXml(hardware, accelerator === 'kvm' ? 'host-model' : null)
  const tinyCache = accelerator === 'tcg' && hardware.memoryBytes <= tinyMemoryBytes
  return xml`<domain type='${accelerator === 'kvm' ? 'kvm' : 'qemu'}' xmlns:qemu='${qemuNamespace}'>
  <name>${parts.domainName}</name>
  <uuid>${spec.id}</uuid>
  <metadata>
    <hdcs:machine xmlns:hdcs='${machineNamespace}' installation='${parts.installationId}' incarnation='${spec.incarnation}' generation='${spec.generation}'/>
  </metadata>
  ${memory}
  <sysinfo type='smbios'>
    <oemStrings><entry>hdcs.hostname=${spec.name}</entry></oemStrings>
  </sysinfo>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    ${parts.ovmf != null && loaderXml(parts.ovmf)}
    ${bootXml(parts)}
    <smbios mode='sysinfo'/>
  </os>
  <features>
    <acpi/><apic/>
    ${tinyCache && xml`<tcg><tb-cache unit='MiB'>${tinyCacheMiB}</tb-cache></tcg>`}
  </features>
  ${cpu}
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <controller type='pci' index='0' model='pcie-root'/>
    ${Array.from({ length: usedPorts + freePorts + (parts.volumes?.length ?? 0) }, () => xml`<controller type='pci' model='pcie-root-port'/>`)}
    <controller type='usb' model='qemu-xhci' ports='8'/>
    <controller type='virtio-serial'/>
    ${diskXml({ ...parts, hardware })}
    ${parts.volumes}
    ${parts.disc != null && discXml(parts.disc)}
    ${parts.answers}
    ${spec.nic && parts.nicSource && nicXml(spec.nic, parts.nicSource)}
    <serial type='pty'/>
    <channel type='unix'><target type='virtio' name='${agentChannel}'/></channel>
    <channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>
    <input type='tablet' bus='usb'/>
    ${firstGraphics(parts)}
    <audio id='1' type='spice'/>
    ${hardware.sound && xml`<sound model='ich9'><audio id='1'/></sound>`}
    <video>${videos[hardware.video]}</video>
    <redirdev bus='usb' type='spicevmc'/>
    <redirdev bus='usb' type='spicevmc'/>
    <memballoon model='virtio' freePageReporting='on'/>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
  ${accelerator === 'tcg' && askedAtOnce}
</domain>`.xml
}

const firstGraphics = ({ spec: { screenPort: port }, spiceListen: listen }: DomainParts) =>
  graphicsXml({ listen, port, fixed: port !== null, password: randomPassword(), validUntil: new Date(0) })

/** Until a person is admitted nobody gets in: what nobody knows, and over already. */
export const randomPassword = () => crypto.randomUUID().replaceAll('-', '')

/** Also what an update of a running domain says. Sealed images are everybody's to read. @param image null: an empty drive. */
/** Its disk first, then what is in its drive; the other way round where that is wished, to repair what is on the disk. */
function bootXml({ disc, spec }: Pick<DomainParts, 'disc' | 'spec'>): Xml {
  const disk = xml`<boot dev='hd'/>`
  if (disc == null) return disk
  const drive = xml`<boot dev='cdrom'/>`
  return spec.bootDisc ? xml`${drive}${disk}` : xml`${disk}${drive}`
}

export const discXml = (image: string | null): Xml => xml`<disk type='file' device='cdrom'>
      <driver name='qemu' type='qcow2'/>
      ${image !== null && xml`<source file='${image}'><seclabel model='dac' relabel='no'/></source>`}
      <target dev='sda' bus='sata'/>
      <readonly/>
    </disk>`

/** The cable bears a name of our own: the rules of the host know it before it is there (firewall.ts). */
const nicXml = ({ mac, address }: NicSpec, source: NicSource): Xml =>
  xml`<interface type='${'bridge' in source ? 'bridge' : 'network'}'>
      ${'bridge' in source ? xml`<source bridge='${source.bridge}'/>` : xml`<source network='${source.network}'/>`}
      <mac address='${mac}'/><target dev='${tapOf(address)}'/><model type='virtio'/>
    </interface>`

/** SPICE's own limit is 59; libvirt cuts nothing, QEMU refuses the rest. */
const passwordBytes = 59

/** Also what an update of a running domain repeats, word for word, with a new password. */
export function graphicsXml({ listen, port, fixed, password, validUntil }: GraphicsParts): Xml {
  if (Buffer.byteLength(password) > passwordBytes)
    throw new HdcsError('invalid', `A screen password has ${passwordBytes} bytes at most.`)
  // libvirt reads seconds in UTC, without a zone.
  const until = new Date(Math.max(0, validUntil.getTime())).toISOString().slice(0, 19)
  const place = port === null ? xml`port='-1'` : xml`port='${port}'`
  return xml`<graphics type='spice' ${place} autoport='${fixed ? 'no' : 'yes'}' listen='${listen}' passwd='${password}' passwdValidTo='${until}' connected='keep'>
      <listen type='address' address='${listen}'/>
      <image compression='lz'/>
      <streaming mode='off'/>
    </graphics>`
}

export interface ReadDomain extends Omit<FoundMachine, 'power' | 'clients' | 'arriving'> {
  installationId: string
  /** Where its screen listens was chosen for libvirt (`GraphicsParts.fixed`). */
  screenFixed: boolean
  /** Its volumes, and as what the guest has them. */
  disks: { id: string; device: string }[]
}

const elements = (parent: Element, name: string) => [...parent.getElementsByTagName(name)]

const imageFile = /([0-9a-f-]{36})\.qcow2$/

function driveOf(domain: Element): ReadDomain['cdrom'] {
  const isDrive = (disk: Element) => elements(disk, 'target')[0]?.getAttribute('dev') === 'sda'
  const drive = elements(domain, 'disk').find(disk => disk.getAttribute('device') === 'cdrom' && isDrive(disk))
  if (!drive) return null
  const file = elements(drive, 'source')[0]?.getAttribute('file') ?? ''
  return { imageId: imageFile.exec(file)?.[1] ?? null }
}

/** @returns null for a domain that bears no mark of ours. */
export function readDomain(text: string): ReadDomain | null {
  const domain = new DOMParser().parseFromString(text, 'text/xml').documentElement
  if (!domain) return null
  const [mark] = [...domain.getElementsByTagNameNS(machineNamespace, 'machine')]
  if (!mark) return null
  const content = (name: string) => elements(domain, name)[0]?.textContent ?? ''
  const graphics = elements(domain, 'graphics').find(found => found.getAttribute('type') === 'spice')
  const port = Number(graphics?.getAttribute('port') ?? 0)
  const host = graphics?.getAttribute('listen')
  const dongles = readDongles(domain)
  const channel = elements(domain, 'target').find(target => target.getAttribute('name') === agentChannel)
  return {
    id: content('uuid'),
    name: content('name'),
    installationId: mark.getAttribute('installation') ?? '',
    incarnation: Number(mark.getAttribute('incarnation')),
    graphics: port > 0 && host ? { host, port } : null,
    screenFixed: graphics?.getAttribute('autoport') === 'no',
    agentConnected: channel?.getAttribute('state') === 'connected',
    ...(dongles.length > 0 && { dongles }),
    ...volumesOf(domain),
    cdrom: driveOf(domain),
    hardware: readHardware(domain),
  }
}

function volumesOf(domain: Element): Pick<ReadDomain, 'disks' | 'volumes'> {
  const disks = elements(domain, 'disk').flatMap(disk => {
    const id = volumeOfAlias(elements(disk, 'alias')[0]?.getAttribute('name'))
    const device = elements(disk, 'target')[0]?.getAttribute('dev')
    return id && device ? [{ id, device }] : []
  })
  return { disks, ...(disks.length > 0 && { volumes: disks.map(({ id }) => id) }) }
}
