import { describe, expect, it } from 'vitest'
import { addressesOf } from '../../vmm/libvirt-addresses.ts'

const card = (...addresses: [string, string][]) => ({
  'ip-addresses': addresses.map(([type, address]) => ({ 'ip-address-type': type, 'ip-address': address, prefix: 24 })),
})

describe('what a guest says of its network', () => {
  it('is read for its IPv4 addresses, without its own loopback', () => {
    const said = [card(['ipv4', '127.0.0.1'], ['ipv6', '::1']), {}, card(['ipv6', 'fe80::1'], ['ipv4', '10.0.0.5'])]
    expect(addressesOf({ return: said })).toEqual(['10.0.0.5'])
  })

  it.each([[{}], [{ return: 'x' }], [{ return: [{ 'ip-addresses': 7 }] }], [{ return: [card(['ipv4', 'rm -rf'])] }]])(
    'is nothing where it is nonsense: %j',
    said => {
      expect(addressesOf(said)).toEqual([])
    },
  )
})
