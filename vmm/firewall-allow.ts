/** A pool's list of what its desktops may reach, as rules of nftables. Every word is checked: nft's language is not a quoted one. */
import { isIPv6 } from 'node:net'
import type { AllowRule } from './spec.ts'

export interface AllowText {
  rules: string[]
  /** Of those, the ones that name a single address: only they open doors of hosts. */
  named: string[]
}

const addressForm = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/

/** @param told what is wrong with a rule that was left out: what it would have opened stays closed. */
export function allowRules(list: readonly AllowRule[], told: (text: string) => void): AllowText {
  const rules: string[] = []
  const named: string[] = []
  for (const rule of list) {
    const place = readPlace(rule.cidr)
    const matches = place && readMatches(rule)
    if (!place || !matches) {
      told(`“${[rule.cidr, rule.protocol, rule.ports].filter(Boolean).join(' ')}” is no rule of a list`)
      continue
    }
    const texts = matches.map(match => `${place.match}${match} accept`)
    rules.push(...texts)
    if (place.single) named.push(...texts)
  }
  return { rules, named }
}

function readPlace(cidr: string): { match: string; single: boolean } | null {
  const [, address = '', prefix] = /^([0-9a-fA-F.:]+)(?:\/(\d{1,3}))?$/.exec(cidr) ?? []
  const six = isIPv6(address)
  if (!six && !addressForm.test(address)) return null
  const widest = six ? 128 : 32
  const bits = Number(prefix ?? widest)
  if (bits > widest) return null
  return { match: `${six ? 'ip6' : 'ip'} daddr ${address}/${bits}`, single: bits === widest }
}

const protocols = {
  tcp: ' meta l4proto tcp',
  udp: ' meta l4proto udp',
  icmp: ' meta l4proto { icmp, ipv6-icmp }',
} as const

/** One match for each piece of `ports`; null when it cannot be read. */
function readMatches({ protocol, ports }: AllowRule): string[] | null {
  const known = protocol === undefined || Object.hasOwn(protocols, protocol)
  if (!known || (ports && protocol === 'icmp')) return null
  if (!ports) return [protocol ? protocols[protocol] : '']
  const carrier = protocol ? protocols[protocol] : ' meta l4proto { tcp, udp }'
  const pieces = ports.split(',').map(readPorts)
  return pieces.every(piece => piece !== null) ? pieces.map(piece => `${carrier} th dport ${piece}`) : null
}

function readPorts(text: string): string | null {
  const [, first = '', last = first] = /^\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?\s*$/.exec(text) ?? []
  const [from, to] = [Number(first), Number(last)]
  if (first === '' || from < 1 || to > 65_535 || from > to) return null
  return from === to ? `${from}` : `${from}-${to}`
}
