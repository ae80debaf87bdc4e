import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bridgeOf } from '../../lib/routes.ts'
import { macOf, networkXml, readSubnet, tapOf, tapsOf } from '../../vmm/networks.ts'
import { installationId } from './wishes.ts'

const place = { visitors: '/run/hdcs/x/visitors', forward: 'route' as const }
const network = { supernet: '10.128.0.0/14', subnet: '10.128.4.0/22' }

describe('the desktops’ network', () => {
  it('gives every address its own MAC', () => {
    expect(macOf('10.200.0.7')).toBe('52:54:0a:c8:00:07')
    const { hosts } = readSubnet(network)
    expect(hosts).toHaveLength(1_021)
    expect([hosts[0], hosts.at(-1)]).toEqual(['10.128.4.2', '10.128.7.254'])
    expect(new Set(hosts.map(macOf)).size).toBe(1_021)
  })

  it('pairs them all beforehand, and waits for nothing', () => {
    const text = networkXml('hdcs', installationId, { supernet: '10.200.0.0/16', subnet: '10.200.0.0/29' }, place)
    expect(text.match(/<host mac=/g)).toHaveLength(5)
    expect(text).toContain("stp='off' delay='0'")
    expect(text).toContain("value='no-ping'")
  })

  it('has one gateway, with one MAC and one mask, on every host of a cluster', () => {
    const [one, other] = ['10.128.0.0/22', '10.131.252.0/22'].map(subnet =>
      networkXml('hdcs', installationId, { ...network, subnet }, place),
    )
    for (const text of [one, other]) {
      expect(text).toContain("<ip address='10.128.0.1' netmask='255.252.0.0'>")
      expect(text).toContain("<mac address='52:54:0a:80:00:01'/>")
      expect(text).toContain("<lease expiry='0'/>")
      // The gateway's own address is nobody's.
      expect(text).not.toContain("ip='10.128.0.1'")
    }
  })

  it.each([
    ['10.200.0.1/22', '10.200.0.0/14'],
    ['10.200.0.0/19', '10.200.0.0/14'],
    ['10.200.0.0/30', '10.200.0.0/14'],
    ['10.200.0.0', '10.200.0.0/14'],
    ['999.0.0.0/24', '10.200.0.0/14'],
    ["10.0.0.0/24'/><x", '10.0.0.0/14'],
    ['10.204.0.0/22', '10.200.0.0/14'],
    ['10.200.0.0/22', '10.200.0.0/24'],
    ['10.200.0.0/22', '10.201.0.0/14'],
  ])('refuses the subnet %s of %s', (subnet, supernet) => {
    expect(() => readSubnet({ subnet, supernet })).toThrow(expect.objectContaining({ code: 'invalid' }))
  })
})

describe('the cables of desktops', () => {
  const address = fc
    .integer({ min: 0, max: 2 ** 32 - 1 })
    .map(value => [24, 16, 8, 0].map(shift => (value >>> shift) & 255).join('.'))

  it('have names that Linux takes, each its own', () => {
    fc.assert(
      fc.property(address, address, (one, other) => {
        expect(tapOf(one).length).toBeLessThanOrEqual(15)
        expect(tapOf(one) === tapOf(other)).toBe(one === other)
      }),
    )
    expect(bridgeOf(installationId)).toBe('hdcs-0000000a')
  })

  it('are told from those of another network by their names', () => {
    fc.assert(
      fc.property(address, address, fc.integer({ min: 8, max: 29 }), (one, other, prefix) => {
        const base = (text: string) => {
          const value = text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
          return Math.floor(value / 2 ** (32 - prefix)) * 2 ** (32 - prefix)
        }
        const first = base(one)
        const supernet = `${[24, 16, 8, 0].map(shift => Math.floor(first / 2 ** shift) % 256).join('.')}/${prefix}`
        const patterns = tapsOf(supernet)
        expect(patterns.length).toBeLessThanOrEqual(8)
        const matches = patterns.some(pattern => tapOf(other).startsWith(pattern.slice(0, -1)))
        expect(matches).toBe(base(other) === first)
      }),
    )
  })
})
