import { networkInterfaces } from 'node:os'

/** The IPv4 networks this machine is in, as CIDRs. */
export function ownNetworks(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  return addresses.flatMap(({ family, cidr }) => (family === 'IPv4' && cidr !== null ? [cidr] : []))
}
