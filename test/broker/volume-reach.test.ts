import { describe, expect, it } from 'vitest'
import type { ReturnPlan } from '../../broker/returning.ts'
import { returnWithVolumes, volumesRefusal } from '../../broker/volume-reach.ts'

const volumes = [{ name: 'data', poolId: 'p1', poolName: 'nfs' }]

describe('a desktop with volumes', () => {
  it('goes where every pool of its volumes is the same storage, and nowhere else', () => {
    expect(volumesRefusal(null, null, null)).toBeUndefined()
    expect(volumesRefusal(volumes, { p1: 's1' }, { p1: 's1' })).toBeUndefined()
    expect(volumesRefusal(volumes, { p1: 's1' }, { p1: 's2' })).toContain('of its host alone')
    expect(volumesRefusal(volumes, { p1: 's1' }, {})).toContain('has not the storage pool nfs ready')
    expect(volumesRefusal(volumes, {}, { p1: 's1' })).toBeDefined()
  })

  it('returns with a new disk only once its old copy cannot write to its volumes', () => {
    const back = { do: 'return', disk: 'new', hosts: null, because: 'lost' } satisfies ReturnPlan
    const host = { name: 'h1', fenced: false }
    expect(returnWithVolumes(back, volumes, host)).toMatchObject({ do: 'wait', fence: true })
    expect(returnWithVolumes(back, volumes, { ...host, fenced: true })).toBe(back)
    expect(returnWithVolumes(back, null, host)).toBe(back)
    const own = { ...back, disk: 'own' } satisfies ReturnPlan
    expect(returnWithVolumes(own, volumes, host)).toBe(own)
  })
})
