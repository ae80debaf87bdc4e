import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evacuationText, type LeavingDesktop, planEvacuation, planReturn } from '../../broker/evacuation.ts'
import type { HostFacts } from '../../broker/placement.ts'
import { startElsewhere } from '../../broker/starting.ts'
import type { HostEnd } from '../../db/host-ends.ts'

const GiB = 2 ** 30
const now = new Date('2026-11-21T12:00:00Z')

const host = (id: string, change: Partial<HostFacts> = {}): HostFacts => ({
  id,
  name: id,
  clusterId: 'c1',
  clusterName: 'main',
  clusterPlacement: 'spread',
  state: 'online',
  wishedOff: false,
  offered: { vcpus: 16, memoryBytes: 8 * GiB },
  taken: { vcpus: 0, memoryBytes: 0 },
  cpus: 16,
  maxVcpus: 16,
  personReserve: 0,
  images: new Set(['v1']),
  tags: [],
  bridges: [],
  networks: [],
  uefi: true,
  addressesFree: 100,
  portsFree: 100,
  poolDesktops: new Map(),
  poolComing: new Map(),
  storageLeftBytes: null,
  storageTotalBytes: null,
  trouble: null,
  ...change,
})
const end = (id: string, change: Partial<HostEnd> = {}): HostEnd => ({
  id,
  name: id,
  state: 'online',
  clusterId: 'c1',
  storageId: 's1',
  migrationUri: `qemu+tls://${id}/system`,
  ...change,
})
const desktop = (id: string, change: Partial<LeavingDesktop> = {}): LeavingDesktop => ({
  id,
  name: id,
  pool_id: 'p1',
  host_id: 'h1',
  version_id: 'v1',
  hardware: { vcpus: 1, memoryBytes: GiB, video: 'vga', diskBytes: null, sound: false },
  user_id: 'ann',
  user_name: 'ann',
  phase: 'ready',
  phase_reason: '',
  session_state: null,
  wished_present: true,
  wished_power: 'running',
  wished_saved: false,
  snapshots_any: false,
  observed_memory: null,
  origin_host_id: null,
  disk_made: true,
  volumes: null,
  kind: 'persistent',
  cluster_ids: [],
  placement: null,
  affinity: 'none',
  needs: [],
  network: { mode: 'nat' },
  cluster_id: 'c1',
  move_id: null,
  move_cause: null,
  move_state: null,
  move_text: null,
  move_progress: null,
  target_id: null,
  target_name: null,
  pinned: null,
  captured: false,
  failed: null,
  ...change,
})
const world = (hosts: HostFacts[], ends: HostEnd[] = hosts.map(({ id, clusterId }) => end(id, { clusterId }))) => ({
  hosts,
  ends: new Map(ends.map(one => [one.id, one])),
})
const two = world([host('h1', { state: 'maintenance' }), host('h2')])
const silent = world([host('h1', { state: 'maintenance' }), host('h2')], [end('h1', { migrationUri: null }), end('h2')])
const full = world([host('h1', { state: 'maintenance' }), host('h2', { taken: { vcpus: 16, memoryBytes: 8 * GiB } })])
const far = world([host('h1', { state: 'maintenance' }), host('h2', { clusterId: 'c2', clusterName: 'second' })])
const free = { user_id: null, user_name: null }

describe('the plan of an evacuation', () => {
  it('takes no disk that locks guard to a host that does not heed them: an older copy of it is told of by nothing else', () => {
    const hosts = [host('h1'), host('h2'), host('h3')]
    const ends = [end('h1', { diskLocks: true }), end('h2', { diskLocks: false }), end('h3', { diskLocks: true })]
    const crowded = { ...host('h3'), taken: { vcpus: 15, memoryBytes: 6 * GiB } }
    const [item] = planEvacuation(
      [desktop('d1')],
      world([hosts[0] as HostFacts, hosts[1] as HostFacts, crowded], ends),
      now,
    )
    expect(item?.hostName).toBe('h3')
  })

  it('of one turn is of those whose turn it may be, and the first of the whole plan', () => {
    const many = Array.from({ length: 12 }, (_, n) => desktop(`d${n}`, n % 2 ? {} : free))
    const open = desktop('open', { move_id: 'm', move_state: 'moving', move_text: 'is sent' })
    const whole = planEvacuation([...many, open], two, now)
    const turn = planEvacuation([...many, open], two, now, { open: 3, remade: 2 })
    expect(turn.map(item => item.desktopName)).toEqual(['d0', 'd1', 'd2', 'd3', 'open'])
    expect(turn.slice(0, 4)).toEqual(whole.slice(0, 4))
  })

  it.each<[string, Partial<LeavingDesktop>, typeof two, object]>([
    ['moves what somebody has, running', {}, two, { do: 'migrate', kind: 'live', hostId: 'h2' }],
    ['moves what stands still as it is', { phase: 'stopped' }, two, { do: 'migrate', kind: 'offline' }],
    [
      'leaves what has a dongle of the host, whoever has it',
      { ...free, pinned: 'it has the dongle Key, which is on h1' },
      two,
      { do: 'wait', because: 'it has the dongle Key, which is on h1' },
    ],
    [
      'leaves what a template version is being made of until that is done, whoever has it',
      { ...free, captured: true, phase: 'stopped' },
      two,
      { do: 'wait', because: 'a template version is being made of it: until that is done' },
    ],
    [
      'leaves somebody’s desktop that a template version is being made of until that is done',
      { captured: true, phase: 'stopped' },
      two,
      { do: 'wait', hostId: null, because: 'a template version is being made of it: until that is done' },
    ],
    ['begins anew elsewhere what nobody has', free, two, { do: 'remake', kind: null, hostId: 'h2' }],
    [
      'gives up what nobody has when nowhere is room, and says what its pool does then',
      free,
      full,
      {
        do: 'remove',
        hostId: null,
        because: expect.stringContaining('its pool makes another one where there is room'),
      },
    ],
    ['begins what nobody has anew in another cluster that its pool is for', free, far, { do: 'remake', hostId: 'h2' }],
    [
      'but in none that its pool is not for',
      { ...free, cluster_ids: ['c1'] },
      far,
      { do: 'remove', because: expect.stringContaining('h2') },
    ],
    [
      'waits for room for what somebody has, and says where none is',
      {},
      full,
      { do: 'wait', because: expect.stringContaining('h2: 0 vCPU left') },
    ],
    ['waits for a start to end', { phase: 'starting' }, two, { do: 'wait', because: 'it is being started' }],
    [
      'waits for a floating one that cannot move to be given back',
      { kind: 'floating' },
      silent,
      { do: 'wait', because: expect.stringContaining('given back') },
    ],
    [
      'waits for the person of a persistent one that cannot move',
      { session_state: 'connected' },
      silent,
      { do: 'wait', because: expect.stringContaining('disconnects') },
    ],
    [
      'restarts one elsewhere that cannot move and that nobody looks at',
      {},
      silent,
      { do: 'restart', kind: 'offline', hostId: 'h2' },
    ],
    [
      'leaves a move that is open alone',
      { move_id: 'm', move_state: 'moving', move_text: 'is sent', target_name: 'h2' },
      two,
      { do: 'migrate', open: true, because: 'is sent', hostName: 'h2' },
    ],
    ['waits a while after a move that failed', { failed: { times: 1, at: now, text: 'no' } }, two, { do: 'wait' }],
    ['then tries again', { failed: { times: 1, at: new Date(0), text: 'no' } }, two, { do: 'migrate' }],
    [
      'leaves to a person what failed three times',
      { failed: { times: 3, at: new Date(0), text: 'no' } },
      two,
      { do: 'wait', because: expect.stringContaining('3 moves failed') },
    ],
    [
      'touches nothing that is being removed',
      { wished_present: false },
      two,
      { do: 'wait', because: 'it is being removed' },
    ],
  ])('%s', (_title, change, around, item) => {
    expect(planEvacuation([desktop('d1', change)], around, now)[0]).toMatchObject(item)
  })

  it('keeps desktops in their cluster, whose network their addresses are of', () => {
    expect(planEvacuation([desktop('d1')], far, now)[0]).toMatchObject({
      do: 'wait',
      because: expect.stringContaining('another cluster'),
    })
  })

  it('spreads over many targets and promises no host more than it has', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 1, maxLength: 5 }),
        fc.array(fc.record({ gib: fc.integer({ min: 1, max: 4 }), free: fc.boolean() }), { maxLength: 20 }),
        (rooms, wishes) => {
          const targets = rooms.map((gib, n) => host(`t${n}`, { offered: { vcpus: 100, memoryBytes: gib * GiB } }))
          const around = world([host('h1', { state: 'maintenance' }), ...targets])
          const desktops = wishes.map(({ gib, free: nobodys }, n) => {
            const hardware = { vcpus: 1, memoryBytes: gib * GiB, video: 'vga' as const, diskBytes: null, sound: false }
            return desktop(`d${n}`, { hardware, ...(nobodys && free) })
          })
          const items = planEvacuation(desktops, around, now)
          expect(items.map(({ desktopId }) => desktopId)).toEqual(desktops.map(({ id }) => id))
          for (const target of targets) {
            const here = items.filter(({ hostId }) => hostId === target.id)
            const bytes = here.reduce(
              (sum, { target: to }) =>
                sum +
                (to && 'demand' in to ? Number((to as { demand: { memoryBytes: number } }).demand.memoryBytes) : 0),
              0,
            )
            expect(bytes).toBeLessThanOrEqual(target.offered.memoryBytes)
          }
          for (const item of items) expect(item.because).not.toBe('')
        },
      ),
    )
  })

  it('tells how many are left, and for whom it waits', () => {
    const items = planEvacuation([desktop('d1'), desktop('d2', { phase: 'starting' })], two, now)
    expect(evacuationText(items, 5)).toBe('2 of 5 left; d2 waits: it is being started')
  })
})

describe('the way back', () => {
  const away = (change: Partial<LeavingDesktop> = {}) =>
    desktop('d1', { host_id: 'h2', origin_host_id: 'h1', ...change })
  const home = { id: 'h1', name: 'h1', state: 'online' as const }
  const open = world([host('h1'), host('h2')])
  it.each<[string, Partial<LeavingDesktop>, typeof open, object]>([
    ['is a move to where it came from', {}, open, { do: 'migrate', kind: 'live', hostId: 'h1', forget: false }],
    ['is none for what nobody has any more', free, open, { do: 'wait', forget: true }],
    ['waits for a start to end', { phase: 'starting' }, open, { do: 'wait', forget: false }],
    [
      'is given up when the host has no room',
      {},
      world([host('h1', { offered: { vcpus: 0, memoryBytes: 0 } }), host('h2')]),
      { do: 'wait', forget: true },
    ],
    [
      'is given up after three failures',
      { failed: { times: 3, at: now, text: 'no' } },
      open,
      { forget: true, because: 'no' },
    ],
  ])('%s', (_title, change, around, item) => {
    expect(planReturn(home, [away(change)], around)[0]).toMatchObject(item)
  })

  it('is planned before the maintenance ends as it would be after it', () => {
    const still = world([host('h1', { state: 'maintenance' }), host('h2')])
    expect(planReturn({ ...home, state: 'maintenance' }, [away()], still)[0]).toMatchObject({
      do: 'migrate',
      hostId: 'h1',
    })
  })
})

describe('a stopped desktop that is started', () => {
  const still = desktop('d1', { phase: 'stopped', wished_power: 'stopped' })
  const crowded = host('h1', { taken: { vcpus: 16, memoryBytes: GiB } })
  const where = (row: LeavingDesktop, hosts: HostFacts[], ends?: HostEnd[]) => {
    const there = world(hosts, ends)
    const found = startElsewhere(row, there.hosts, there.ends)
    return found && [found.target.decision.hostId, found.because]
  }

  it.each<[string, HostFacts, string]>([
    ['full', crowded, '0 vCPU left, 1 wanted'],
    ['in maintenance', host('h1', { state: 'maintenance' }), 'the host is in maintenance'],
    ['in trouble', host('h1', { trouble: 'libvirt does not answer' }), 'libvirt does not answer'],
  ])('starts elsewhere when its host is %s', (_title, home, because) => {
    expect(where(still, [home, host('h2')])).toEqual(['h2', because])
  })

  it('starts where it is when its host can take it, or no host that has its disk can', () => {
    expect(where(still, [host('h1'), host('h2')])).toBeUndefined()
    expect(where(still, [crowded, host('h2')], [end('h1'), end('h2', { storageId: 's2' })])).toBeUndefined()
    expect(where(still, [crowded, { ...crowded, id: 'h2' }])).toBeUndefined()
  })

  it('stays out of the way of a move that is open, and of what does not stand still', () => {
    expect(where({ ...still, move_id: 'm' }, [crowded, host('h2')])).toBeUndefined()
    expect(where({ ...still, phase: 'starting' }, [crowded, host('h2')])).toBeUndefined()
  })
})
