import { describe, expect, it } from 'vitest'
import { wrongInBalance } from '../../web/admin/balance-values.ts'
import {
  type ClusterValues,
  clusterCreateBody,
  clusterFieldOf,
  clusterUpdateBody,
  clusterValuesOf,
  emptyCluster,
  wrongInCluster,
} from '../../web/admin/cluster-values.ts'
import { placedByHost } from '../../web/admin/placed-by-host.ts'
import {
  emptyPool,
  fieldOf,
  networkTold,
  type PoolValues,
  placedSpecially,
  updateBody,
  valuesOf,
  wrongIn,
} from '../../web/admin/pool-values.ts'
import type { Balance } from '../../web/data/nouns.ts'

describe('the form of a cluster', () => {
  const values: ClusterValues = { ...emptyCluster('s'), name: 'labs' }

  it('has defaults that only lack a name', () => {
    expect(Object.keys(wrongInCluster(emptyCluster('s')))).toEqual(['name'])
    expect(wrongInCluster(values)).toEqual({})
  })

  it.each([
    ['name', 'Labs!'],
    ['siteId', ''],
    ['supernet', '10.0.0.0'],
    ['portFrom', 80],
    ['portTo', 15_000],
    ['vcpusPerCore', 0],
    ['memoryReservePercent', 95],
    ['personReservePercent', ''],
    ['suspectSeconds', 1],
    ['lostSeconds', 8],
    ['fenceCommand', 'ipmitool power off'],
    ['powerCommand', '/etc/hdcs/commands/../../../bin/sh'],
  ])('refuses %s = %j before it is sent', (field, value) => {
    expect(Object.keys(wrongInCluster({ ...values, [field]: value }))).toEqual([field])
  })

  it('asks for a network only when one is named, and leaves over-commit to the formula when none is', () => {
    const body = clusterCreateBody(values)
    expect(body).not.toHaveProperty('supernet')
    expect(body).toMatchObject({ vcpusPerCore: null, memoryReserve: 0.1, suspectMs: 8_000, fenceCommand: null })
  })

  it('changes nothing that nobody changed', () => {
    const cluster = {
      name: 'labs',
      siteId: 's',
      supernet: '10.132.0.0/14',
      portFrom: 17_000,
      portTo: 18_000,
      placement: 'pack',
      vcpusPerCore: 2.5,
      memoryReserve: 0.2,
      personReserve: 0,
      suspectMs: 5_500,
      lostMs: 20_000,
      binDays: 3,
      imageBytesPerSecond: 1_500_000,
      fenceCommand: '/etc/hdcs/commands/off --host {name}',
      powerCommand: null,
    } as const
    expect(clusterUpdateBody(clusterValuesOf(cluster as never))).toEqual(cluster)
  })

  it('puts what the server says of milliseconds beside the seconds', () => {
    expect(clusterFieldOf('lostMs')).toBe('lostSeconds')
    expect(clusterFieldOf('supernet')).toBe('supernet')
  })
})

describe('placement and network of a pool', () => {
  const values: PoolValues = { ...emptyPool([]), name: 'exam', templateId: 't' }
  const rule = { cidr: '10.0.0.0/8', protocol: 'tcp', ports: '443, 8000-8100' } as const

  it('are the usual ones until somebody says otherwise', () => {
    expect(placedSpecially(values)).toBe(false)
    expect(updateBody(values)).toMatchObject({ clusterIds: [], placement: null, network: { mode: 'nat' } })
    for (const special of [{ needs: ['gpu'] }, { mode: 'isolated' }, { ha: 'wait' }, { placement: 'pack' }] as const)
      expect(placedSpecially({ ...values, ...special } as PoolValues)).toBe(true)
  })

  it('send only what goes with the mode', () => {
    const bridged = { ...values, mode: 'bridge', interface: ' br-exam ', vlan: '12', neighbours: true } as const
    expect(updateBody(bridged)?.network).toEqual({ mode: 'bridge', interface: 'br-exam', vlan: 12 })
    expect(updateBody({ ...bridged, mode: 'nat' })?.network).toEqual({ mode: 'nat', neighbours: true })
    expect(updateBody({ ...bridged, mode: 'isolated' })?.network).toEqual({ mode: 'isolated' })
  })

  it('say what holds: an isolated pool sees nobody and reaches nothing, whatever is kept of it', () => {
    expect(networkTold({ mode: 'isolated', neighbours: true })).toEqual({
      neighbours: 'common.off',
      unlisted: 'pools.allowNothing',
    })
    expect(networkTold({ mode: 'nat', neighbours: true })).toEqual({
      neighbours: 'common.on',
      unlisted: 'pools.allowAll',
    })
    expect(networkTold({ mode: 'bridge', interface: 'br0' }).neighbours).toBeUndefined()
  })

  it('send ports only where a protocol has some', () => {
    expect(updateBody({ ...values, allow: [rule] })?.network?.allow).toEqual([
      { cidr: '10.0.0.0/8', protocol: 'tcp', ports: '443,8000-8100' },
    ])
    expect(updateBody({ ...values, allow: [{ ...rule, protocol: 'icmp' }] })?.network?.allow).toEqual([
      { cidr: '10.0.0.0/8', protocol: 'icmp' },
    ])
    expect(updateBody({ ...values, allow: [{ ...rule, protocol: 'any' }] })?.network?.allow).toEqual([
      { cidr: '10.0.0.0/8' },
    ])
  })

  it('are refused at the line that is wrong', () => {
    const allow = [rule, { ...rule, cidr: 'library' }, { ...rule, ports: 'https' }]
    expect(Object.keys(wrongIn({ ...values, allow }))).toEqual(['allow.1.cidr', 'allow.2.ports'])
    expect(Object.keys(wrongIn({ ...values, mode: 'bridge' }))).toEqual(['interface'])
    expect(Object.keys(wrongIn({ ...values, mode: 'bridge', interface: 'br0', vlan: 4095 }))).toEqual(['vlan'])
    expect(fieldOf('network.allow.1.cidr')).toBe('allow.1.cidr')
  })

  it('come back as they were sent', () => {
    const wished: PoolValues = { ...values, mode: 'isolated', allow: [{ ...rule, ports: '443' }], needs: ['gpu'] }
    const { network } = updateBody(wished) ?? {}
    const pool = { ...wished, hardware: {}, placement: null, templateVersion: null, network }
    expect(valuesOf(pool as never)).toMatchObject({ mode: 'isolated', allow: wished.allow, needs: ['gpu'] })
  })
})

describe('a dry run', () => {
  it('is summed up by host, most first, equals by name', () => {
    const on = (...names: (string | null)[]) => placedByHost(names.map(hostName => ({ hostName })))
    expect(on('b', 'a', 'c', 'c', null)).toEqual([
      { hostName: 'c', count: 2 },
      { hostName: 'a', count: 1 },
      { hostName: 'b', count: 1 },
    ])
    expect(on()).toEqual([])
  })
})

describe('balancing', () => {
  const usual: Balance = {
    rebalance: { enabled: false, thresholdPercent: 85, forMinutes: 10, cooldownMinutes: 15, maxMoves: 3 },
    consolidate: { enabled: false, thresholdPercent: 15, minHosts: 1, forMinutes: 30, cooldownMinutes: 60 },
  }

  it('is as the server has it, and refuses what is no whole number within its limits before it is sent', () => {
    expect([...wrongInBalance(usual)]).toEqual([])
    const rebalance = { ...usual.rebalance, maxMoves: 0, thresholdPercent: 101 }
    const consolidate = { ...usual.consolidate, forMinutes: '' as unknown as number, minHosts: 1.5 }
    expect([...wrongInBalance({ rebalance, consolidate })].toSorted()).toEqual([
      'consolidate.forMinutes',
      'consolidate.minHosts',
      'rebalance.maxMoves',
      'rebalance.thresholdPercent',
    ])
  })
})
