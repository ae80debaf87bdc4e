/** Bridges of the site that desktops may be put on, and the cables of desktops on our own. Asked and changed with `ip`. */
import { createHash } from 'node:crypto'
import { HdcsError } from '../lib/errors.ts'
import { bridgeOf } from '../lib/routes.ts'
import { tapOf } from './networks.ts'
import { rootPath, runProgram } from './programs.ts'
import type { NicSpec } from './spec.ts'

/** As `ip -json -details` tells them (ip-link(8)). */
export interface Link {
  ifname: string
  master?: string
  link_type?: string
  linkinfo?: { info_kind?: string }
  addr_info?: { family: string; scope: string }[]
}

/** Linux's limit. */
const longestName = 15
/** `ip` answers in milliseconds, on a host with a thousand desktops in some more. */
const ipMs = 10_000

async function ip(enter: readonly string[], ...args: string[]): Promise<string> {
  const [program = '', ...rest] = [...enter, 'ip', ...args]
  // Its output is longer than what is kept of a program's: it comes line by line.
  const lines: string[] = []
  const onLine = (line: string) => void lines.push(line)
  const { code, errors } = await runProgram(program, rest, { timeoutMs: ipMs, env: { PATH: rootPath() }, onLine })
  if (code !== 0) throw new HdcsError('conflict', `ip ${args.join(' ')}: ${errors}`)
  return lines.join('\n')
}

async function linksRead(enter: readonly string[], ...args: string[]): Promise<Link[]> {
  const all = JSON.parse((await ip(enter, '-json', '-details', 'address', 'show', ...args)) || '[]') as Partial<Link>[]
  // Links that do not match are told as empty objects.
  return all.filter((link): link is Link => link.ifname !== undefined)
}

const isBridge = (link: Link) => link.linkinfo?.info_kind === 'bridge'
/** The bridge that is made for an interface without one; of a long name only what tells it from others. */
const bridgeFor = (name: string) =>
  name.length <= longestName - 2 ? `hb${name}` : `hb${createHash('sha256').update(name).digest('hex').slice(0, 10)}`

/** What a pool may name as its interface here: bridges, network cards, and interfaces of VLANs. Pure. */
export function bridgesOffered(links: readonly Link[]): string[] {
  const made = new Set(links.map(({ ifname }) => bridgeFor(ifname)))
  const isOurs = (name: string) => /^(hdcs-|virbr)/.test(name) || made.has(name)
  return links
    .filter(link => link.link_type === 'ether' && !isOurs(link.ifname))
    .filter(link => ['bridge', 'vlan', 'bond', undefined].includes(link.linkinfo?.info_kind))
    .map(({ ifname }) => ifname)
    .sort()
}

export const bridgesRead = async (enter: readonly string[] = []) => bridgesOffered(await linksRead(enter))

const interfaceForm = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/
const vlanForm = /^(.+)\.([1-9]\d{0,3})$/

/**
 * The bridge that leads to an interface: itself when it is one, the one it is in, else one that is made for it. `eth0.100` is
 * made when it is not there: VLAN 100 of eth0.
 * @throws HdcsError `invalid`: not there, no proper name, or it carries the host's own addresses (putting it into a bridge
 *   would cut the host off).
 */
export async function bridgeEnsure(enter: readonly string[], name: string): Promise<string> {
  if (!interfaceForm.test(name))
    throw new HdcsError(
      'invalid',
      `“${name}” is no name of a bridge or an interface: ${longestName} letters at most, a VLAN’s dot and number included.`,
    )
  const link = (await linkOf(enter, name)) ?? (await vlanMake(enter, name))
  if (isBridge(link)) return name
  if (link.master !== undefined) {
    const master = await linkOf(enter, link.master)
    if (master && isBridge(master)) return master.ifname
  }
  if (link.addr_info?.some(({ scope }) => scope === 'global'))
    throw new HdcsError(
      'invalid',
      `${name} carries addresses of the host itself: make it a member of a bridge and name that one, or name a VLAN.`,
    )
  const bridge = bridgeFor(name)
  if (!(await linkOf(enter, bridge))) await ip(enter, 'link', 'add', bridge, 'type', 'bridge', 'forward_delay', '0')
  // No address of the host's own in there, not even one it gives itself.
  await ip(enter, 'link', 'set', bridge, 'addrgenmode', 'none')
  await ip(enter, 'link', 'set', name, 'addrgenmode', 'none')
  await ip(enter, 'link', 'set', name, 'master', bridge, 'up')
  await ip(enter, 'link', 'set', bridge, 'up')
  return bridge
}

async function linkOf(enter: readonly string[], name: string): Promise<Link | undefined> {
  return (await linksRead(enter)).find(({ ifname }) => ifname === name)
}

async function vlanMake(enter: readonly string[], name: string): Promise<Link> {
  const [, parent = '', tag = ''] = vlanForm.exec(name) ?? []
  const known = parent !== '' && Number(tag) < 4095 && (await linkOf(enter, parent))
  if (!known)
    throw new HdcsError(
      'invalid',
      `This host has no bridge or interface ${name}: make it, or name another in the pool.`,
    )
  await ip(enter, 'link', 'add', 'link', parent, 'name', name, 'type', 'vlan', 'id', tag)
  await ip(enter, 'link', 'set', name, 'up')
  const made = await linkOf(enter, name)
  if (!made) throw new HdcsError('conflict', `The interface ${name} was removed while it was being made.`)
  return made
}

/** Plugs running desktops in again after their bridge was taken away and made anew (somebody ended libvirt's network). */
export async function cablesReplug(
  enter: readonly string[],
  installationId: string,
  nics: readonly NicSpec[],
): Promise<void> {
  const bridge = bridgeOf(installationId)
  const links = new Map((await linksRead(enter)).map(link => [link.ifname, link]))
  if (!links.has(bridge)) return
  const loose = nics
    .map(({ address }) => tapOf(address))
    .filter(tap => links.has(tap) && links.get(tap)?.master === undefined)
  for (const tap of loose) await ip(enter, 'link', 'set', tap, 'master', bridge)
}
