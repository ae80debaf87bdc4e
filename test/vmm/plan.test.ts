import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FoundMachine } from '../../vmm/host.ts'
import { freshMemory, type MachineMemory, memoryStarted, memoryStopped } from '../../vmm/memory.ts'
import { freshImageMemory, type MachineFacts, type MachineStep, planImage, planMachine } from '../../vmm/plan.ts'
import { noVolumes } from '../../vmm/plan-volumes.ts'
import { noSnapshots } from '../../vmm/snapshots.ts'
import type { MachineSpec } from '../../vmm/spec.ts'
import { imageSpec, machineSpec, nicSpec, foundMachine as runs } from './wishes.ts'

const facts = (some: Partial<MachineFacts> = {}): MachineFacts => ({
  spec: machineSpec(1),
  found: null,
  overlays: [],
  memory: { ...freshMemory, admittedSerial: 0 },
  image: 'ready',
  volumes: noVolumes,
  networkReady: true,
  networkTrouble: null,
  wishHeard: true,
  condemned: false,
  imageSha256: null,
  move: null,
  saved: null,
  saving: null,
  storageId: 'here',
  ...some,
})
const graphics = { serial: 3, password: 'x', validUntil: '2026-01-01T00:00:00Z' }
const trouble = { code: 'template_unavailable' as const, text: 'gone' }

/** `a` was made and may be missing by now; `b` was not. */
const wished = [
  { id: 'a', made: true },
  { id: 'b', made: false },
]
const snapshotted = machineSpec(1, { snapshots: { wished, revert: null } })
const reverting = machineSpec(1, {
  snapshots: { wished: [{ id: 'a', made: true }], revert: { id: 'r', snapshotId: 'a' } },
})
const snapshotThere = (id: string) => ({ id, takenAt: '2026-01-01T00:00:00Z', diskBytes: 1, frozen: null })

describe('an answer file', () => {
  it('takes an answer file away when its guest was ready, or stands still', () => {
    const here = { overlays: [1], answers: 1 }
    const wished = { answers: { text: '<unattend/>' } }
    const step = (some: Partial<MachineFacts>) => planMachine(facts({ ...here, ...some }), 0).step
    expect(step({ found: runs(), spec: machineSpec(1, wished) })).toBeNull()
    expect(step({ found: runs(), spec: machineSpec(1) })).toEqual({ do: 'take answers' })
    expect(step({ spec: machineSpec(1, { ...wished, power: 'stopped' }) })).toEqual({ do: 'take answers' })
    expect(step({ spec: machineSpec(1) })).toEqual({ do: 'take answers' })
    expect(step({ spec: machineSpec(1, wished) })).toEqual({ do: 'start' })
  })
})

describe('the next step of a machine', () => {
  it.each<[string, Partial<MachineFacts>, MachineStep | null]>([
    ['nothing is there: its disk', {}, { do: 'make disk', incarnation: 1 }],
    [
      'its disk is that of a machine of the host: taken over',
      { spec: machineSpec(1, { adopt: { foreignId: 'f' } }) },
      { do: 'adopt disk', incarnation: 1 },
    ],
    [
      'its disk was taken over: never again, whatever became of it',
      { spec: machineSpec(1, { adopt: { foreignId: 'f' }, diskMade: true }) },
      { do: 'look for disk' },
    ],
    ['its image is still coming: waits', { image: 'coming' }, null],
    ['its image does not come: waits', { image: trouble }, null],
    [
      'its disk was there and is missing: looked for once more',
      { spec: machineSpec(1, { diskMade: true }) },
      { do: 'look for disk' },
    ],
    [
      'its disk was there and is not found: never an empty one instead',
      { spec: machineSpec(1, { diskMade: true }), memory: { ...freshMemory, lookedGeneration: 1 } },
      null,
    ],
    ['its disk is there: a start', { overlays: [1] }, { do: 'start' }],
    ['nobody looked which snapshots it has: looks', { overlays: [1], spec: snapshotted }, { do: 'look at snapshots' }],
    [
      'its disk shall be as it was: reverted before it starts',
      { overlays: [1], spec: reverting, snapshots: { ...noSnapshots, found: [snapshotThere('a')] } },
      { do: 'revert', snapshotId: 'a', revertId: 'r' },
    ],
    [
      'it was reverted by this wish: a start',
      { overlays: [1], spec: reverting, snapshots: { ...noSnapshots, found: [snapshotThere('a')], reverted: 'r' } },
      { do: 'start' },
    ],
    [
      'it runs and shall be reverted: waits until it stands',
      { found: runs(), overlays: [1], spec: reverting, snapshots: { ...noSnapshots, found: [snapshotThere('a')] } },
      null,
    ],
    [
      'a snapshot is missing that was never made: taken',
      { found: runs(), overlays: [1], spec: snapshotted, snapshots: { ...noSnapshots, found: [] } },
      { do: 'take snapshot', snapshotId: 'b' },
    ],
    [
      'a snapshot could not be taken under this wish: waits for another',
      {
        found: runs(),
        overlays: [1],
        spec: snapshotted,
        snapshots: { ...noSnapshots, found: [], failed: { b: trouble } },
      },
      null,
    ],
    [
      'a snapshot of ours is not wished any more: removed',
      {
        found: runs(),
        overlays: [1],
        spec: machineSpec(1, { snapshots: { wished: [], revert: null } }),
        snapshots: { ...noSnapshots, found: [snapshotThere('c')] },
      },
      { do: 'remove snapshot', snapshotId: 'c' },
    ],
    [
      'its memory shall be kept: saved',
      { found: runs(), overlays: [1], spec: machineSpec(1, { power: 'stopped', keepMemory: true }) },
      { do: 'save' },
    ],
    [
      'its memory could not be saved under this wish: it runs on',
      {
        found: runs(),
        overlays: [1],
        spec: machineSpec(1, { power: 'stopped', keepMemory: true }),
        saving: { generation: 1, progress: 0, trouble },
      },
      null,
    ],
    [
      'its memory is saved: it stands, and its disk is not touched',
      {
        overlays: [1],
        saved: { incarnation: 1, bytes: 1, savedAt: '2026-01-01T00:00:00Z' },
        spec: machineSpec(1, { power: 'stopped', keepMemory: true }),
      },
      null,
    ],
    [
      'its memory is not wished any more: forgotten',
      {
        overlays: [1],
        saved: { incarnation: 1, bytes: 1, savedAt: '2026-01-01T00:00:00Z' },
        spec: machineSpec(1, { power: 'stopped' }),
      },
      { do: 'forget memory' },
    ],
    [
      'it went on from its memory: forgotten',
      { found: runs(), overlays: [1], saved: { incarnation: 1, bytes: 1, savedAt: '2026-01-01T00:00:00Z' } },
      { do: 'forget memory' },
    ],
    [
      'the network is not there: waits',
      { overlays: [1], networkReady: false, spec: machineSpec(1, { nic: nicSpec('10.0.0.2') }) },
      null,
    ],
    ['runs as wished: nothing', { overlays: [1], found: runs() }, null],
    ['runs on an earlier disk: destroyed first', { overlays: [0], found: runs({ incarnation: 0 }) }, { do: 'destroy' }],
    ['an earlier disk is left: removed first', { overlays: [0, 1] }, { do: 'remove disk', incarnation: 0 }],
    ['a later disk is there, so the wish is old: it is left alone', { overlays: [1, 2], found: runs() }, null],
    [
      'wished stopped, no grace: destroyed',
      { overlays: [1], found: runs(), spec: machineSpec(1, { power: 'stopped' }) },
      { do: 'destroy' },
    ],
    [
      'wished stopped with grace: asked',
      { overlays: [1], found: runs(), spec: machineSpec(1, { power: 'stopped', stopGraceMs: 9 }) },
      { do: 'shut down' },
    ],
    [
      'wished stopped, never ran: only its disk',
      { spec: machineSpec(1, { power: 'stopped' }) },
      { do: 'make disk', incarnation: 1 },
    ],
    [
      'wished paused: paused',
      { overlays: [1], found: runs(), spec: machineSpec(1, { power: 'paused' }) },
      { do: 'pause' },
    ],
    ['found paused, wished running: resumed', { overlays: [1], found: runs({ power: 'paused' }) }, { do: 'resume' }],
    [
      'a new screen password: put in force',
      { overlays: [1], found: runs(), spec: machineSpec(1, { graphics }) },
      { do: 'admit', serial: 3 },
    ],
    [
      'adopted and nobody shall get in: locked',
      { overlays: [1], found: runs(), memory: freshMemory },
      { do: 'admit', serial: 0 },
    ],
    ['not wished: destroyed', { spec: null, overlays: [1], found: runs() }, { do: 'destroy' }],
    ['not wished here and stopped: its disk may be another host’s', { spec: null, overlays: [1] }, null],
    [
      'condemned and stopped: its disk goes',
      { spec: null, overlays: [1], condemned: true },
      { do: 'remove disk', incarnation: 1 },
    ],
    [
      'not wished, but no wish was heard yet: left alone',
      { spec: null, overlays: [1], found: runs(), wishHeard: false },
      null,
    ],
  ])('%s', (_title, some, step) => {
    expect(planMachine(facts(some), 0).step).toEqual(step)
  })

  it('lets a guest that shut itself down rest until its wish changes', () => {
    const memory = memoryStopped(freshMemory, 'guest', 1, 0)
    expect(planMachine(facts({ overlays: [1], memory }), 0).step).toBeNull()
    const spec = machineSpec(1, { generation: 2 })
    expect(planMachine(facts({ overlays: [1], memory, spec }), 0).step).toEqual({ do: 'start' })
  })

  it('waits longer after every crash, and starts afresh after a steady hour', () => {
    let memory: MachineMemory = freshMemory
    const waits = [1, 2, 3, 12].map(times => {
      while (memory.failures < times) memory = memoryStopped(memoryStarted(memory, 0), 'crashed', 1, 0)
      return planMachine(facts({ overlays: [1], memory }), 0).wakeAtMs
    })
    expect(waits).toEqual([1_000, 2_000, 4_000, 300_000])
    const hour = 3_600_000
    memory = memoryStopped({ ...memoryStarted(memory, 0), answered: true, answeredAtMs: 0 }, 'crashed', 1, hour)
    expect(planMachine(facts({ overlays: [1], memory }), hour).wakeAtMs).toBe(hour + 1_000)
  })

  it('cuts the power of a guest that does not shut down in its grace', () => {
    const spec = machineSpec(1, { power: 'stopped', stopGraceMs: 30_000 })
    const memory = { ...freshMemory, shutdownAskedAtMs: 0, shutdownLastAskedAtMs: 0 }
    const at = (nowMs: number) => planMachine(facts({ overlays: [1], found: runs(), spec, memory }), nowMs)
    expect(at(1)).toMatchObject({ step: null, wakeAtMs: 5_000 })
    expect(at(5_000).step).toEqual({ do: 'shut down' })
    expect(at(30_000).step).toEqual({ do: 'destroy' })
  })
})

/** A host in a few lines: what each step does to one machine, refusing what real hosts must never be asked. */
function apply(
  world: { spec: MachineSpec | null; found: FoundMachine | null; overlays: number[]; memory: MachineMemory },
  step: MachineStep,
): string[] {
  const wrong: string[] = []
  const incarnation = world.spec?.incarnation
  if (step.do === 'make disk') {
    if (world.found) wrong.push('made a disk under a running machine')
    if (world.overlays.includes(step.incarnation)) wrong.push('made a disk that is there')
    if (world.overlays.some(other => other < step.incarnation))
      wrong.push('made a disk before the earlier one was removed')
    world.overlays.push(step.incarnation)
  } else if (step.do === 'remove disk') {
    if (incarnation !== undefined && step.incarnation >= incarnation) wrong.push('removed a wished or a later disk')
    if (world.found?.incarnation === step.incarnation) wrong.push('removed the disk of a running machine')
    world.overlays = world.overlays.filter(other => other !== step.incarnation)
  } else if (step.do === 'start') {
    if (world.found) wrong.push('started what runs')
    if (incarnation === undefined || !world.overlays.includes(incarnation)) wrong.push('started without its disk')
    world.found = runs({ incarnation: incarnation ?? -1 })
    world.memory = memoryStarted(world.memory, 0)
  } else if (step.do === 'destroy') {
    const mine = world.found?.incarnation === incarnation && world.spec?.power !== 'stopped'
    if (mine) wrong.push('destroyed what is wished to run')
    world.found = null
    world.memory = memoryStopped(world.memory, 'wished', 0, 0)
  } else if (step.do === 'grow disk') {
    if (incarnation === undefined || !world.overlays.includes(incarnation)) wrong.push('grew a disk that is not there')
    world.memory = { ...world.memory, diskBytes: step.sizeBytes }
  } else if (step.do === 'admit') world.memory = { ...world.memory, admittedSerial: step.serial }
  else if (step.do === 'shut down') {
    world.found = null
    world.memory = memoryStopped(world.memory, 'wished', 0, 0)
  } else if (world.found) world.found = { ...world.found, power: step.do === 'pause' ? 'paused' : 'running' }
  return wrong
}

describe('whatever is found', () => {
  const power = fc.constantFrom<MachineSpec['power']>('running', 'paused', 'stopped')
  const spec = fc.option(
    fc.record({
      incarnation: fc.integer({ min: 1, max: 3 }),
      power,
      stopGraceMs: fc.constantFrom(0, 5),
      graphics: fc.constantFrom(null, graphics),
      hardware: fc.constantFrom(null, 2 ** 30).map(diskBytes => ({ ...machineSpec(1).hardware, diskBytes })),
    }),
  )
  const found = fc.option(
    fc.record({
      incarnation: fc.integer({ min: 1, max: 3 }),
      power: fc.constantFrom<FoundMachine['power']>('running', 'paused'),
    }),
  )
  const overlays = fc.uniqueArray(fc.integer({ min: 1, max: 3 }), { maxLength: 3 })
  const admitted = fc.constantFrom(null, 0, 3)

  it('the steps lead to the wish, lose nothing wished, and never start without the right disk', () => {
    fc.assert(
      fc.property(spec, found, overlays, admitted, (spec, found, overlays, admittedSerial) => {
        const world = {
          spec: spec && machineSpec(1, spec),
          found: found && runs(found),
          // A machine that runs has its disk.
          overlays: found ? [...new Set([...overlays, found.incarnation])] : overlays,
          memory: { ...freshMemory, admittedSerial },
          condemned: spec === null,
        }
        const steps: string[] = []
        for (let count = 0; ; count++) {
          expect(count, steps.join(', ')).toBeLessThan(12)
          const { step } = planMachine(facts(world), 0)
          if (!step) break
          steps.push(step.do)
          expect(apply(world, step), steps.join(', ')).toEqual([])
        }
        const mine = world.overlays.filter(incarnation => !spec || incarnation <= spec.incarnation)
        expect(mine).toEqual(spec ? [spec.incarnation] : [])
        expect(world.found?.power ?? 'stopped').toBe(spec?.power ?? 'stopped')
        if (spec?.hardware.diskBytes) expect(world.memory.diskBytes).toBe(spec.hardware.diskBytes)
        if (world.found) expect(world.memory.admittedSerial).toBe(spec?.graphics?.serial ?? 0)
      }),
      { numRuns: 2_000 },
    )
  })

  it('nothing unwished is touched before a whole wish was heard', () => {
    fc.assert(
      fc.property(found, overlays, (found, overlays) => {
        const state = facts({ spec: null, found: found && runs(found), overlays, wishHeard: false })
        expect(planMachine(state, 0).step).toBeNull()
      }),
    )
  })
})

describe('the next step of an image', () => {
  const state = { spec: imageSpec(), found: false, used: true, memory: freshImageMemory, wishHeard: true }
  const failed = (code: 'template_unavailable' | 'unreachable') => ({
    ...freshImageMemory,
    state: 'failed' as const,
    attempt: 1,
    trouble: { code, text: '' },
    retryAtMs: 1_000,
  })
  it.each([
    ['wished and missing: made', state, 'make'],
    ['wished and there: nothing', { ...state, found: true }, null],
    ['failed for good: waits for a person', { ...state, memory: failed('template_unavailable') }, null],
    [
      '"try again": made',
      { ...state, spec: imageSpec({ attempt: 2 }), memory: failed('template_unavailable') },
      'make',
    ],
    ['failed in passing: waits a little', { ...state, memory: failed('unreachable') }, null],
    [
      'not wished while it is made: aborted',
      { ...state, spec: null, memory: { ...freshImageMemory, state: 'making' as const } },
      'abort',
    ],
    ['not wished, but machines name it: kept', { ...state, spec: null, found: true }, null],
    ['not wished: removed', { ...state, spec: null, found: true, used: false }, 'remove'],
    ['no wish was heard: left alone', { ...state, spec: null, found: true, used: false, wishHeard: false }, null],
  ])('%s', (_title, facts, step) => {
    expect(planImage(facts, 0).step).toBe(step)
  })
})
