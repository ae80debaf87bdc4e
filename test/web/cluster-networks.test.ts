import { describe, expect, it } from 'vitest'
import { linesOf, networksOf, wrongInLines } from '../../web/admin/cluster-networks-values.ts'

describe('networks of a cluster, as its form holds them,', () => {
  it('go there and back: as the pool says, none, or a VLAN', () => {
    const networks = [
      { name: 'a', interface: 'br1' },
      { name: 'b', interface: 'br2', vlan: null },
      { name: 'c', interface: 'eth1', vlan: 9 },
    ]
    const lines = linesOf(networks)
    expect(lines.map(({ vlan }) => vlan)).toEqual(['', 0, 9])
    expect(networksOf(lines)).toEqual(networks)
  })

  it('are wrong without a name, twice, and out of VLANs', () => {
    const wrong = wrongInLines([
      { name: 'a', interface: '', vlan: '' },
      { name: 'a ', interface: 'br1', vlan: 4095 },
      { name: 'no name', interface: 'br1', vlan: 1.5 },
      { name: 'd', interface: 'br1', vlan: 0 },
    ])
    expect(wrong).toEqual([
      { interface: 'nameBad' },
      { name: 'nameTwice', vlan: 'vlanBad' },
      { name: 'nameBad', vlan: 'vlanBad' },
      {},
    ])
  })
})
