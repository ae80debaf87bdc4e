/**
 * What the desktops of a host may send and reach, as one nftables text rendered whole from the wish. Pure.
 *
 * Two tables bear the installation's mark, and nothing else of the machine's rules is touched:
 *   bridge   who may send at all: a guest only from its own cable, MAC and address (ARP too); to whom on the same bridge;
 *            and that it hears only what is for it
 *   inet     what goes further: the host's own services, other networks, the internet; and the translation of addresses
 *
 * Cables bear names made of the supernet's addresses. One that no rule names yet can send nothing, on whichever bridge.
 */

import { bridgeOf } from '../lib/routes.ts'
import { type AllowText, allowRules } from './firewall-allow.ts'
import { readSubnet, tapOf, tapsOf } from './networks.ts'
import type { NetworkSpec, NicSpec } from './spec.ts'

export interface FirewallWish {
  installationId: string
  network: NetworkSpec
  nics: readonly NicSpec[]
}

export interface Firewall {
  /** For `nft -f`: puts the new rules in the place of the old ones in one step. */
  text: string
  /** What was left out, and closed by that, because it cannot be read. */
  wrong: string[]
}

/** Both tables are called so. */
export const tableOf = (installationId: string) => bridgeOf(installationId)

/** For `nft -f`: the installation's rules go; also when there are none. */
export function firewallNone(installationId: string): string {
  const table = tableOf(installationId)
  return ['bridge', 'inet'].map(family => `add table ${family} ${table}\ndelete table ${family} ${table}\n`).join('')
}

interface Guest extends NicSpec {
  tap: string
  /** The number of its list; null: whatever its mode allows. */
  list: number | null
  /** The number of its group; null: it sees nobody. */
  group: number | null
}

interface Rules {
  table: string
  bridge: string
  network: NetworkSpec
  guests: Guest[]
  lists: AllowText[]
  groups: number
}

export function firewallText({ installationId, network, nics }: FirewallWish): Firewall {
  const wrong: string[] = []
  const lists = numbered<AllowText>()
  const groups = numbered<string>()
  const guests = nics.flatMap((nic): Guest[] => {
    if (!isSound(nic)) {
      wrong.push(`“${nic.address}” with “${nic.mac}” is no address of a desktop`)
      return []
    }
    const allow = nic.allow && allowRules(nic.allow, text => wrong.push(text))
    const sees = nic.neighbourGroup !== null && nic.mode !== 'isolated'
    return [
      {
        ...nic,
        tap: tapOf(nic.address),
        list: allow && lists.numberOf(allow.rules.join('\n'), allow),
        group: sees ? groups.numberOf(`${nic.mode === 'bridge'} ${nic.neighbourGroup}`, '') : null,
      },
    ]
  })
  const rules: Rules = {
    table: tableOf(installationId),
    bridge: bridgeOf(installationId),
    network,
    guests,
    lists: lists.values,
    groups: groups.values.length,
  }
  return { text: `${firewallNone(installationId)}${bridgeTable(rules)}${inetTable(rules)}`, wrong: [...new Set(wrong)] }
}

const macForm = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/
const addressForm = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/
const isAddress = (text: string) => addressForm.test(text)
const isSound = ({ mac, address }: NicSpec) => macForm.test(mac) && isAddress(address)

/** Equal things get equal numbers, from 0. */
function numbered<T>() {
  const numbers = new Map<string, number>()
  const values: T[] = []
  return {
    values,
    numberOf(key: string, value: T): number {
      const known = numbers.get(key)
      if (known !== undefined) return known
      numbers.set(key, values.length)
      return values.push(value) - 1
    },
  }
}

/** A named set: looked up by a hash, so a thousand guests cost a packet no more than one. */
const held = (name: string, type: string, items: readonly string[]) => named('set', name, type, items)
/** Likewise, with where to go on. */
const led = (name: string, type: string, items: readonly string[]) => named('map', name, `${type} : verdict`, items)

function named(kind: 'set' | 'map', name: string, type: string, items: readonly string[]): string {
  const elements = items.length > 0 ? `elements = { ${items.join(',\n    ')} }` : ''
  return `  ${kind} ${name} { type ${type}; ${elements} }\n`
}

const chain = (name: string, lines: readonly string[]) =>
  `  chain ${name} {\n${lines.map(line => `    ${line}\n`).join('')}  }\n`
const quoted = (name: string) => `"${name}"`
const members = (guests: Guest[], group: number) => guests.filter(guest => guest.group === group)
const counted = (count: number) => Array.from({ length: count }, (_, index) => index)

/**
 * Two chains a list: its rules, and those of them that name a single address: a list that allows the whole internet
 * opens no door of the hosts.
 */
const listChains = (lists: AllowText[]) =>
  lists
    .map(
      ({ rules, named }, number) =>
        chain(`list_${number}`, [...rules, 'drop']) + chain(`named_${number}`, [...named, 'drop']),
    )
    .join('')

function bridgeTable({ table, network, guests, lists, groups }: Rules): string {
  const outside = guests.filter(({ mode }) => mode === 'bridge')
  const inside = guests.filter(({ mode }) => mode !== 'bridge')
  const listed = outside.filter(({ list }) => list !== null)
  const grouped = guests.filter(({ group }) => group !== null)
  const taps = (some: Guest[]) => some.map(({ tap }) => quoted(tap))
  const cables = tapsOf(network.supernet).map(quoted)
  const each = (direction: 'iifname' | 'oifname', then: string) => cables.map(name => `${direction} ${name} ${then}`)
  return [
    `table bridge ${table} {\n`,
    held(
      'guests',
      'ifname . ether_addr . ipv4_addr',
      inside.map(({ tap, mac, address }) => `${quoted(tap)} . ${mac} . ${address}`),
    ),
    held(
      'cables',
      'ifname . ether_addr',
      guests.map(({ tap, mac }) => `${quoted(tap)} . ${mac}`),
    ),
    held('inside', 'ifname', taps(inside)),
    held('outside', 'ifname', taps(outside)),
    listChains(lists),
    ...counted(groups).flatMap(group => [
      held(`members_${group}`, 'ifname', taps(members(guests, group))),
      chain(`group_${group}`, [`oifname @members_${group} accept`, 'drop']),
    ]),
    led(
      'lists',
      'ifname',
      listed.map(({ tap, list }) => `${quoted(tap)} : goto list_${list}`),
    ),
    led(
      'named',
      'ifname',
      listed.map(({ tap, list }) => `${quoted(tap)} : goto named_${list}`),
    ),
    led(
      'groups',
      'ifname',
      grouped.map(({ tap, group }) => `${quoted(tap)} : goto group_${group}`),
    ),
    chain('outsider', [
      'ether type arp iifname . arp saddr ether != @cables drop',
      'ether type { arp, 0x8035 } accept',
      // No guest hands out addresses or ways.
      'udp sport { 67, 547 } drop',
      'icmpv6 type { nd-router-advert, nd-redirect } drop',
      'ip version 4 udp sport 68 udp dport 67 accept',
      'iifname vmap @lists',
      'accept',
    ]),
    chain('guest', [
      // A tag would lead it into another network of the site.
      'ether type { 8021q, 8021ad } drop',
      'iifname . ether saddr != @cables drop',
      'iifname @outside goto outsider',
      // Its own address, or none yet: whether somebody has it is asked before it is used (RFC 5227).
      'iifname . arp saddr ether . arp saddr ip @guests accept',
      'arp operation request arp saddr ip 0.0.0.0 iifname . arp saddr ether @cables accept',
      // Said for it by QEMU when it arrived here, so that the bridge knows where it is.
      'ether type 0x8035 accept',
      'udp sport 67 drop',
      'iifname . ether saddr . ip saddr @guests accept',
      'ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept',
      'drop',
    ]),
    chain('prerouting', [
      'type filter hook prerouting priority -300; policy accept;',
      ...each('iifname', 'goto guest'),
    ]),
    chain('across', ['iifname vmap @groups', 'drop']),
    chain('sent', [...each('oifname', 'goto across'), 'iifname @outside accept', 'drop']),
    chain('forward', [
      'type filter hook forward priority -200; policy accept;',
      ...each('iifname', 'goto sent'),
      // Somebody else's machine on the desktops' bridge.
      'oifname @inside drop',
    ]),
    chain('outsider_host', [
      'ether type arp accept',
      'ip version 4 udp sport 68 udp dport 67 accept',
      'iifname vmap @named',
      'drop',
    ]),
    chain('input', ['type filter hook input priority -200; policy accept;', 'iifname @outside goto outsider_host']),
    chain('hearing', [
      'ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 accept',
      'oifname . ether daddr @cables accept',
      // Where its addressee is, the bridge does not know yet: it would tell everybody.
      'drop',
    ]),
    chain('output', ['type filter hook output priority -200; policy accept;', ...each('oifname', 'goto hearing')]),
    '}\n',
  ].join('')
}

function inetTable({ table, bridge, network, guests: all, lists, groups }: Rules): string {
  const { gateway, broadcast } = readSubnet(network)
  const { supernet, closed = [] } = network
  const guests = all.filter(({ mode }) => mode !== 'bridge')
  const addresses = (some: Guest[]) => some.map(({ address }) => address)
  const listed = guests.filter(({ list }) => list !== null)
  const free = guests.filter(({ list, mode }) => list === null && mode !== 'isolated')
  const served = [...free, ...listed]
  const grouped = guests.filter(({ group }) => group !== null)
  const inner = quoted(bridge)
  return [
    `table inet ${table} {\n`,
    held('hosts', 'ipv4_addr', [...new Set(closed)].filter(isAddress)),
    held('resolving', 'ipv4_addr', addresses(guests.filter(({ mode }) => mode !== 'isolated'))),
    held('served', 'ipv4_addr', addresses(served)),
    held('routed', 'ipv4_addr', addresses(guests.filter(({ mode }) => mode === 'routed'))),
    held('translated', 'ipv4_addr', addresses(served.filter(({ mode }) => mode !== 'routed'))),
    listChains(lists),
    ...counted(groups).flatMap(group => [
      held(`members_${group}`, 'ipv4_addr', addresses(members(guests, group))),
      chain(`group_${group}`, [
        `ip daddr @members_${group} accept`,
        `ip daddr { 224.0.0.0/4, 255.255.255.255, ${broadcast} } accept`,
        'drop',
      ]),
    ]),
    led(
      'groups',
      'ipv4_addr',
      grouped.map(({ address, group }) => `${address} : goto group_${group}`),
    ),
    led('lists', 'ipv4_addr', [
      ...free.map(({ address }) => `${address} : accept`),
      ...listed.map(({ address, list }) => `${address} : goto list_${list}`),
    ]),
    led(
      'named',
      'ipv4_addr',
      listed.map(({ address, list }) => `${address} : goto named_${list}`),
    ),
    chain('host', [
      `ip daddr { ${gateway}, 255.255.255.255 } udp sport 68 udp dport 67 accept`,
      // Answers to what the host itself asked.
      'ct direction reply ct state { established, related } accept',
      `ip saddr @resolving ip daddr ${gateway} meta l4proto { tcp, udp } th dport 53 accept`,
      `ip saddr @resolving ip daddr ${gateway} icmp type echo-request accept`,
      'ip saddr vmap @named',
      'drop',
    ]),
    chain('input', ['type filter hook input priority -10; policy accept;', `iifname ${inner} goto host`]),
    chain('across', ['ip saddr vmap @groups', 'drop']),
    chain('otherhost', ['ip saddr vmap @named', 'drop']),
    chain('outward', [
      // Whoever came in from outside gets its answers; all else is looked at packet by packet, so that a list that
      // became shorter is felt by what runs already.
      'ip saddr @routed ct direction reply ct state { established, related } accept',
      `ip daddr ${supernet} drop`,
      'ip daddr @hosts goto otherhost',
      'ip saddr vmap @lists',
      'drop',
    ]),
    chain('inward', [
      `ip saddr ${supernet} drop`,
      'ip daddr @served ct state { established, related } accept',
      'ip daddr @routed accept',
      'drop',
    ]),
    chain('forward', [
      'type filter hook forward priority -10; policy accept;',
      // Frames from desktop to desktop come by here where br_netfilter is on, and packets that the host would send back.
      `iifname ${inner} oifname ${inner} goto across`,
      `iifname ${inner} goto outward`,
      `oifname ${inner} goto inward`,
    ]),
    chain('postrouting', [
      'type nat hook postrouting priority 100; policy accept;',
      `ip saddr @translated ip daddr != ${supernet} oifname != ${inner} masquerade`,
    ]),
    '}\n',
  ].join('')
}
