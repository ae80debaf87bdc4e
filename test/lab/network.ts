/** The lab's wires: one bridge in this machine's own network, a cable to each host, and a way out through this machine. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { ownNetworks } from '../../lib/routes.ts'

const run = promisify(execFile)
const ip = (...args: string[]) => run('ip', args, { timeout: 20_000 })

/** A name for what the kernel keeps of a lab (15 characters at most for links): from its folder, so that labs lie side by side. */
export const labName = (folder: string) => `hdl${createHash('sha256').update(folder).digest('hex').slice(0, 6)}`

/** The first three bytes of a /24 that this machine has no way to, e.g. `10.99.17`; tried from a place of the folder's own. */
export function networkFree(folder: string): string {
  const taken = new Set(ownNetworks().networks)
  const first = createHash('sha256').update(folder).digest().readUInt8(3)
  for (let step = 0; step < 256; step++) {
    const prefix = `10.99.${(first + step) % 256}`
    if (!taken.has(`${prefix}.0/24`)) return prefix
  }
  throw new Error('All networks of labs (10.99.0.0/16) are in use: end some with `npm run lab -- down`.')
}

/** The control plane's place: an address of this machine on the lab's bridge. */
export const gatewayOf = (prefix: string) => `${prefix}.254`

export async function bridgeUp(name: string, prefix: string): Promise<void> {
  // A fixed hardware address: the kernel's would change with every host that comes, and hosts would talk into the void.
  await ip('link', 'add', name, 'address', '02:1a:b0:00:00:fe', 'type', 'bridge', 'forward_delay', '0')
  await ip('address', 'add', `${gatewayOf(prefix)}/24`, 'dev', name)
  await ip('link', 'set', name, 'up')
  // Templates are built on hosts, from Debian's mirrors: hosts reach the world through this machine.
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1')
  const rules = `add table ip ${name}
add chain ip ${name} out { type nat hook postrouting priority srcnat; }
add rule ip ${name} out ip saddr ${prefix}.0/24 oifname != "${name}" masquerade`
  await run('nft', [rules], { timeout: 20_000 })
}

/** Takes down what is there of it, after a crash too. Cables of hosts end with their hosts. */
export async function bridgeDown(name: string): Promise<void> {
  for (const link of await links(name)) await ip('link', 'delete', link).catch(ignoreGone)
  await run('nft', ['delete', 'table', 'ip', name], { timeout: 20_000 }).catch(ignoreGone)
}

/** The bridge and this end of the cables. */
export async function links(name: string): Promise<string[]> {
  const { stdout } = await ip('-o', 'link', 'show')
  return [...stdout.matchAll(/^\d+: ([^:@\s]+)/gm)].flatMap(([, link]) => (link?.startsWith(name) ? [link] : []))
}

const cable = (name: string, number: number) => `${name}h${number}`

/** Plugs the host with that process 1 in. @param number is its place in the lab, and the last byte of its address. */
export async function cablePlug(name: string, number: number, pid: number): Promise<void> {
  const outer = cable(name, number)
  await ip('link', 'delete', outer).catch(ignoreGone)
  // Fixed as well: with a new address after a restart, its peers do not find it for half a minute.
  const mac = `02:1a:b0:00:00:${number.toString(16).padStart(2, '0')}`
  await ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', 'eth0', 'address', mac, 'netns', `${pid}`)
  await ip('link', 'set', outer, 'master', name, 'up')
}

export const cableSet = (name: string, number: number, state: 'up' | 'down') =>
  ip('link', 'set', cable(name, number), state)

function ignoreGone(error: { stderr?: string }) {
  // What was to go is gone: that was asked.
  if (!/Cannot find device|No such (file|process|device)|does not exist/.test(error.stderr ?? '')) throw error
}
