/** A desktop's card as its host is told of it, and the network that it leads to in a cluster. Pure. */
import type { ClusterNetworkValue, NetworkValue } from '../db/schema-hosts.ts'
import type { NicSpec } from '../vmm/spec.ts'

/** A desktop's MAC is its address: 52:54, then the four bytes. Unique because addresses are. */
const macOf = (address: string) =>
  ['52', '54', ...address.split('.').map(byte => Number(byte).toString(16).padStart(2, '0'))].join(':')

/** VLAN 100 of eth0 is eth0.100: the agent makes it where it is not there yet. */
export const cardName = ({ interface: name, vlan }: NetworkValue): string | null =>
  name === undefined ? null : vlan === undefined ? name : `${name}.${vlan}`

export function nicSpec(address: string, network: NetworkValue, poolId: string): NicSpec {
  return {
    mac: macOf(address),
    address,
    mode: network.mode,
    interface: cardName(network),
    neighbourGroup: network.neighbours ? poolId : null,
    allow: network.allow?.length ? network.allow : null,
  }
}

/** As it is told of. @param network as its cluster has it. */
export const nicView = (address: string, network: NetworkValue) => ({
  mac: macOf(address),
  mode: network.mode,
  interface: network.interface ?? null,
  vlan: network.vlan ?? null,
})

/** A pool's network as a cluster has it: as it is mapped there, else under its own name. */
export function networkIn(network: NetworkValue, networks: readonly ClusterNetworkValue[]): NetworkValue {
  const here = network.mode === 'bridge' ? networks.find(({ name }) => name === network.interface) : undefined
  if (!here) return network
  const { vlan: own, ...rest } = network
  const vlan = here.vlan === undefined ? own : here.vlan
  return { ...rest, interface: here.interface, ...(typeof vlan === 'number' && { vlan }) }
}

/** Whether a card must be plugged in elsewhere when its desktop goes from one cluster to another. */
export const cardDiffers = (
  network: NetworkValue,
  from: readonly ClusterNetworkValue[],
  to: readonly ClusterNetworkValue[],
): boolean => cardName(networkIn(network, from)) !== cardName(networkIn(network, to))
