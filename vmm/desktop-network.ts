/**
 * The desktops' network of a host as a whole: libvirt's network, the rules of who may reach what, the addresses of guests
 * that came from other hosts, and bridges of the site.
 */
import { chmod, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HdcsError } from '../lib/errors.ts'
import { bridgeEnsure, cablesReplug } from './bridges.ts'
import { firewallRemove, makeFirewall } from './firewall-force.ts'
import type { LibvirtConnection } from './libvirt/connection.ts'
import { macOf, type NetworkPlace, networkEnsure, networkRemove, readSubnet } from './networks.ts'
import type { NetworkSpec, NicSpec } from './spec.ts'

export interface DesktopNetworkOptions {
  installationId: string
  /** Folder of this host alone, emptied when the machine starts. */
  runFolder?: string
  /** False: desktops start without rules, and can reach the host, each other and whatever the host can. */
  firewall?: boolean
  /** Put before `nft` and `ip` where libvirt lives in another network namespace: `nsenter …`. */
  enter?: readonly string[]
}

/** What a machine's card is plugged into. */
export type NicSource = { network: string } | { bridge: string }

export interface DesktopNetwork extends Disposable {
  ensure(network: NetworkSpec): Promise<void>
  /** Puts the rules for exactly these cards in force. @returns what was left out (and is closed), for an administrator. */
  guestsEnsure(nics: readonly NicSpec[]): Promise<string[]>
  /** @throws HdcsError `conflict` before the network was ensured in this process; `invalid` for an interface that will not do. */
  sourceOf(nic: NicSpec): Promise<NicSource>
}

const defaultRunFolder = '/run/hdcs'

export function makeDesktopNetwork(networks: LibvirtConnection, options: DesktopNetworkOptions): DesktopNetwork {
  const { installationId, enter = [], firewall = true, runFolder = defaultRunFolder } = options
  const place = placeOf(options)
  const rules = makeFirewall(options)
  /** Null until it was ensured in this process: a stranger's network of that name must not be joined. */
  let made: { name: string; network: NetworkSpec } | null = null
  /** The bridge may be another than running desktops are plugged into. */
  let doubtful = true

  return {
    async ensure(network) {
      await mkdir(place.visitors, { recursive: true })
      // dnsmasq is not root and goes this way, whatever our umask is.
      for (const folder of [place.visitors, dirname(place.visitors), runFolder]) await chmod(folder, 0o755)
      made = { name: await networkEnsure(networks, installationId, network, place), network }
      doubtful = true
    },
    async guestsEnsure(nics) {
      if (!made) throw new HdcsError('conflict', 'The desktops’ network has not been made yet.')
      const { network } = made
      const own = nics.filter(({ mode }) => mode !== 'bridge')
      await visitorsWrite(place.visitors, network, own)
      if (doubtful) await cablesReplug(enter, installationId, own)
      doubtful = false
      if (firewall) return rules.ensure({ network, nics })
      // Those of a time when they were wanted would stay in force.
      await firewallRemove(options)
      return []
    },
    async sourceOf(nic) {
      if (nic.mode === 'bridge') return { bridge: await bridgeEnsure(enter, nic.interface ?? '') }
      if (made) return { network: made.name }
      throw new HdcsError('conflict', 'The desktops’ network has not been made yet: the start is tried again.')
    },
    [Symbol.dispose]: () => rules[Symbol.dispose](),
  }
}

const placeOf = ({
  installationId,
  runFolder = defaultRunFolder,
  firewall = true,
}: DesktopNetworkOptions): NetworkPlace => ({
  visitors: join(runFolder, installationId, 'visitors'),
  forward: firewall ? 'route' : 'nat',
})

/** For an installation that leaves a host, and for tests: its network and its rules go. */
export async function desktopNetworkRemove(networks: LibvirtConnection, options: DesktopNetworkOptions): Promise<void> {
  const { installationId, runFolder = defaultRunFolder } = options
  await networkRemove(networks, installationId)
  await rm(join(runFolder, installationId), { recursive: true, force: true })
  await firewallRemove(options)
}

/**
 * dnsmasq reads each new file here at once, so a guest that came from another host gets its own address when it asks again.
 * What was read stays until dnsmasq starts anew; it does no harm, as a MAC belongs to one address for good.
 */
async function visitorsWrite(folder: string, network: NetworkSpec, nics: readonly NicSpec[]): Promise<void> {
  const { hosts, holds } = readSubnet(network)
  const own = new Set(hosts)
  const visiting = new Set(nics.map(({ address }) => address).filter(address => !own.has(address) && holds(address)))
  const present = new Set(await readdir(folder))
  for (const address of visiting) {
    if (present.has(address)) continue
    // dnsmasq leaves names alone that begin with a dot: it never reads half a line.
    const part = join(folder, `.${address}`)
    await writeFile(part, `${macOf(address)},${address}\n`, { mode: 0o644 })
    await rename(part, join(folder, address))
  }
  for (const name of present) if (!visiting.has(name)) await rm(join(folder, name), { force: true })
}
