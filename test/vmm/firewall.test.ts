import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { firewallText } from '../../vmm/firewall.ts'
import { allowRules } from '../../vmm/firewall-allow.ts'
import type { AllowRule, NicSpec } from '../../vmm/spec.ts'
import { installationId, nicSpec } from './wishes.ts'

const network = { supernet: '10.128.0.0/14', subnet: '10.128.4.0/22', closed: ['192.0.2.7', 'not an address'] }
const textOf = (nics: NicSpec[]) => firewallText({ installationId, network, nics })
/** nft reads it and the kernel would take it: checked in a network of its own, where nothing is changed. */
const taken = (text: string) =>
  execFileSync('unshare', ['--net', 'nft', '--check', '-f', '-'], { input: text, stdio: ['pipe', 'ignore', 'pipe'] })

const told = (list: AllowRule[]) => {
  const wrong: string[] = []
  return { ...allowRules(list, text => wrong.push(text)), wrong }
}

describe('a list of what may be reached', () => {
  it.each<[AllowRule, string[]]>([
    [{ cidr: '10.0.0.0/8' }, ['ip daddr 10.0.0.0/8 accept']],
    [{ cidr: '192.0.2.1' }, ['ip daddr 192.0.2.1/32 accept']],
    [{ cidr: '2001:db8::/32', protocol: 'udp' }, ['ip6 daddr 2001:db8::/32 meta l4proto udp accept']],
    [{ cidr: '0.0.0.0/0', protocol: 'icmp' }, ['ip daddr 0.0.0.0/0 meta l4proto { icmp, ipv6-icmp } accept']],
    [
      { cidr: '192.0.2.1', protocol: 'tcp', ports: '443, 8000-8100' },
      [
        'ip daddr 192.0.2.1/32 meta l4proto tcp th dport 443 accept',
        'ip daddr 192.0.2.1/32 meta l4proto tcp th dport 8000-8100 accept',
      ],
    ],
    [{ cidr: '192.0.2.1', ports: '53' }, ['ip daddr 192.0.2.1/32 meta l4proto { tcp, udp } th dport 53 accept']],
  ])('%j is written as rules', (rule, rules) => {
    expect(told([rule])).toMatchObject({ rules, wrong: [] })
  })

  it.each<AllowRule>([
    { cidr: '10.0.0.0/33' },
    { cidr: '10.0.0' },
    { cidr: '10.0.0.300' },
    { cidr: '10.0.0.0/8 accept; flush ruleset' },
    { cidr: '::1/129' },
    { cidr: '10.0.0.1', protocol: 'gre' as never },
    { cidr: '10.0.0.1', protocol: 'constructor' as never },
    { cidr: '10.0.0.1', protocol: 'icmp', ports: '1' },
    { cidr: '10.0.0.1', protocol: 'tcp', ports: '0' },
    { cidr: '10.0.0.1', protocol: 'tcp', ports: '1-' },
    { cidr: '10.0.0.1', protocol: 'tcp', ports: '90-80' },
    { cidr: '10.0.0.1', protocol: 'tcp', ports: '65536' },
    { cidr: '10.0.0.1', protocol: 'tcp', ports: '80 accept }' },
  ])('%j is left out, and said to be', rule => {
    expect(told([rule, { cidr: '192.0.2.1' }])).toMatchObject({
      rules: ['ip daddr 192.0.2.1/32 accept'],
      wrong: [expect.stringContaining('is no rule of a list')],
    })
  })

  it('opens a host only where it names one address', () => {
    expect(
      told([{ cidr: '0.0.0.0/0' }, { cidr: '192.0.2.0/24' }, { cidr: '192.0.2.1/32', ports: '80' }]).named,
    ).toEqual(['ip daddr 192.0.2.1/32 meta l4proto { tcp, udp } th dport 80 accept'])
  })
})

describe('the rules of a host', () => {
  const rule = fc.record(
    {
      cidr: fc.oneof(fc.constantFrom('0.0.0.0/0', '10.0.0.0/8', '192.0.2.9', 'fd00::/8', '192.0.2.1/32'), fc.string()),
      protocol: fc.constantFrom('tcp', 'udp', 'icmp'),
      ports: fc.oneof(fc.constantFrom('80', '80,443', '1-65535', '80,80', '70-90,80-100'), fc.string()),
    },
    { requiredKeys: ['cidr'] },
  )
  const nic = fc.record({
    address: fc
      .integer({ min: 2, max: 2 ** 18 - 2 })
      .map(low => `10.${128 + (low >> 16)}.${(low >> 8) & 255}.${low & 255}`),
    mode: fc.constantFrom('nat', 'routed', 'bridge', 'isolated'),
    neighbourGroup: fc.constantFrom(null, 'a', 'b', '"; drop', 'c'),
    allow: fc.option(fc.array(rule, { maxLength: 4 })),
  })
  const nics = fc
    .uniqueArray(nic, { selector: ({ address }) => address, maxLength: 30 })
    .map(all => all.map(each => nicSpec(each.address, { ...each, interface: 'br0' } as Partial<NicSpec>)))

  it('are taken by nft, whatever is wished', () => {
    fc.assert(
      fc.property(nics, wished => {
        expect(() => taken(textOf(wished).text)).not.toThrow()
      }),
      { numRuns: 40 },
    )
  })

  it('name nobody whose address or MAC cannot be read', () => {
    const odd = [
      nicSpec('10.128.4.300'),
      nicSpec('10.128.4.5', { mac: '52:54:0a:80:04:05; drop' }),
      nicSpec('10.128.4.6'),
    ]
    const { text, wrong } = textOf(odd)
    expect(wrong).toHaveLength(2)
    expect(text).not.toMatch(/4\.300|; drop/)
    expect(text).toContain('10.128.4.6')
    expect(text).not.toContain('not an address')
  })

  it('are the same text for the same wish, so that nothing is done twice', () => {
    const wished = [
      nicSpec('10.128.4.6', { neighbourGroup: 'a', allow: [{ cidr: '10.0.0.0/8' }] }),
      nicSpec('10.128.4.7'),
    ]
    expect(textOf(wished)).toEqual(textOf(structuredClone(wished)))
  })

  it('hold a thousand guests without a rule more than for one', () => {
    const many = Array.from({ length: 1_000 }, (_, index) =>
      nicSpec(`10.128.${4 + (index >> 8)}.${index & 255}`, { neighbourGroup: 'class' }),
    )
    const rules = (text: string) =>
      text.split('\n').filter(line => /^ {4}[a-z].*(accept|drop|goto \w+|masquerade)$/.test(line)).length
    expect(rules(textOf(many).text)).toBe(rules(textOf(many.slice(0, 1)).text))
    expect(() => taken(textOf(many).text)).not.toThrow()
  })
})
