import { describe, expect, it } from 'vitest'
import { networksTouch, subnetFree, supernetFree } from '../../broker/subnets.ts'

const supernet = '10.128.0.0/14'

describe('a host’s subnet', () => {
  it('is given from the bottom, and one that was given up is given again', () => {
    expect(subnetFree(supernet, [])).toBe('10.128.0.0/22')
    expect(subnetFree(supernet, ['10.128.0.0/22', '10.128.4.0/22'])).toBe('10.128.8.0/22')
    expect(subnetFree(supernet, ['10.128.4.0/22'])).toBe('10.128.0.0/22')
  })

  it('is a quarter of a small network, so that four hosts fit into any', () => {
    expect(subnetFree('172.20.0.0/20', [])).toBe('172.20.0.0/22')
    expect(subnetFree('192.168.7.0/24', ['192.168.7.0/26'])).toBe('192.168.7.64/26')
    const all = [0, 64, 128, 192].map(byte => `192.168.7.${byte}/26`)
    expect(() => subnetFree('192.168.7.0/24', all)).toThrow(expect.objectContaining({ code: 'conflict' }))
  })

  it('ends with a clear refusal when the cluster’s network is full', () => {
    const all = Array.from({ length: 256 }, (_, n) => `10.${128 + Math.floor(n / 64)}.${(n % 64) * 4}.0/22`)
    expect(() => subnetFree(supernet, all)).toThrow(expect.objectContaining({ code: 'conflict' }))
  })
})

describe('a cluster’s network', () => {
  it('touches neither another cluster’s nor any network a host is in', () => {
    expect(supernetFree([])).toBe('10.128.0.0/14')
    expect(supernetFree(['10.128.0.0/14', '10.133.7.0/24', '192.168.1.5/24'])).toBe('10.136.0.0/14')
    expect(networksTouch('10.128.6.1/24', '10.128.0.0/14')).toBe(true)
    expect(networksTouch('10.132.0.0/14', '10.128.0.0/14')).toBe(false)
  })

  it('ends with a clear refusal when all are taken', () => {
    expect(() => supernetFree(['10.128.0.0/9'])).toThrow(expect.objectContaining({ code: 'conflict' }))
  })
})
