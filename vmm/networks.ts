/** The desktops' network on one host: NAT, with every address of the subnet paired with its MAC beforehand. */
import { DOMParser } from '@xmldom/xmldom'
import { HdcsError } from '../lib/errors.ts'
import type { LibvirtConnection } from './libvirt/connection.ts'
import { isLibvirt } from './libvirt/errors.ts'
import type { NetworkRef } from './libvirt/objects.ts'
import { type Xml, xml } from './xml.ts'

const networkNamespace = 'urn:hdcs:network:1'
/** Grows when the XML below changes: networks of an older version are then defined anew. */
const layoutVersion = 1
/** 4,094 pairs are 0.7 MiB of XML and a second of libvirt's work; libvirt's limit of a message is 4 MiB. */
const largestSubnetBits = 12

export interface Subnet {
  gateway: string
  prefix: number
  netmask: string
  /** Addresses for desktops. */
  hosts: string[]
}

const dotted = (value: number) => [24, 16, 8, 0].map(shift => (value >>> shift) & 0xff).join('.')

/** @throws HdcsError `invalid`. */
export function readSubnet(cidr: string): Subnet {
  const [, address = '', bits = ''] = /^((?:\d{1,3}\.){3}\d{1,3})\/(\d{1,2})$/.exec(cidr) ?? []
  const parts = address.split('.').map(Number)
  const prefix = Number(bits)
  const malformed = address === '' || parts.some(part => part > 255)
  if (malformed || prefix < 32 - largestSubnetBits || prefix > 29)
    throw new HdcsError(
      'invalid',
      `“${cidr}” is no subnet from /${32 - largestSubnetBits} to /29, as in 10.200.0.0/22.`,
    )
  const size = 2 ** (32 - prefix)
  const base = parts.reduce((value, part) => value * 256 + part, 0)
  if (base % size !== 0) throw new HdcsError('invalid', `“${cidr}” does not begin at a subnet of its size.`)
  return {
    gateway: dotted(base + 1),
    prefix,
    netmask: dotted(2 ** 32 - size),
    hosts: Array.from({ length: size - 3 }, (_, index) => dotted(base + 2 + index)),
  }
}

/** A desktop's MAC is its address: 10.200.0.7 is 52:54:0a:c8:00:07. Nothing has to be stored or looked up. */
export const macOf = (address: string) =>
  `52:54:${address
    .split('.')
    .map(part => Number(part).toString(16).padStart(2, '0'))
    .join(':')}`

/**
 * No bridge delay and no ping before a lease: an address in 0.5 s instead of 7.6. Pairs written once: one added later
 * costs libvirt 0.5 s, and then allocation is nothing but a row in the database.
 */
export function networkXml(name: string, installationId: string, cidr: string): string {
  const { gateway, netmask, hosts } = readSubnet(cidr)
  const pair = (address: string): Xml => xml`<host mac='${macOf(address)}' ip='${address}'/>\n`
  return xml`<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>${name}</name>
  <metadata>
    <hdcs:network xmlns:hdcs='${networkNamespace}' installation='${installationId}' subnet='${cidr}' version='${layoutVersion}'/>
  </metadata>
  <forward mode='nat'/>
  <bridge stp='off' delay='0'/>
  <ip address='${gateway}' netmask='${netmask}'>
    <dhcp>
      <range start='${hosts[0]}' end='${hosts.at(-1)}'/>
      ${hosts.map(pair)}
    </dhcp>
  </ip>
  <dnsmasq:options><dnsmasq:option value='no-ping'/></dnsmasq:options>
</network>`.xml
}

interface NetworkMark {
  installation: string
  subnet: string
  version: number
}

function readMark(text: string): NetworkMark | null {
  const root = new DOMParser().parseFromString(text, 'text/xml').documentElement
  const [mark] = root ? [...root.getElementsByTagNameNS(networkNamespace, 'network')] : []
  if (!mark) return null
  return {
    installation: mark.getAttribute('installation') ?? '',
    subnet: mark.getAttribute('subnet') ?? '',
    version: Number(mark.getAttribute('version')),
  }
}

/** `hdcs`, or with our id's last digits where that name is somebody else's. */
const networkNames = (installationId: string) => ['hdcs', `hdcs-${installationId.slice(-8)}`]

/** Defining and starting a network of 1,021 pairs takes 0.3 s, on a busy host some. */
const networkMs = 60_000
const options = { timeoutMs: networkMs }

/** A network that bears our installation's mark. */
interface OwnNetwork {
  name: string
  network: NetworkRef
  mark: NetworkMark
  active: boolean
}

/**
 * Makes sure that exactly one network is ours, is defined as wished and active; touches no other's. Killed in between,
 * the next call finishes. Another subnet than before cuts running desktops off until they start anew.
 *
 * Ours is looked for under both names before one is chosen: `hdcs` may have been somebody else's when we began and be
 * free by now, and a second network on our subnet never starts beside the first.
 * @returns its name.
 */
export async function networkEnsure(
  networks: LibvirtConnection,
  installationId: string,
  cidr: string,
): Promise<string> {
  readSubnet(cidr)
  const { own, free } = await networksSeen(networks, installationId)
  const [kept, ...duplicates] = own.toSorted((a, b) => worth(b, cidr) - worth(a, cidr))
  // Before anything starts: they hold our subnet.
  for (const duplicate of duplicates) await remove(networks, duplicate)
  if (kept && isAsWished(kept.mark, cidr)) {
    if (!kept.active) await start(networks, kept.network)
    return kept.name
  }
  // libvirt redefines no network whose UUID it is not told: the old one has to go first.
  if (kept) await remove(networks, kept)
  const name = kept?.name ?? free[0]
  if (!name)
    throw new HdcsError('conflict', 'The names of the desktops’ network are taken by other networks of this host.')
  await start(networks, await networks.networkDefineXml({ xml: networkXml(name, installationId, cidr) }, options))
  return name
}

const isAsWished = (mark: NetworkMark, cidr: string) => mark.subnet === cidr && mark.version === layoutVersion

/** Which of several to keep: the one nobody notices; on equal terms that of the first name. */
const worth = ({ mark, active }: OwnNetwork, cidr: string) => (isAsWished(mark, cidr) ? 2 : 0) + (active ? 1 : 0)

async function networksSeen(networks: LibvirtConnection, installationId: string) {
  const own: OwnNetwork[] = []
  const free: string[] = []
  for (const name of networkNames(installationId)) {
    const network = await lookup(networks, name)
    if (!network) {
      free.push(name)
      continue
    }
    const mark = readMark(await networks.networkGetXmlDesc({ network }, options))
    if (mark?.installation !== installationId) continue
    own.push({ name, network, mark, active: await networks.networkIsActive({ network }, options) })
  }
  return { own, free }
}

async function start(networks: LibvirtConnection, network: NetworkRef): Promise<void> {
  try {
    await networks.networkCreate({ network }, options)
  } catch (error) {
    // Started in this moment by an agent that was killed since: as wished.
    if (!isLibvirt(error, 'operationInvalid') || !(await networks.networkIsActive({ network }))) throw error
  }
}

async function remove(networks: LibvirtConnection, { network, active }: OwnNetwork): Promise<void> {
  try {
    if (active) await networks.networkDestroy({ network }, options)
    await networks.networkUndefine({ network }, options)
  } catch (error) {
    // Undefined by somebody while it ran: it was gone for good when it ended.
    if (!isLibvirt(error, 'noNetwork')) throw error
  }
}

/** For tests and for an installation that leaves a host: its network is ended and forgotten. */
export async function networkRemove(networks: LibvirtConnection, installationId: string): Promise<void> {
  const { own } = await networksSeen(networks, installationId)
  for (const network of own) await remove(networks, network)
}

async function lookup(networks: LibvirtConnection, name: string): Promise<NetworkRef | null> {
  try {
    return await networks.networkLookupByName({ name })
  } catch (error) {
    if (isLibvirt(error, 'noNetwork')) return null
    throw error
  }
}
