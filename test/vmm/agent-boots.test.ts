import { expect, it } from 'vitest'
import { makeBootQueue } from '../../vmm/agent-boots.ts'
import { emptyWorld, type KnownMachine, machineOf } from '../../vmm/agent-world.ts'
import { freshMemory } from '../../vmm/memory.ts'
import { machineSpec } from './wishes.ts'

const nowMs = 1_000
function queueOf(machines: Partial<KnownMachine>[], slots = 1) {
  const world = emptyWorld('here')
  const started: string[] = []
  const queue = makeBootQueue({
    world,
    slots,
    nowMs: () => nowMs,
    start: ({ id }) => started.push(id),
    moved: () => {},
  })
  const known = machines.map((some, n) => Object.assign(machineOf(world, `m${n}`), some))
  return { queue, started, known }
}
const person = machineSpec(1, { priority: 'person' })
const prewarm = machineSpec(2, { priority: 'prewarm' })

it('keeps the place of a person whose disk is being made; what is only prewarmed waits', () => {
  const { queue, started, known } = queueOf([{ spec: person, busy: 'make disk' }, { spec: prewarm }])
  const [ana, warm] = known as [KnownMachine, KnownMachine]
  queue.join(warm)
  queue.admit()
  expect(started).toEqual([])
  ana.busy = null
  queue.join(ana)
  queue.admit()
  expect(started).toEqual(['m0'])
})

it.each<[string, Partial<KnownMachine>]>([
  ['who is only prewarmed', { spec: prewarm, busy: 'make disk' }],
  ['who shall stand still', { spec: { ...person, power: 'stopped' }, busy: 'make disk' }],
  [
    'whose image is not there yet',
    { spec: person, decision: { step: null, because: '', wakeAtMs: null, trouble: null } },
  ],
  [
    'who is tried again later',
    { spec: person, overlays: [1], decision: { step: null, because: '', wakeAtMs: 9_000, trouble: null } },
  ],
])('keeps no place for a machine %s', (_title, some) => {
  const { queue, started, known } = queueOf([some, { spec: prewarm }])
  queue.join(known[1] as KnownMachine)
  queue.admit()
  expect(started).toEqual(['m1'])
})

it('keeps half of the places for persons whose disk is locked elsewhere, however many wait', () => {
  const trouble = { code: 'disk_in_use' as const, text: 'another host has it' }
  const locked = { spec: person, memory: { ...freshMemory, trouble, retryAtMs: 5_000 } }
  const { queue, started, known } = queueOf([locked, locked, locked, { spec: prewarm }, { spec: prewarm }], 2)
  for (const warm of known.slice(3)) queue.join(warm)
  queue.admit()
  expect(started).toEqual(['m3'])
})
