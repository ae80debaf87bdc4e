import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { capacityOf } from '../../vmm/capacity.ts'

const GiB = 2 ** 30

describe('a host’s capacity', () => {
  it.each([
    [{ cpus: 2, memoryBytes: 24 * GiB, accelerator: 'tcg' as const }, 8],
    [{ cpus: 32, memoryBytes: 64 * GiB, accelerator: 'kvm' as const }, 53],
    [{ cpus: 2, memoryBytes: GiB / 2, accelerator: 'kvm' as const }, 0],
  ])('%j carries %i desktops of 1 vCPU and 1 GiB', (host, desktops) => {
    expect(capacityOf(host)).toBe(desktops)
  })

  it('never promises more memory than there is', () => {
    fc.assert(
      fc.property(fc.nat(512), fc.nat(4096), (cpus, gibibytes) => {
        const memoryBytes = gibibytes * GiB
        expect(capacityOf({ cpus, memoryBytes, accelerator: 'kvm' }) * GiB).toBeLessThanOrEqual(memoryBytes)
      }),
    )
  })
})
