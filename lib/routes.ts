import { readFileSync } from 'node:fs'

/**
 * The IPv4 networks this machine has a way to, as CIDRs, the default way aside. Read where libvirt looks before it
 * starts a network (`/proc/net/route`, proc(5)): a bridge without members is down but still in the way.
 */
export function ownNetworks(): string[] {
  return networksOf(readFileSync('/proc/net/route', 'utf8'))
}

/** Destination and mask are the words of the address in hex, as a little-endian machine holds them. */
export function networksOf(routes: string): string[] {
  const lines = routes.trim().split('\n').slice(1)
  const networks = lines.flatMap(line => {
    const [, destination = '', , , , , , mask = ''] = line.trim().split(/\s+/)
    const bits = bytesOf(mask).reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
    return bits > 0 ? [`${bytesOf(destination).join('.')}/${bits}`] : []
  })
  return [...new Set(networks)]
}

const bytesOf = (word: string) => [3, 2, 1, 0].map(index => Number.parseInt(word.slice(index * 2, index * 2 + 2), 16))
