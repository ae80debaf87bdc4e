import { describe, expect, it } from 'vitest'
import { macOf, networkXml, readSubnet } from '../../vmm/networks.ts'
import { installationId } from './wishes.ts'

describe('the desktops’ network', () => {
  it('gives every address its own MAC', () => {
    expect(macOf('10.200.0.7')).toBe('52:54:0a:c8:00:07')
    const { hosts } = readSubnet('10.200.0.0/22')
    expect(hosts).toHaveLength(1_021)
    expect([hosts[0], hosts.at(-1)]).toEqual(['10.200.0.2', '10.200.3.254'])
    expect(new Set(hosts.map(macOf)).size).toBe(1_021)
  })

  it('pairs them all beforehand, and waits for nothing', () => {
    const text = networkXml('hdcs', installationId, '10.200.0.0/29')
    expect(text.match(/<host mac=/g)).toHaveLength(5)
    expect(text).toContain("<bridge stp='off' delay='0'/>")
    expect(text).toContain("value='no-ping'")
  })

  it.each(['10.200.0.1/22', '10.200.0.0/8', '10.200.0.0/30', '10.200.0.0', '999.0.0.0/24', "10.0.0.0/24'/><x"])(
    'refuses %s',
    cidr => {
      expect(() => readSubnet(cidr)).toThrow(expect.objectContaining({ code: 'invalid' }))
    },
  )
})
