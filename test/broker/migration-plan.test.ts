import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type MoveFacts, moveFits, planMove } from '../../broker/migration-plan.ts'
import { makeTurns } from '../../broker/migration-turns.ts'

const now = new Date('2026-11-21T12:00:00Z')
const ago = (ms: number) => new Date(now.getTime() - ms)
type Said = NonNullable<MoveFacts['source']['said']>
const said = (state: Said['state'], more: Partial<Said> = {}): Said => ({
  state,
  progress: 40,
  text: '',
  trouble: null,
  at: now.toISOString(),
  ...more,
})
const trouble = { code: 'internal' as const, text: 'libvirt 78: the job was canceled' }

const moving: MoveFacts = {
  state: 'moving',
  kind: 'live',
  cancel: false,
  trouble: null,
  startedAt: ago(1_000),
  desktop: { present: true, wishedPower: 'running', power: 'running', heard: true, settled: true },
  source: { name: 'h1', state: 'online', said: said('moving') },
  target: { name: 'h2', state: 'online', wished: 'online', said: said('ready') },
  shared: true,
  fits: { kind: 'live' },
  turn: null,
}
const with_ = (
  change: {
    [K in keyof MoveFacts]?: K extends 'desktop' | 'source' | 'target' ? Partial<MoveFacts[K]> : MoveFacts[K]
  },
): MoveFacts => ({
  ...moving,
  ...change,
  desktop: { ...moving.desktop, ...change.desktop },
  source: { ...moving.source, ...change.source },
  target: { ...moving.target, ...change.target },
})
const queued = { state: 'queued' as const, startedAt: null, source: { said: null }, target: { said: null } }
const preparing = { state: 'preparing' as const, source: { said: null } }

describe('a move that waits for its turn', () => {
  it.each<[string, Parameters<typeof with_>[0], string]>([
    ['begins when it is its turn', {}, 'admit'],
    ['waits while others move', { turn: 'two are moving' }, 'wait'],
    ['waits while the desktop starts', { fits: { waits: 'it is being started' } }, 'wait'],
    ['waits for a target that has not joined yet', { target: { state: 'joining', said: null } }, 'wait'],
    ['waits while its host is silent', { source: { state: 'suspect', said: null } }, 'wait'],
    ['fails when its host is lost', { source: { state: 'lost', said: null } }, 'fail'],
    ['fails when its target is lost', { target: { state: 'lost', said: null } }, 'fail'],
    ['fails when its target goes into maintenance', { target: { wished: 'maintenance', said: null } }, 'fail'],
    ['fails when the desktop cannot move at all', { fits: { refused: 'it is being removed' } }, 'fail'],
    ['is cancelled at once', { cancel: true }, 'cancel'],
    ['ends with its desktop', { desktop: { present: false } }, 'cancel'],
  ])('%s', (_title, change, step) => {
    expect(planMove(with_({ ...queued, ...change }), now).do).toBe(step)
  })
})

describe('a move that is prepared', () => {
  it.each<[string, Parameters<typeof with_>[0], string]>([
    ['sends once the target is ready', {}, 'send'],
    ['waits until then', { target: { said: said('preparing') } }, 'wait'],
    ['waits through an agent that starts again', { target: { said: null } }, 'wait'],
    [
      'sends a disk that both have, though the target calls it arrived',
      { kind: 'offline', target: { said: said('arrived') } },
      'send',
    ],
    ['fails by the word of the target', { target: { said: said('failed', { trouble }) } }, 'fail'],
    ['fails with the target', { target: { state: 'lost' } }, 'fail'],
    ['fails with its host', { source: { state: 'lost', said: null } }, 'fail'],
    [
      'fails when the target never gets ready',
      { startedAt: ago(3_600_000), target: { said: said('preparing') } },
      'fail',
    ],
    ['is cancelled when the desktop stopped', { desktop: { power: 'stopped' } }, 'cancel'],
    ['is not when that is older than the wish', { desktop: { power: 'stopped', heard: false } }, 'send'],
    ['is cancelled when the desktop was given back', { desktop: { settled: false } }, 'cancel'],
    ['is cancelled at once when asked', { cancel: true }, 'cancel'],
  ])('%s', (_title, change, step) => {
    expect(planMove(with_({ ...preparing, ...change }), now).do).toBe(step)
  })
})

describe('a move under way', () => {
  const long = said('left', { at: ago(60_000).toISOString() })
  it.each<[string, Parameters<typeof with_>[0], string]>([
    ['waits while it is sent', {}, 'wait'],
    ['is done when the target says that it runs there', { target: { said: said('arrived') } }, 'arrive'],
    ['is done then although it was cancelled', { cancel: true, target: { said: said('arrived') } }, 'arrive'],
    [
      'is done then although its host was lost',
      { source: { state: 'lost' }, target: { said: said('arrived') } },
      'arrive',
    ],
    ['waits for the target when it left', { source: { said: said('left') } }, 'wait'],
    ['is done when it left and the target never speaks of it', { source: { said: long } }, 'arrive'],
    [
      'is done when it left and the target was lost',
      { source: { said: said('left') }, target: { state: 'lost' } },
      'arrive',
    ],
    ['fails by the word of its host', { source: { said: said('failed', { trouble }) } }, 'fail'],
    ['fails when its host is lost and the target has not got it', { source: { state: 'lost' } }, 'fail'],
    [
      'waits for a guest that is coming when its host is lost',
      { source: { state: 'lost' }, target: { said: said('moving') } },
      'wait',
    ],
    ['decides nothing while both are lost', { source: { state: 'lost' }, target: { state: 'lost' } }, 'wait'],
    ['is called off when the target is lost', { target: { state: 'lost' } }, 'call off'],
    ['is called off when the target gives up', { target: { said: said('failed', { trouble }) } }, 'call off'],
    ['is called off when the desktop shall be shut down', { desktop: { wishedPower: 'stopped' } }, 'call off'],
    ['is called off when the desktop was given back', { desktop: { settled: false } }, 'call off'],
    ['is called off after half a day', { startedAt: ago(86_400_000) }, 'call off'],
    ['waits for its host’s word when it was cancelled', { cancel: true }, 'wait'],
    ['is cancelled by that word', { cancel: true, source: { said: said('failed', { trouble }) } }, 'cancel'],
    ['fails by that word when it was called off', { cancel: true, trouble, source: { said: said('failed') } }, 'fail'],
    ['ends with its desktop', { desktop: { present: false } }, 'cancel'],
    [
      'of a disk that both have waits for its host to let go',
      { kind: 'offline', target: { said: said('arrived') } },
      'wait',
    ],
    ['of such a disk is done then', { kind: 'offline', source: { said: said('left') } }, 'arrive'],
    [
      'of a disk that is copied is done when the target has it',
      { kind: 'offline', shared: false, target: { said: said('arrived') } },
      'arrive',
    ],
    [
      'of such a disk waits for the target to check it',
      { kind: 'offline', shared: false, source: { said: long } },
      'wait',
    ],
  ])('%s', (_title, change, step) => {
    expect(planMove(with_(change), now).do).toBe(step)
  })

  it('says libvirt’s own words when it fails', () => {
    expect(planMove(with_({ source: { said: said('failed', { trouble }) } }), now)).toEqual({ do: 'fail', trouble })
  })
})

describe('the way a desktop moves', () => {
  const end = (name: string, storageId: string, migrationUri: string | null = 'qemu+tls://x') => ({
    name,
    storageId,
    migrationUri,
  })
  const [a, b, far] = [end('h1', 's1'), end('h2', 's1'), end('h3', 's2')]
  it.each([
    ['live where both hosts have its disk', 'ready', a, b, false, { kind: 'live' }],
    ['live with its disk where they have not', 'ready', a, far, false, { kind: 'storage' }],
    ['as it is when it is suspended', 'paused', a, b, false, { kind: 'live' }],
    ['offline when it stands', 'stopped', a, far, false, { kind: 'offline' }],
    [
      'offline when it may be restarted and one cannot migrate',
      'ready',
      a,
      end('h4', 's1', null),
      true,
      { kind: 'offline' },
    ],
  ] as const)('is %s', (_title, phase, source, target, restart, fits) => {
    expect(moveFits({ phase, source, target, restart, pinned: null, captured: false })).toEqual(fits)
  })
  it('leaves no snapshot behind: to another storage it goes standing still, or not at all', () => {
    const way = {
      phase: 'ready' as const,
      source: a,
      target: { ...b, storageId: 'another' },
      pinned: null,
      captured: false,
      snapshots: true,
    }
    expect(moveFits({ ...way, restart: true })).toEqual({ kind: 'offline' })
    expect(moveFits({ ...way, restart: false })).toHaveProperty('refused')
    expect(moveFits({ ...way, restart: false, target: { ...b, storageId: a.storageId } })).toEqual({ kind: 'live' })
  })
  it('is none when one host takes no part and it runs', () => {
    const far = end('h4', 's1', null)
    expect(
      moveFits({ phase: 'ready', source: a, target: far, restart: false, pinned: null, captured: false }),
    ).toHaveProperty('refused')
  })
  it('waits for a template version that is being made of its disk', () => {
    expect(moveFits({ phase: 'stopped', source: a, target: b, restart: true, pinned: null, captured: true })).toEqual({
      waits: 'a template version is being made of it: until that is done',
    })
  })
  it('is none for what has a dongle of its host, whatever its phase', () => {
    const pinned = 'it has the dongle Key, which is on h1'
    for (const phase of ['ready', 'stopped', 'starting'] as const)
      expect(moveFits({ phase, source: a, target: b, restart: true, pinned, captured: false })).toEqual({
        refused: pinned,
      })
  })
})

describe('turns', () => {
  const move = (from: string, to: string, state = 'queued') => ({
    state,
    from_host_id: from,
    to_host_id: to,
    from_cluster_id: 'c',
    from_host_name: from,
    to_host_name: to,
  })
  it('are two at a host, coming and going together', () => {
    const turns = makeTurns([move('a', 'b', 'moving'), move('c', 'a', 'preparing'), move('a', 'd')])
    expect(turns.refusal(move('a', 'd'))).toContain('2 are moving at a')
    expect(turns.refusal(move('d', 'b'))).toBeNull()
    turns.take(move('d', 'b'))
    expect(turns.refusal(move('d', 'b'))).toContain('at b')
  })
  it('are eight in a cluster', () => {
    const turns = makeTurns(Array.from({ length: 8 }, (_, n) => move(`a${n}`, `b${n}`, 'moving')))
    expect(turns.refusal(move('x', 'y'))).toContain('8 are moving')
  })
})

/**
 * Two hosts and a control plane that hears of them late or not at all. The guest's place is the truth; what is asserted
 * is that no plan ever puts the desktop where the guest is not while it runs on the other, and that every move ends
 * once both hosts are heard again.
 */
describe('whatever happens to hosts, agents and persons', () => {
  type Happening =
    | 'work'
    | 'cut source'
    | 'cut target'
    | 'heal'
    | 'agent source'
    | 'agent target'
    | 'cancel'
    | 'guest dies'
    | 'break'
  const happening = fc.constantFrom<Happening>(
    'work',
    'work',
    'work',
    'work',
    'cut source',
    'cut target',
    'heal',
    'agent source',
    'agent target',
    'cancel',
    'guest dies',
    'break',
  )

  interface World {
    facts: MoveFacts
    guest: 'source' | 'target' | 'nowhere'
    sourceSays: Said | null
    targetSays: Said | null
    cut: Set<'source' | 'target'>
    ended: 'done' | 'failed' | 'cancelled' | null
  }

  const begin = (): World => ({
    facts: with_({ ...queued }),
    guest: 'source',
    sourceSays: null,
    targetSays: null,
    cut: new Set(),
    ended: null,
  })

  /** What the hosts do by what they were last told, and what the control plane hears of it. */
  function work(world: World) {
    const { facts } = world
    const told = { source: !world.cut.has('source'), target: !world.cut.has('target') }
    if (told.target && facts.state !== 'queued') world.targetSays = said(world.guest === 'target' ? 'arrived' : 'ready')
    if (facts.state === 'moving' && world.guest === 'source' && world.sourceSays?.state !== 'failed') {
      if (told.source && facts.cancel) world.sourceSays = said('failed', { trouble })
      else if (world.sourceSays?.state === 'moving') {
        // libvirt's peer-to-peer migration goes on without the control plane.
        world.guest = 'target'
        world.sourceSays = said('left', { at: now.toISOString() })
        world.targetSays = said('arrived')
      } else if (told.source) world.sourceSays = said('moving')
    }
    if (told.source) facts.source.said = world.sourceSays
    if (told.target) facts.target.said = world.targetSays
    facts.source.state = told.source ? 'online' : 'lost'
    facts.target.state = told.target ? 'online' : 'lost'
  }

  const happen: Record<Happening, (world: World) => void> = {
    work,
    'cut source': world => world.cut.add('source'),
    'cut target': world => world.cut.add('target'),
    heal: world => world.cut.clear(),
    'agent source': world => {
      // A new agent finds the guest gone, or sends it anew.
      if (world.sourceSays?.state !== 'failed') world.sourceSays = world.guest === 'source' ? null : said('left')
    },
    'agent target': world => {
      world.targetSays = world.guest === 'target' ? said('arrived') : said('preparing')
    },
    cancel: world => {
      world.facts.cancel = true
    },
    'guest dies': world => {
      if (world.guest === 'source' && world.facts.state === 'moving') world.sourceSays = said('failed', { trouble })
      world.guest = 'nowhere'
    },
    break: world => {
      if (world.guest === 'source' && world.facts.state === 'moving') world.sourceSays = said('failed', { trouble })
    },
  }

  function plan(world: World, at: Date) {
    const { facts } = world
    const step = planMove(facts, at)
    switch (step.do) {
      case 'admit':
        facts.state = 'preparing'
        facts.startedAt = at
        break
      case 'send':
        facts.state = 'moving'
        break
      case 'call off':
        facts.cancel = true
        facts.trouble = step.trouble
        break
      case 'arrive':
        // The invariant: never at home on the target while it runs on its source.
        expect(world.guest).not.toBe('source')
        world.ended = 'done'
        break
      case 'fail':
      case 'cancel':
        // And never left behind on the target as long as that is heard: its agent ends what it is not wished to have.
        if (world.guest === 'target')
          expect(facts.target.said?.state === 'arrived' && facts.target.state !== 'lost').toBe(false)
        world.ended = step.do === 'fail' ? 'failed' : 'cancelled'
    }
  }

  it('it is at home on the target only when it does not run on its source, and every move ends', () => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 40 }), happenings => {
        const world = begin()
        for (const one of happenings) {
          happen[one](world)
          work(world)
          if (world.ended === null) plan(world, now)
        }
        world.cut.clear()
        const later = new Date(now.getTime() + 86_400_000)
        for (let turn = 0; turn < 10 && world.ended === null; turn++) {
          if (world.guest === 'nowhere' && world.facts.state === 'moving' && world.sourceSays?.state !== 'left')
            world.sourceSays = said('failed', { trouble })
          work(world)
          plan(world, later)
        }
        expect(world.ended).not.toBeNull()
      }),
      { numRuns: 5_000 },
    )
  })
})
