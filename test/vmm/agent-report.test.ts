import { describe, expect, it } from 'vitest'
import { HdcsError } from '../../lib/errors.ts'
import { type MachineKnown, machineReport } from '../../vmm/agent-report.ts'
import { freshMemory, memoryFailed, memoryStarted } from '../../vmm/memory.ts'
import { machineSpec } from './wishes.ts'

const spec = machineSpec(1)
const inUse = new HdcsError('disk_in_use', 'Another host runs a copy.')
const waiting: MachineKnown = {
  id: spec.id,
  spec,
  found: null,
  overlays: [1],
  memory: memoryFailed(freshMemory, inUse, 0),
  busy: null,
  decision: null,
  place: null,
  condemned: false,
  move: null,
  saved: null,
  saving: null,
  storageId: 's',
}
const found = { id: spec.id, name: spec.name, incarnation: 1, power: 'running' as const, graphics: null }
const guest = { ...found, agentConnected: false, clients: 0, arriving: false }

describe('a machine whose disk another host has', () => {
  it.each([
    ['rests', {}],
    ['is in the queue', { place: 1 }],
    ['is tried', { busy: 'start' as const }],
  ])('waits, whether it %s just now', (_when, now) => {
    const { trouble, step, queuePlace } = machineReport({ ...waiting, ...now }, 1)
    expect({ trouble, step, queuePlace }).toEqual({
      trouble: { code: 'disk_in_use', text: inUse.message },
      step: null,
      queuePlace: null,
    })
  })

  it('has its disk again once it runs, and not while it stands still', () => {
    const memory = memoryStarted(waiting.memory, 0)
    expect(machineReport({ ...waiting, memory, found: guest }, 1)).toMatchObject({ trouble: null, step: 'booting' })
    expect(machineReport({ ...waiting, found: { ...guest, power: 'paused' } }, 1).trouble?.code).toBe('disk_in_use')
  })
})
