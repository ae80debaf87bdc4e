/**
 * Addresses of the tree: a cluster's supernet, and each host's subnet of it. Every host of a cluster routes the whole
 * supernet to its desktops (docs/decisions/0006), so none of a host's own networks may lie in it.
 */
import ipaddr from 'ipaddr.js'
import type { Tx } from '../db/connect.ts'
import { clusterNetwork, clusterSupernetSet, supernetsTaken } from '../db/hosts.ts'
import { HdcsError } from '../lib/errors.ts'

/** Where clusters' supernets come from unless an administrator says otherwise: 32 of them. */
const everything = '10.128.0.0/9'
/** 256 hosts. Wider: fewer clusters fit; narrower: a large cluster runs out. */
const supernetBits = 14
/** Over 1,000 addresses for each host's desktops. */
const subnetBits = 22

/** The first /14 that none of the networks in `taken` touches. Pure. @throws HdcsError `conflict` when all are taken. */
export function supernetFree(taken: readonly string[]): string {
  const free = partFree(everything, supernetBits, taken)
  if (free === undefined)
    throw new HdcsError('conflict', 'No network is left for another cluster: give it one by hand.')
  return free
}

/** The first /22 of the supernet that none of the subnets in `taken` touches. Pure. @throws HdcsError `conflict` when all are taken. */
export function subnetFree(supernet: string, taken: readonly string[]): string {
  const free = partFree(supernet, subnetBits, taken)
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
  const moved = supernetFree([...(await supernetsTaken(tx)), ...networks])
  await clusterSupernetSet(tx, clusterId, moved)
  return subnetFree(moved, [])
}

function partFree(whole: string, bits: number, taken: readonly string[]): string | undefined {
  const ranges = taken.map(rangeOf)
  const size = 2 ** (32 - bits)
  const { from, to } = rangeOf(whole)
  for (let first = from; first < to; first += size) {
    const last = first + size - 1
    if (ranges.some(range => range.from <= last && range.to >= first)) continue
    return `${[24, 16, 8, 0].map(shift => Math.floor(first / 2 ** shift) % 256).join('.')}/${bits}`
  }
  return undefined
}

/** First and last address of a network as numbers. */
function rangeOf(cidr: string): { from: number; to: number } {
  const [address, bits] = ipaddr.parseCIDR(cidr)
  const size = 2 ** (32 - bits)
  const number = address.toByteArray().reduce((sum, byte) => sum * 256 + byte, 0)
  const from = number - (number % size)
  return { from, to: from + size - 1 }
}
