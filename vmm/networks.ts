/** The desktops' network on one host (docs/decisions/0006), with every address of its subnet paired with its MAC beforehand. */
import { DOMParser } from '@xmldom/xmldom'
import { HdcsError } from '../lib/errors.ts'
import { bridgeOf } from '../lib/routes.ts'
import { type Xml, xml } from '../lib/xml.ts'
import type { LibvirtConnection } from './libvirt/connection.ts'
import { isLibvirt } from './libvirt/errors.ts'
import type { NetworkRef } from './libvirt/objects.ts'
import type { NetworkSpec } from './spec.ts'

const networkNamespace = 'urn:hdcs:network:1'
/** Grows when the XML below changes: networks of an older version are then defined anew. */
const layoutVersion = 2
/** 4,094 pairs are 0.7 MiB of XML and a second of libvirt's work; libvirt's limit of a message is 4 MiB. */
const largestSubnetBits = 12
/** libvirt takes no wider range, and allows as many leases as it has addresses: guests from elsewhere need theirs too. */
const widestRange = 2 ** 16

/** A host's part of its cluster's network, worked out. */
export interface Subnet {
  /** The supernet's first address: the same on every host of the cluster. */
  gateway: string
  /** The supernet's: a guest that moves finds everything where it was. */
  prefix: number
  netmask: string
  /** Of the supernet: what reaches all desktops of the cluster. */
  broadcast: string
  /** Addresses for this host's own desktops. */
  hosts: string[]
  /** What dnsmasq may give out: only to whom it knows. */
  range: [string, string]
  /** Whether an address is one of the cluster's. */
  holds(address: string): boolean
}

const dotted = (value: number) => [24, 16, 8, 0].map(shift => (value >>> shift) & 0xff).join('.')
const numberOf = (address: string) => address.split('.').reduce((value, part) => value * 256 + Number(part), 0)

interface Block {
  base: number
  size: number
  prefix: number
}

function readBlock(cidr: string, widest: number, narrowest: number, example: string): Block {
  const [, address = '', bits = ''] = /^((?:\d{1,3}\.){3}\d{1,3})\/(\d{1,2})$/.exec(cidr) ?? []
  const prefix = Number(bits)
  const malformed = address === '' || address.split('.').some(part => Number(part) > 255)
  if (malformed || prefix < widest || prefix > narrowest)
    throw new HdcsError('invalid', `“${cidr}” is no network from /${widest} to /${narrowest}, as in ${example}.`)
  const size = 2 ** (32 - prefix)
  const base = numberOf(address)
  if (base % size !== 0) throw new HdcsError('invalid', `“${cidr}” does not begin at a network of its size.`)
  return { base, size, prefix }
}

/**
 * The first two and the last address of each subnet go to nobody: in the first of a supernet they are its own and the
 * gateway's, in its last the broadcast, and one rule for all is one less to get wrong.
 * @throws HdcsError `invalid`.
 */
export function readSubnet({ supernet, subnet }: NetworkSpec): Subnet {
  const whole = readBlock(supernet, 8, 29, '10.128.0.0/14')
  const own = readBlock(subnet, 32 - largestSubnetBits, 29, '10.128.4.0/22')
  const holds = (value: number) => value >= whole.base && value < whole.base + whole.size
  if (!holds(own.base) || own.size > whole.size)
    throw new HdcsError('invalid', `The host’s subnet ${subnet} does not lie in the cluster’s network ${supernet}.`)
  return {
    gateway: dotted(whole.base + 1),
    prefix: whole.prefix,
    netmask: dotted(2 ** 32 - whole.size),
    broadcast: dotted(whole.base + whole.size - 1),
    hosts: Array.from({ length: own.size - 3 }, (_, index) => dotted(own.base + 2 + index)),
    range: [dotted(whole.base + 2), dotted(whole.base + Math.min(whole.size, widestRange) - 2)],
    holds: address => holds(numberOf(address)),
  }
}

/** A desktop's MAC is its address: 10.200.0.7 is 52:54:0a:c8:00:07. Nothing has to be stored or looked up. */
export const macOf = (address: string) => `52:54:${hexOf(address).join(':')}`

const hexOf = (address: string) => address.split('.').map(part => Number(part).toString(16).padStart(2, '0'))

/** The desktop's end of its cable on the host, 10.200.0.7 is hd0ac80007: rules name it before it exists (firewall.ts). */
export const tapOf = (address: string) => `hd${hexOf(address).join('')}`

/** All names `tapOf` gives in a network, as patterns of nftables: hd0a80*, hd0a81* … Eight of them at most. */
export function tapsOf(supernet: string): string[] {
  const { base, prefix } = readBlock(supernet, 8, 29, '10.128.0.0/14')
  const digits = Math.ceil(prefix / 4)
  const step = 2 ** (32 - digits * 4)
  return Array.from({ length: 2 ** (digits * 4 - prefix) }, (_, index) => {
    const hex = hexOf(dotted(base + index * step)).join('')
    return `hd${hex.slice(0, digits)}*`
  })
}

export interface NetworkPlace {
  /** A folder of this host alone (shared storage is not), readable for all: dnsmasq hears of guests from elsewhere here. */
  visitors: string
  /** `route`: our own rules translate addresses (firewall.ts); `nat`: without them libvirt does, for every desktop. */
  forward: 'route' | 'nat'
}

/**
 * No bridge delay and no ping before a lease: an address in 0.5 s instead of 7.6. Pairs written once: one added later
 * costs libvirt 0.5 s, and then allocation is nothing but a row in the database.
 *
 * Gateway, its MAC and the mask are the same on every host, and leases never end, so a guest that moves notices
 * nothing. Who is in no pair gets no address: a guest from elsewhere that asks before dnsmasq heard of it would keep a
 * wrong one for good.
 */
export function networkXml(name: string, installationId: string, network: NetworkSpec, place: NetworkPlace): string {
  const { gateway, netmask, hosts, range } = readSubnet(network)
  const pair = (address: string): Xml => xml`<host mac='${macOf(address)}' ip='${address}'/>\n`
  const options = ['no-ping', 'dhcp-ignore=tag:!known', `dhcp-hostsdir=${place.visitors}`]
  const { subnet } = network
  return xml`<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>${name}</name>
  <metadata>
    <hdcs:network xmlns:hdcs='${networkNamespace}' installation='${installationId}' subnet='${subnet}' layout='${layoutOf(network, place)}'/>
  </metadata>
  <forward mode='${place.forward}'/>
  <bridge name='${bridgeOf(installationId)}' stp='off' delay='0'/>
  <mac address='${macOf(gateway)}'/>
  <ip address='${gateway}' netmask='${netmask}'>
    <dhcp>
      <range start='${range[0]}' end='${range[1]}'><lease expiry='0'/></range>
      ${hosts.map(pair)}
    </dhcp>
  </ip>
  <dnsmasq:options>${options.map(option => xml`<dnsmasq:option value='${option}'/>`)}</dnsmasq:options>
</network>`.xml
}

/** All that makes one network different from another, in one text: what is not the same is defined anew. */
const layoutOf = ({ supernet, subnet }: NetworkSpec, { visitors, forward }: NetworkPlace) =>
  [layoutVersion, supernet, subnet, forward, visitors].join(' ')

interface NetworkMark {
  installation: string
  layout: string
}

function readMark(text: string): NetworkMark | null {
  const root = new DOMParser().parseFromString(text, 'text/xml').documentElement
  const [mark] = root ? [...root.getElementsByTagNameNS(networkNamespace, 'network')] : []
  if (!mark) return null
  return {
    installation: mark.getAttribute('installation') ?? '',
    layout: mark.getAttribute('layout') ?? '',
  }
}

/** What the first installation of a host called its network up to layout 1. */
const formerName = 'hdcs'
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
 * the next call finishes. Another subnet than before cuts running desktops off until they are plugged in again.
 *
 * It has one name on every host, and so do its bridge and each cable: a guest that arrives brings them along.
 * @returns its name.
 */
export async function networkEnsure(
  networks: LibvirtConnection,
  installationId: string,
  network: NetworkSpec,
  place: NetworkPlace,
): Promise<string> {
  readSubnet(network)
  const layout = layoutOf(network, place)
  const name = bridgeOf(installationId)
  const { own, taken } = await networksSeen(networks, installationId)
  if (taken) throw new HdcsError('conflict', `libvirt’s network ${name} is not of HDCS: rename or remove it.`)
  const kept = own.find(known => known.name === name && known.mark.layout === layout)
  // libvirt redefines no network whose UUID it is not told, and one of another name may hold our subnet: they go first.
  for (const other of own) if (other !== kept) await remove(networks, other)
  const ours =
    kept?.network ??
    (await networks.networkDefineXml({ xml: networkXml(name, installationId, network, place) }, options))
  if (!kept?.active) await start(networks, ours)
  return name
}

/** Ours, also under the name it once had; and whether somebody else has the name we want. */
async function networksSeen(networks: LibvirtConnection, installationId: string) {
  const own: OwnNetwork[] = []
  const wanted = bridgeOf(installationId)
  let taken = false
  for (const name of [wanted, formerName]) {
    const network = await lookup(networks, name)
    if (!network) continue
    const mark = readMark(await networks.networkGetXmlDesc({ network }, options))
    if (mark?.installation === installationId)
      own.push({ name, network, mark, active: await networks.networkIsActive({ network }, options) })
    else taken ||= name === wanted
  }
  return { own, taken }
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
