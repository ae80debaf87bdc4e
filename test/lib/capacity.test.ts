import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type CapacityFacts,
  capacityOf,
  machineExtraBytes,
  profiles,
  referenceProfile,
  storageKeptBytes,
  usualRules,
} from '../../lib/capacity.ts'

const GiB = 2 ** 30
const facts = (over: Partial<CapacityFacts>): CapacityFacts => ({
  cpus: 32,
  memoryBytes: 1024 * GiB,
  accelerator: 'kvm',
  cpuMhz: 2_000,
  sockets: 2,
  coresPerSocket: 8,
  threadsPerCore: 2,
  maxVcpus: 255,
  ...over,
})
const anyFacts = fc.record<CapacityFacts>({
  cpus: fc.integer({ min: 1, max: 512 }),
  memoryBytes: fc.integer({ min: 0, max: 4096 }).map(gibibytes => gibibytes * GiB),
  accelerator: fc.constantFrom('kvm', 'tcg'),
  cpuMhz: fc.nat(6000),
  sockets: fc.nat(8),
  coresPerSocket: fc.nat(64),
  threadsPerCore: fc.nat(4),
  maxVcpus: fc.integer({ min: 1, max: 255 }),
})

describe('a host’s capacity', () => {
  it.each([
    ['frequency × sockets × cores × threads × over-commit', facts({}), 320, 'vcpus'],
    ['a slower clock', facts({ cpuMhz: 1_000 }), 160, 'vcpus'],
    ['a fast clock, at most 16 for each thread', facts({ cpuMhz: 5_000 }), 512, 'vcpus'],
    ['a clock nobody knows', facts({ cpuMhz: 0 }), 512, 'vcpus'],
    ['fewer threads than libvirt believes in', facts({ cpus: 4 }), 40, 'vcpus'],
    ['memory, when it is the smallest', facts({ memoryBytes: 64 * GiB }), 51, 'memory'],
    [
      'a small emulated machine',
      facts({ cpus: 2, sockets: 1, coresPerSocket: 2, threadsPerCore: 1, accelerator: 'tcg' }),
      16,
      'vcpus',
    ],
    ['a machine with less than it keeps for itself', facts({ memoryBytes: GiB / 4 }), 0, 'memory'],
  ] as const)('counts %s', (_, host, desktops, limit) => {
    expect(capacityOf(host)).toMatchObject({ desktops, limit })
  })

  it('takes an administrator’s vCPUs per core as they are said, whatever the clock', () => {
    const rules = { vcpusPerCore: 1.5, memoryReserve: 0 }
    expect(capacityOf(facts({ cpuMhz: 4_400 }), rules)).toMatchObject({ vcpus: 48, memoryBytes: 1023.5 * GiB })
  })

  it('counts in other profiles, and in none that a machine could not have', () => {
    expect(capacityOf(facts({}), usualRules, profiles.power).desktops).toBe(80)
    expect(capacityOf(facts({ maxVcpus: 2 }), usualRules, profiles.power).desktops).toBe(0)
  })

  it('never promises more memory than there is, nor fewer desktops for more of anything', () => {
    fc.assert(
      fc.property(anyFacts, anyFacts, (one, more) => {
        const { desktops, memoryBytes, vcpus } = capacityOf(one)
        expect(desktops * (referenceProfile.memoryBytes + machineExtraBytes)).toBeLessThanOrEqual(memoryBytes)
        expect(memoryBytes).toBeLessThanOrEqual(one.memoryBytes)
        expect(desktops).toBeLessThanOrEqual(vcpus)
        const larger = { ...one, memoryBytes: one.memoryBytes + more.memoryBytes }
        expect(capacityOf(larger).desktops).toBeGreaterThanOrEqual(desktops)
      }),
    )
  })

  it('keeps a fiftieth of a storage, and never less than 1 GiB', () => {
    expect([10 * GiB, 50 * GiB, 500 * GiB].map(storageKeptBytes)).toEqual([GiB, GiB, 10 * GiB])
  })
})
