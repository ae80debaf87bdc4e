/**
 * The desktops' network of a host as a whole: libvirt's network, the rules of who may reach what, the addresses of guests
 * that came from other hosts, and bridges of the site.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import { bridgeEnsure, cablesReplug } from './bridges.ts'
import { firewallNone, firewallText, tableOf } from './firewall.ts'
import type { LibvirtConnection } from './libvirt/connection.ts'
import { macOf, type NetworkPlace, networkEnsure, networkRemove, readSubnet } from './networks.ts'
import { type ProgramOptions, type ProgramResult, runProgram } from './programs.ts'
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

export interface DesktopNetwork {
  ensure(network: NetworkSpec): Promise<void>
  /** Puts the rules for exactly these cards in force. @returns what was left out (and is closed), for an administrator. */
  guestsEnsure(nics: readonly NicSpec[]): Promise<string[]>
  /** @throws HdcsError `conflict` before the network was ensured in this process; `invalid` for an interface that will not do. */
  sourceOf(nic: NicSpec): Promise<NicSource>
}

const defaultRunFolder = '/run/hdcs'
/** nft takes 50 ms for a thousand guests. Longer: a start waits for what will not come. */
const nftMs = 20_000

export function makeDesktopNetwork(networks: LibvirtConnection, options: DesktopNetworkOptions): DesktopNetwork {
  const { installationId, enter = [], firewall = true } = options
  const place = placeOf(options)
  /** Null until it was ensured in this process: a stranger's network of that name must not be joined. */
  let made: { name: string; network: NetworkSpec } | null = null
  /** The bridge may be another than running desktops are plugged into. */
  let doubtful = true
  /** The rules in force as we wrote them, and as nft tells them. */
  let inForce: { text: string; told: string } | null = null

  async function rulesEnsure(text: string): Promise<void> {
    if (inForce?.text === text && inForce.told === (await rulesTold(enter, installationId))) return
    inForce = null
    const { code, errors } = await nft(enter, ['-f', '-'], { input: text })
    if (code !== 0) throw unprotected(errors.split('\n')[0] ?? '')
    const told = await rulesTold(enter, installationId)
    if (told !== null) inForce = { text, told }
  }

  return {
    async ensure(network) {
      await mkdir(place.visitors, { recursive: true })
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
      if (!firewall) return []
      const { text, wrong } = firewallText({ installationId, network, nics })
      await rulesEnsure(text)
      return wrong
    },
    async sourceOf(nic) {
      if (nic.mode === 'bridge') return { bridge: await bridgeEnsure(enter, nic.interface ?? '') }
      if (made) return { network: made.name }
      throw new HdcsError('conflict', 'The desktops’ network has not been made yet: the start is tried again.')
    },
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
  const { installationId, enter = [], runFolder = defaultRunFolder } = options
  await networkRemove(networks, installationId)
  await rm(join(runFolder, installationId), { recursive: true, force: true })
  const { code, errors } = await nft(enter, ['-f', '-'], { input: firewallNone(installationId) }).catch(thrown => {
    // Without nft there never were rules.
    if (asHdcsError(thrown).code === 'unsupported') return { code: 0, errors: '' }
    throw thrown
  })
  if (code !== 0) throw new HdcsError('internal', `The desktops’ rules cannot be removed: ${errors.split('\n')[0]}`)
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

async function nft(
  enter: readonly string[],
  args: string[],
  options: Pick<ProgramOptions, 'input' | 'onLine'>,
): Promise<ProgramResult> {
  const [program = '', ...rest] = [...enter, 'nft', ...args]
  // Not on everybody's path; it is on root's.
  const env = { PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` }
  try {
    return await runProgram(program, rest, { ...options, timeoutMs: nftMs, env })
  } catch (thrown) {
    if (asHdcsError(thrown).code === 'unsupported') throw unprotected('nft is not installed', thrown)
    throw thrown
  }
}

const unprotected = (why: string, cause?: unknown) =>
  new HdcsError(
    'unsupported',
    `Desktops with a network do not start: the rules that keep them apart cannot be put in force (${why}). Install nftables and run the agent as root; HDCS_FIREWALL=off starts them unprotected.`,
    { cause },
  )

/** What nft says of our tables, as a digest; null when it cannot, or one is gone. */
async function rulesTold(enter: readonly string[], installationId: string): Promise<string | null> {
  const tell = async (family: string) => {
    const digest = createHash('sha256')
    const onLine = (line: string) => void digest.update(`${line}\n`)
    const { code } = await nft(enter, ['-s', 'list', 'table', family, tableOf(installationId)], { onLine })
    return code === 0 ? digest.digest('hex') : null
  }
  const told = await Promise.all(['bridge', 'inet'].map(tell))
  return told.includes(null) ? null : told.join(' ')
}
