/** What a pool's desktops may reach, as an administrator wrote it: checked and brought into one form. Pure. */
import ipaddr from 'ipaddr.js'
import type { NetworkValue } from '../db/schema-hosts.ts'
import { type FieldError, HdcsError } from '../lib/errors.ts'

type Rule = NonNullable<NetworkValue['allow']>[number]
/** As bodies come: fields may be there and undefined. */
export interface NetworkAsked {
  mode: NetworkValue['mode']
  interface?: string | undefined
  vlan?: number | undefined
  neighbours?: boolean | undefined
  allow?: RuleAsked[] | undefined
}
interface RuleAsked {
  cidr: string
  protocol?: Rule['protocol'] | undefined
  ports?: string | undefined
}

/**
 * The same rules, addresses as CIDRs of their network, without fields that say nothing.
 * @throws HdcsError `invalid` with every field that is wrong.
 */
export function networkChecked(asked: NetworkAsked): NetworkValue {
  const fields = [...interfaceErrors(asked), ...neighboursErrors(asked), ...(asked.allow ?? []).flatMap(ruleErrors)]
  const [first] = fields
  if (first) throw new HdcsError('invalid', `The pool’s network: ${first.message}`, { fields })
  const allow = asked.allow?.map(ruleChecked)
  return {
    mode: asked.mode,
    ...(asked.interface !== undefined && { interface: asked.interface }),
    ...(asked.vlan !== undefined && { vlan: asked.vlan }),
    ...(asked.neighbours && { neighbours: true }),
    ...(allow && allow.length > 0 && { allow }),
  }
}

const wrong = (field: string, message: string): FieldError[] => [{ field: `body.network.${field}`, message }]

function interfaceErrors(asked: NetworkAsked): FieldError[] {
  if (asked.mode === 'bridge')
    return asked.interface === undefined
      ? wrong('interface', 'name the bridge or VLAN interface of the hosts that desktops shall be put on')
      : []
  return [
    ...(asked.interface === undefined ? [] : wrong('interface', 'only for the mode bridge')),
    ...(asked.vlan === undefined ? [] : wrong('vlan', 'only for the mode bridge')),
  ]
}

/** The hosts let nobody see an isolated desktop: the wish would be kept and never hold. */
const neighboursErrors = (asked: NetworkAsked): FieldError[] =>
  asked.mode === 'isolated' && asked.neighbours
    ? wrong('neighbours', 'not for the mode isolated: its desktops see nobody')
    : []

function ruleErrors(rule: RuleAsked, index: number): FieldError[] {
  const at = (field: string, message: string) => wrong(`allow.${index}.${field}`, message)
  return [
    ...(networkOf(rule.cidr) === undefined
      ? at('cidr', `${rule.cidr} is no IPv4 address or network like 10.0.0.0/8`)
      : []),
    ...(rule.ports === undefined
      ? []
      : rule.protocol !== 'tcp' && rule.protocol !== 'udp'
        ? at('ports', 'only with the protocol tcp or udp')
        : rangesOf(rule.ports)
          ? []
          : at('ports', `${rule.ports}: ports are 1 to 65535, like 443 or 8000-8100, comma separated`)),
  ]
}

function ruleChecked(rule: RuleAsked): Rule {
  return {
    cidr: networkOf(rule.cidr) ?? rule.cidr,
    ...(rule.protocol !== undefined && { protocol: rule.protocol }),
    ...(rule.ports !== undefined && { ports: rangesOf(rule.ports) ?? rule.ports }),
  }
}

/** `10.1.2.3/8` → `10.0.0.0/8`, an address alone → `/32`; undefined: neither. */
function networkOf(text: string): string | undefined {
  const [address = '', bits = '32', ...more] = text.split('/')
  const size = Number(bits)
  if (more.length > 0 || !/^\d{1,2}$/.test(bits) || size > 32 || !ipaddr.IPv4.isValidFourPartDecimal(address)) return
  return `${ipaddr.IPv4.networkAddressFromCIDR(`${address}/${size}`)}/${size}`
}

/** `443, 8000-8100` → `443,8000-8100`; undefined: not such a list. */
function rangesOf(text: string): string | undefined {
  const ranges = text.split(',').map(range => /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(range))
  const plain = ranges.map(found => {
    const [from, to] = [Number(found?.[1] ?? 0), Number(found?.[2] ?? found?.[1] ?? 0)]
    return from >= 1 && to <= 65_535 && from <= to ? (from === to ? `${from}` : `${from}-${to}`) : undefined
  })
  return plain.includes(undefined) ? undefined : plain.join(',')
}
