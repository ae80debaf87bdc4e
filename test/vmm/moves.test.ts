import { describe, expect, it } from 'vitest'
import { machineReport } from '../../vmm/agent-report.ts'
import {
  emptyWorld,
  type KnownMachine,
  machineOf,
  worldEvent,
  worldListing,
  worldVersions,
} from '../../vmm/agent-world.ts'
import type { MachineFacts } from '../../vmm/decision.ts'
import type { FoundMachine } from '../../vmm/host.ts'
import { freshMemory, memoryAnswered, memoryArrived, memoryStopped } from '../../vmm/memory.ts'
import { failedMove, freshMove, moveHolds, moveReport } from '../../vmm/moves.ts'
import { type MachineStep, planMachine } from '../../vmm/plan.ts'
import { noVolumes } from '../../vmm/plan-volumes.ts'
import type { MoveReport } from '../../vmm/report.ts'
import type { MoveSpec } from '../../vmm/spec.ts'
import { foundMachine as found, machineSpec } from './wishes.ts'

const id = 'a move'
type Kind = MoveSpec['kind']
const arrive = (kind: Kind, some: { from?: string; sha?: string | null } = {}): MoveSpec => ({
  id,
  role: 'arrive',
  kind,
  sourceStorageId: some.from ?? 'here',
  imageSha256: some.sha ?? null,
})
const leave = (kind: Kind, some: { send?: boolean; cancel?: boolean; to?: string } = {}): MoveSpec => ({
  id,
  role: 'leave',
  kind,
  send: some.send ?? true,
  cancel: some.cancel ?? false,
  targetUri: 'qemu+tls://there/system',
  targetAddress: '192.0.2.1',
  targetPort: null,
  targetStorageId: some.to ?? 'here',
})
const facts = (move: MoveSpec, some: Partial<MachineFacts> = {}): MachineFacts => ({
  spec: machineSpec(1, { diskMade: true, move }),
  found: null,
  overlays: [1],
  memory: { ...freshMemory, admittedSerial: 0 },
  image: 'ready',
  imageSha256: 'ours',
  volumes: noVolumes,
  networkReady: true,
  networkTrouble: null,
  wishHeard: true,
  condemned: false,
  move: null,
  saved: null,
  saving: null,
  storageId: 'here',
  ...some,
})
const trouble = { code: 'internal' as const, text: 'broken' }
const ready = freshMove(id, 'ready')
const broken = failedMove(id, trouble)

type Row = [title: string, facts: MachineFacts, step: MachineStep['do'] | null, said: MoveReport['state']]

describe('a host that a machine moves to', () => {
  it.each<Row>([
    ['gets its disk ready', facts(arrive('live')), 'await guest', 'preparing'],
    ['waits for its image', facts(arrive('live'), { image: 'coming' }), null, 'preparing'],
    ['is ready, and starts nothing', facts(arrive('live'), { move: ready }), null, 'ready'],
    [
      'sees it come, and touches nothing',
      facts(arrive('live'), { move: ready, found: found({ arriving: true }) }),
      null,
      'moving',
    ],
    ['has it', facts(arrive('live'), { move: ready, found: found() }), null, 'arrived'],
    ['has it paused', facts(arrive('live'), { move: ready, found: found({ power: 'paused' }) }), null, 'arrived'],
    [
      'after a restart of its agent, too',
      facts(arrive('storage', { from: 'there' }), { found: found() }),
      null,
      'arrived',
    ],
    [
      'ends what runs there on an earlier disk',
      facts(arrive('live'), { found: found({ incarnation: 0 }) }),
      'destroy',
      'preparing',
    ],
    [
      'keeps earlier disks until it is at home',
      facts(arrive('live'), { overlays: [0, 1], move: ready }),
      null,
      'ready',
    ],
    [
      'refuses a disk made on another image',
      facts(arrive('storage', { from: 'there', sha: 'theirs' })),
      null,
      'preparing',
    ],
    [
      'takes one of the same image',
      facts(arrive('storage', { from: 'there', sha: 'ours' })),
      'await guest',
      'preparing',
    ],
    [
      'fetches a stopped disk',
      facts(arrive('offline', { from: 'there' }), { overlays: [] }),
      'fetch disk',
      'preparing',
    ],
    ['has the stopped disk of a shared storage', facts(arrive('offline'), { move: ready }), null, 'arrived'],
    ['says that it cannot, and rests', facts(arrive('live'), { move: broken }), null, 'failed'],
  ])('%s', (_title, given, step, said) => {
    const decision = planMachine(given, 0)
    expect([decision.step?.do ?? null, moveReport(given, decision)?.state]).toEqual([step, said])
  })

  it('takes a guest that came at its word: ready as it was, until it did not answer for two seconds', () => {
    const memory = memoryArrived(freshMemory, 10_000)
    const at = (nowMs: number, some: Partial<MachineFacts> = {}) => {
      const given = { ...facts(arrive('live'), { found: found(), memory, ...some }), id, busy: null, place: null }
      const decision = planMachine(given, nowMs)
      const { move, ready, step } = machineReport({ ...given, decision }, nowMs)
      return [move?.state, ready, step, decision.wakeAtMs]
    }
    expect(at(10_001)).toEqual(['arrived', true, null, 12_000])
    expect(at(12_000)).toEqual(['arrived', false, 'booting', null])
    const answered = memoryAnswered(memory, 10_500)
    expect(at(10_501, { memory: answered })).toEqual(['arrived', true, null, null])
    expect(at(12_000, { memory: answered })).toEqual(['arrived', true, null, null])
  })

  it('believes it at home as well, and looks again when its word runs out', () => {
    const memory = { ...memoryArrived(freshMemory, 10_000), admittedSerial: 0 }
    const given = facts(arrive('live'), { spec: machineSpec(1, { bootTimeoutMs: 5_000 }), found: found(), memory })
    expect(planMachine(given, 10_001).wakeAtMs).toBe(12_000)
    expect(planMachine(given, 12_000).wakeAtMs).toBe(15_000)
  })

  describe('hears that its guest runs', () => {
    const screen = { host: '192.0.2.1', port: 5900 }
    const coming = found({ arriving: true, power: 'paused', agentConnected: false, graphics: screen })
    const listing = (machine: FoundMachine) => ({ machines: [machine], overlays: [], images: [] })
    const worldWith = (some: Partial<KnownMachine>) => {
      const world = emptyWorld('here')
      const known = Object.assign(machineOf(world, coming.id), { spec: facts(arrive('live')).spec }, some)
      return { world, known }
    }
    const resumed = { type: 'resumed', machineId: coming.id } as const

    it('and waits for no listing; one that was begun before tells nothing', () => {
      const { world, known } = worldWith({ found: coming })
      const before = worldVersions(world)
      expect(worldEvent(world, resumed, 7)).toBe(known.id)
      worldEvent(world, { type: 'agent', machineId: known.id, connected: true }, 8)
      worldListing(world, listing(coming), before, 9)
      expect(known.found).toEqual({ ...coming, arriving: false, power: 'running', agentConnected: true })
      expect(known.memory).toMatchObject({ bootedAtMs: 7, trustedUntilMs: 2_007 })
    })

    it.each<[string, Partial<KnownMachine>]>([
      ['before any listing told that it comes', { found: null }],
      ['and its screen is not known yet', { found: { ...coming, graphics: null } }],
    ])('%s, so it is listed', (_title, some) => {
      const { world, known } = worldWith(some)
      expect(worldEvent(world, resumed, 7)).toBe('reread')
      worldListing(world, listing({ ...coming, arriving: false, power: 'running' }), worldVersions(world), 8)
      expect([known.found?.arriving, known.memory.trustedUntilMs]).toEqual([false, 2_008])
    })

    it('or that it ended while it still came, which is no crash of the machine', () => {
      for (const told of ['event', 'listing']) {
        const spec = machineSpec(1)
        const { world, known } = worldWith({ found: coming, spec })
        if (told === 'event') worldEvent(world, { type: 'stopped', machineId: coming.id, because: 'crashed' }, 9)
        else
          for (let look = 0; look < 2; look++)
            worldListing(world, { machines: [], overlays: [], images: [] }, worldVersions(world), 9)
        expect([told, known.found, known.memory.stopped, known.memory.trouble]).toEqual([told, null, 'wished', null])
      }
    })

    it('when it started it itself, and believes nothing', () => {
      const { world, known } = worldWith({ found: null, busy: 'start' })
      expect([worldEvent(world, resumed, 7), known.memory.trustedUntilMs]).toEqual([null, null])
    })
  })

  it('says why a disk made on another image is refused', () => {
    const given = facts(arrive('storage', { from: 'there', sha: 'theirs' }))
    expect(moveReport(given, planMachine(given, 0))?.trouble?.code).toBe('conflict')
  })
})

describe('a host that a machine moves from', () => {
  const crashed = memoryStopped({ ...freshMemory, admittedSerial: 0 }, 'crashed', 1, -10_000)
  it.each<Row>([
    [
      'goes on with it until the target is ready',
      facts(leave('live', { send: false }), { found: found() }),
      null,
      'preparing',
    ],
    ['starts one that stands still meanwhile', facts(leave('live', { send: false })), 'start', 'preparing'],
    ['sends it', facts(leave('live'), { found: found() }), 'send guest', 'moving'],
    ['never starts it once it was sent', facts(leave('live')), null, 'left'],
    ['nor after a restart of its agent', facts(leave('storage', { to: 'there' })), null, 'left'],
    [
      'says that it crashed on the way, and does not start it',
      facts(leave('live'), { memory: crashed }),
      null,
      'failed',
    ],
    ['keeps it after a failure, as at home', facts(leave('live'), { found: found(), move: broken }), null, 'failed'],
    ['keeps it when it is cancelled', facts(leave('live', { cancel: true }), { found: found() }), null, 'failed'],
    ['does not start what may have left when it was cancelled', facts(leave('live', { cancel: true })), null, 'left'],
    ['shuts it down for a move offline', facts(leave('offline'), { found: found() }), 'destroy', 'moving'],
    ['releases its disk on a shared storage', facts(leave('offline')), null, 'left'],
    ['sends its disk to another storage', facts(leave('offline', { to: 'there' })), 'send disk', 'moving'],
    [
      'starts it again when that was cancelled',
      facts(leave('offline', { to: 'there', cancel: true })),
      'start',
      'failed',
    ],
    [
      'waits when its disk was sent',
      facts(leave('offline', { to: 'there' }), { move: freshMove(id, 'left') }),
      null,
      'left',
    ],
    [
      'forgets what was said of an earlier move',
      facts(leave('live'), { found: found(), move: { ...broken, id: 'earlier' } }),
      'send guest',
      'moving',
    ],
  ])('%s', (_title, given, step, said) => {
    const decision = planMachine(given, 0)
    expect([decision.step?.do ?? null, moveReport(given, decision)?.state]).toEqual([step, said])
  })

  it.each<[string, MoveSpec | null, Partial<MachineFacts['spec'] & {}> | null, boolean]>([
    ['goes on', leave('live'), {}, true],
    ['ends when it is cancelled', leave('live', { cancel: true }), {}, false],
    ['ends when the machine is switched off', leave('live'), { power: 'stopped' }, false],
    ['ends when the control plane ended the move', null, {}, false],
    ['ends for another move', { ...leave('live'), id: 'another' }, {}, false],
    ['goes on when the machine is not wished here any more: it has just arrived', null, null, true],
  ])('sending %s', (_title, move, some, holds) => {
    expect(moveHolds(some && machineSpec(1, { ...some, move }), id, 'send guest')).toBe(holds)
  })
})
