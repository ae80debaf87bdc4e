/** A desktop's card as its host is told of it. Pure. */
import type { NetworkValue } from '../db/schema-hosts.ts'
import type { NicSpec } from '../vmm/spec.ts'

/** A desktop's MAC is its address: 52:54, then the four bytes. Unique because addresses are. */
const macOf = (address: string) =>
  ['52', '54', ...address.split('.').map(byte => Number(byte).toString(16).padStart(2, '0'))].join(':')

/** VLAN 100 of eth0 is eth0.100: the agent makes it where it is not there yet. */
const interfaceOf = ({ interface: name, vlan }: NetworkValue): string | null =>
  name === undefined ? null : vlan === undefined ? name : `${name}.${vlan}`

export function nicSpec(address: string, network: NetworkValue, poolId: string): NicSpec {
  return {
    mac: macOf(address),
    address,
    mode: network.mode,
    interface: interfaceOf(network),
    neighbourGroup: network.neighbours ? poolId : null,
    allow: network.allow?.length ? network.allow : null,
  }
}
