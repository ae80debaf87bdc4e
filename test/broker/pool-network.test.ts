import { describe, expect, it } from 'vitest'
import { type NetworkAsked, networkChecked } from '../../broker/pool-network.ts'
import { HdcsError } from '../../lib/errors.ts'

const errorsOf = (asked: NetworkAsked) => {
  try {
    networkChecked(asked)
    return []
  } catch (error) {
    return error instanceof HdcsError ? error.fields.map(({ field, message }) => `${field}: ${message}`) : [error]
  }
}
const allow = (...rules: NonNullable<NetworkAsked['allow']>): NetworkAsked => ({ mode: 'nat', allow: rules })

describe('a pool’s network', () => {
  it('is written in one form whatever form it came in', () => {
    const asked = allow(
      { cidr: '10.1.2.3/8', protocol: 'tcp', ports: '443, 8000-8100,22-22' },
      { cidr: '192.0.2.7', protocol: undefined },
    )
    expect(networkChecked({ ...asked, neighbours: false, vlan: undefined })).toEqual({
      mode: 'nat',
      allow: [{ cidr: '10.0.0.0/8', protocol: 'tcp', ports: '443,8000-8100,22' }, { cidr: '192.0.2.7/32' }],
    })
    expect(networkChecked({ mode: 'bridge', interface: 'br5', vlan: 5, neighbours: true, allow: [] })).toEqual({
      mode: 'bridge',
      interface: 'br5',
      vlan: 5,
      neighbours: true,
    })
    expect(networkChecked({ mode: 'isolated', neighbours: false })).toEqual({ mode: 'isolated' })
  })

  it.each<[string, NetworkAsked]>([
    ['interface: name the bridge', { mode: 'bridge' }],
    ['interface: only for the mode bridge', { mode: 'isolated', interface: 'br0' }],
    ['vlan: only for the mode bridge', { mode: 'nat', vlan: 3 }],
    ['neighbours: not for the mode isolated', { mode: 'isolated', neighbours: true }],
    ['allow.0.cidr: 10.1.2 is no IPv4', allow({ cidr: '10.1.2' })],
    ['allow.0.cidr: 10.1.2.3/33 is no IPv4', allow({ cidr: '10.1.2.3/33' })],
    ['allow.0.cidr: 10.1.2.3/8/8 is no IPv4', allow({ cidr: '10.1.2.3/8/8' })],
    ['allow.0.cidr: fd00::/8 is no IPv4', allow({ cidr: 'fd00::/8' })],
    ['allow.0.cidr: $(reboot) is no IPv4', allow({ cidr: '$(reboot)' })],
    [
      'allow.1.ports: only with the protocol tcp or udp',
      allow({ cidr: '10.0.0.1' }, { cidr: '10.0.0.1', ports: '22' }),
    ],
    ['allow.0.ports: 0: ports are', allow({ cidr: '10.0.0.1', protocol: 'tcp', ports: '0' })],
    ['allow.0.ports: 65536: ports are', allow({ cidr: '10.0.0.1', protocol: 'tcp', ports: '65536' })],
    ['allow.0.ports: 90-80: ports are', allow({ cidr: '10.0.0.1', protocol: 'udp', ports: '90-80' })],
    ['allow.0.ports: 80,: ports are', allow({ cidr: '10.0.0.1', protocol: 'udp', ports: '80,' })],
  ])('is refused at its field: %s', (error, asked) => {
    expect(errorsOf(asked)).toEqual([expect.stringContaining(`body.network.${error}`)])
  })

  it('names every field that is wrong at once', () => {
    expect(errorsOf({ mode: 'nat', vlan: 3, allow: [{ cidr: 'x' }, { cidr: 'y' }] })).toHaveLength(3)
  })
})
