import { readFileSync } from 'node:fs'

const bridgePrefix = 'hdcs-'

/** The bridge of an installation's desktops, the same on each host. Two installations on one machine have two. */
export const bridgeOf = (installationId: string) => `${bridgePrefix}${installationId.slice(-8)}`

/** CIDRs of the networks a machine is in. */
export interface OwnNetworks {
  networks: string[]
  /** Those of desktops, of whichever installation: a host that left and comes back has its bridge still. */
  bridges: { name: string; network: string }[]
}

/**
 * The IPv4 networks this machine has a way to, the default way aside. Read where libvirt looks before it starts a
 * network (`/proc/net/route`, proc(5)): a bridge without members is down but still in the way.
 */
export function ownNetworks(): OwnNetworks {
  return networksOf(readFileSync('/proc/net/route', 'utf8'))
}

/** Destination and mask are the words of the address in hex, as a little-endian machine holds them. */
export function networksOf(routes: string): OwnNetworks {
  const networks = new Set<string>()
  const bridges = new Map<string, OwnNetworks['bridges'][number]>()
  for (const line of routes.trim().split('\n').slice(1)) {
    const [name = '', destination = '', , , , , , mask = ''] = line.trim().split(/\s+/)
    const bits = bytesOf(mask).reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
    if (bits === 0) continue
    const network = `${bytesOf(destination).join('.')}/${bits}`
    if (name.startsWith(bridgePrefix)) bridges.set(`${name} ${network}`, { name, network })
    else networks.add(network)
  }
  return { networks: [...networks], bridges: [...bridges.values()] }
}

/**
 * What an installation's desktops must keep clear of: all but its own bridge, which the agent makes anew as wished. Another
 * installation's counts, as its desktops may run there.
 */
export const networksInTheWay = ({ networks, bridges }: OwnNetworks, installationId: string): string[] => [
  ...networks,
  ...bridges.filter(({ name }) => name !== bridgeOf(installationId)).map(({ network }) => network),
]

const bytesOf = (word: string) => [3, 2, 1, 0].map(index => Number.parseInt(word.slice(index * 2, index * 2 + 2), 16))
