/**
 * Addresses of the tree: a cluster's supernet, and each host's subnet of it. Every host of a cluster routes the whole
 * supernet to its desktops (docs/decisions/0006), so none of a host's own networks may lie in it.
 */
import ipaddr from 'ipaddr.js'
import { clusterNetwork, clusterSupernetSet, hostNetworks, hostSubnetsSet, supernetsTaken } from '../db/clusters.ts'
import type { Tx } from '../db/connect.ts'
import { HdcsError } from '../lib/errors.ts'

/** Where clusters' supernets come from unless an administrator says otherwise: 32 of them. */
const everything = '10.128.0.0/9'
/**
 * Where an administrator's own choice may lie. Anything else is no guest's address (multicast, loopback, link-local: libvirt
 * and the guests refuse it when a host starts its network) or somebody's on the internet, whom no desktop could reach.
 */
const privateNetworks = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10'] as const
/** 256 hosts. Wider: fewer clusters fit; narrower: a large cluster runs out. */
const supernetBits = 14
/** Over 1,000 addresses for each host's desktops; a small supernet is still divided among four hosts. */
const subnetBitsOf = (supernet: string) => Math.max(22, Number(supernet.split('/')[1]) + 2)

/** The first /14 that none of the networks in `taken` touches. Pure. @throws HdcsError `conflict` when all are taken. */
export function supernetFree(taken: readonly string[]): string {
  const free = partFree(everything, supernetBits, taken)
  if (free === undefined)
    throw new HdcsError('conflict', 'No network is left for another cluster: give it one by hand.')
  return free
}

/** The first /22 (of a small supernet: its first quarter) that none of the subnets in `taken` touches. Pure. @throws HdcsError `conflict` when all are taken. */
export function subnetFree(supernet: string, taken: readonly string[]): string {
  const free = partFree(supernet, subnetBitsOf(supernet), taken)
  if (free === undefined) throw new HdcsError('conflict', `No subnet of ${supernet} is left for another host.`)
  return free
}

/** Whether two networks share an address. Pure. */
export function networksTouch(one: string, other: string): boolean {
  const [a, b] = [rangeOf(one), rangeOf(other)]
  return a.from <= b.to && a.to >= b.from
}

/**
 * A subnet for a new host. The first host of a cluster may move the cluster's supernet out of the way of its own networks;
 * a later one may not, because desktops have addresses by then.
 * @param networks CIDRs of the host's interfaces.
 * @throws HdcsError `conflict`.
 */
export async function subnetFor(tx: Tx, clusterId: string, networks: readonly string[]): Promise<string> {
  const { supernet, subnets } = await clusterNetwork(tx, clusterId)
  const inTheWay = networks.find(network => networksTouch(network, supernet))
  if (inTheWay === undefined) return subnetFree(supernet, subnets)
  if (subnets.length > 0)
    throw new HdcsError(
      'conflict',
      `The host’s network ${inTheWay} lies in ${supernet}, the desktops’ network of this cluster: let it join another cluster.`,
    )
  const moved = supernetFree([...(await networksTaken(tx)), ...networks])
  await clusterSupernetSet(tx, clusterId, moved)
  return subnetFree(moved, [])
}

/** A supernet for a new cluster. @throws HdcsError `conflict` when none is left. */
export const supernetNew = async (tx: Tx): Promise<string> => supernetFree(await networksTaken(tx))

const networksTaken = async (tx: Tx): Promise<string[]> => [
  ...(await supernetsTaken(tx)).map(({ supernet }) => supernet),
  ...(await hostNetworks(tx)).flatMap(({ networks }) => networks),
]

/**
 * An administrator's own choice of a network for a cluster, as it is written down: `10.9.8.7/16` is `10.9.0.0/16`.
 * @param clusterId the cluster it is for; null for a new one.
 * @throws HdcsError `invalid` for a size out of range or addresses that are not private, `conflict` for a network that touches another's.
 */
export async function supernetChosen(tx: Tx, supernet: string, clusterId: string | null): Promise<string> {
  const bits = Number(supernet.split('/')[1])
  if (!(bits >= 9 && bits <= 24))
    throw supernetRefused(`The network ${supernet} should be a /9 to a /24: each host gets a part of it.`)
  if (!privateNetworks.some(whole => networkWithin(supernet, whole)))
    throw supernetRefused(
      `Desktops cannot have addresses of ${supernet}: take a part of ${privateNetworks.slice(0, -1).join(', ')} or ${privateNetworks.at(-1)}.`,
    )
  for (const other of await supernetsTaken(tx))
    if (other.id !== clusterId && networksTouch(other.supernet, supernet))
      throw supernetRefused(
        `The network ${supernet} touches ${other.supernet}, the network of the cluster ${other.name}: choose another.`,
        'conflict',
      )
  for (const { name, networks } of await hostNetworks(tx)) {
    const own = networks.find(network => networksTouch(network, supernet))
    if (own !== undefined)
      throw supernetRefused(
        `The network ${supernet} touches ${own}, a network that the host ${name} is in itself: choose another.`,
        'conflict',
      )
  }
  return `${addressText(rangeOf(supernet).from)}/${bits}`
}

/** With its field: a form says it where the network was written. */
export const supernetRefused = (message: string, code: 'invalid' | 'conflict' = 'invalid') =>
  new HdcsError(code, message, { fields: [{ field: 'body.supernet', message }] })

/** Gives a cluster another network, and its hosts subnets of it; what already fits stays. Only while it has no desktops. */
export async function supernetMove(tx: Tx, clusterId: string, supernet: string): Promise<void> {
  const { hosts } = await clusterNetwork(tx, clusterId)
  const bits = subnetBitsOf(supernet)
  const stays = ({ subnet }: { subnet: string }) => networkWithin(subnet, supernet) && subnet.endsWith(`/${bits}`)
  const taken = hosts.filter(stays).map(({ subnet }) => subnet)
  const moved: { id: string; subnet: string }[] = []
  for (const host of hosts.filter(one => !stays(one))) {
    const subnet = subnetFree(supernet, taken)
    taken.push(subnet)
    moved.push({ id: host.id, subnet })
  }
  await clusterSupernetSet(tx, clusterId, supernet)
  await hostSubnetsSet(tx, moved)
}

function partFree(whole: string, bits: number, taken: readonly string[]): string | undefined {
  const ranges = taken.map(rangeOf)
  const size = 2 ** (32 - bits)
  const { from, to } = rangeOf(whole)
  for (let first = from; first < to; first += size) {
    const last = first + size - 1
    if (ranges.some(range => range.from <= last && range.to >= first)) continue
    return `${addressText(first)}/${bits}`
  }
  return undefined
}

function networkWithin(part: string, whole: string): boolean {
  const [inner, outer] = [rangeOf(part), rangeOf(whole)]
  return inner.from >= outer.from && inner.to <= outer.to
}

/** First and last address of a network as numbers. */
function rangeOf(cidr: string): { from: number; to: number } {
  const [address, bits] = ipaddr.parseCIDR(cidr)
  const size = 2 ** (32 - bits)
  const number = address.toByteArray().reduce((sum, byte) => sum * 256 + byte, 0)
  const from = number - (number % size)
  return { from, to: from + size - 1 }
}

const addressText = (address: number) => [24, 16, 8, 0].map(shift => Math.floor(address / 2 ** shift) % 256).join('.')
