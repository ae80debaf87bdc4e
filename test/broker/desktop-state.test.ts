import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type DesktopFacts, desktopActionsFor, desktopConsequence, desktopPhase } from '../../broker/desktop-state.ts'

const facts = (
  change: {
    [K in keyof DesktopFacts]?: DesktopFacts[K] extends object ? Partial<DesktopFacts[K]> : DesktopFacts[K]
  },
): DesktopFacts => ({
  kind: 'floating',
  hostState: 'online',
  assigned: false,
  claimOpen: false,
  moving: null,
  diskMade: false,
  waitsFor: null,
  ...change,
  wished: { present: true, power: 'running', saved: false, incarnation: 1, generation: 7, ...change.wished },
  observed: {
    generation: 7,
    incarnation: 1,
    power: 'running',
    stopped: null,
    ready: true,
    step: null,
    trouble: null,
    saved: null,
    gone: false,
    ...change.observed,
  },
})
const trouble = { code: 'start_failed' as const, text: 'QEMU said no' }

describe('the phase of a desktop', () => {
  it.each([
    ['ready', {}],
    ['starting', { observed: { ready: false } }],
    ['starting', { observed: { power: 'stopped' as const, ready: false } }],
    ['making', { observed: { incarnation: null, power: null, ready: false } }],
    ['recycling', { wished: { incarnation: 2, power: 'stopped' as const } }],
    ['recycling', { wished: { incarnation: 2 }, observed: { incarnation: null, power: null, ready: false } }],
    ['stopped', { wished: { power: 'stopped' as const }, observed: { power: 'stopped' as const, ready: false } }],
    ['stopping', { wished: { power: 'stopped' as const } }],
    ['paused', { wished: { power: 'paused' as const }, observed: { power: 'paused' as const } }],
    ['stopping', { wished: { power: 'stopped' as const, saved: true } }],
    ['failed', { observed: { trouble } }],
    [
      'starting',
      { assigned: true, observed: { trouble, stopped: 'crashed' as const, power: 'stopped' as const, ready: false } },
    ],
    ['starting', { assigned: true, observed: { trouble, ready: false } }],
    [
      'starting',
      { assigned: true, observed: { trouble: { code: 'not_found' as const, text: 'no disk' }, ready: false } },
    ],
    [
      'failed',
      {
        assigned: true,
        observed: {
          trouble: { code: 'not_found' as const, text: 'no disk' },
          stopped: 'crashed' as const,
          power: 'stopped' as const,
          ready: false,
        },
      },
    ],
    [
      'failed',
      { assigned: true, observed: { trouble: { code: 'timeout' as const, text: 'no answer' }, ready: false } },
    ],
    ['failed', { assigned: true, claimOpen: true, observed: { trouble, ready: false } }],
    ['starting', { diskMade: true, observed: { incarnation: null, power: null, ready: false } }],
    ['failed', { assigned: true, claimOpen: true, observed: { trouble, stopped: 'crashed' as const } }],
    ['ready', { moving: 'live' as const, observed: { power: 'stopped' as const, ready: false, trouble } }],
    ['paused', { moving: 'storage' as const, wished: { power: 'paused' as const } }],
    [
      'stopping',
      { moving: 'live' as const, wished: { power: 'stopped' as const }, observed: { power: 'stopped' as const } },
    ],
    ['starting', { moving: 'offline' as const, observed: { power: 'stopped' as const, ready: false } }],
    ['unknown', { hostState: 'lost' as const }],
    ['removing', { wished: { present: false }, hostState: 'lost' as const }],
  ])('is %s', (phase, change) => {
    expect(desktopPhase(facts(change)).phase).toBe(phase)
  })

  it('is never ready on another disk than the wished one, on a lost host, or while it shall not be', () => {
    const anything = fc.record({
      hostState: fc.constantFrom('online', 'suspect', 'lost', 'maintenance', 'joining'),
      moving: fc.constantFrom(null, 'live' as const, 'offline' as const),
      assigned: fc.boolean(),
      wished: fc.record({
        present: fc.boolean(),
        incarnation: fc.integer({ min: 1, max: 3 }),
        power: fc.constantFrom('running', 'paused', 'stopped'),
      }),
      observed: fc.record({
        incarnation: fc.option(fc.integer({ min: 1, max: 3 })),
        ready: fc.boolean(),
        power: fc.option(fc.constantFrom('running', 'paused', 'stopped')),
      }),
    })
    fc.assert(
      fc.property(anything, change => {
        const all = facts(change as Parameters<typeof facts>[0])
        if (desktopPhase(all).phase !== 'ready') return
        expect(all.observed.incarnation).toBe(all.wished.incarnation)
        expect(all.hostState).not.toBe('lost')
        expect(all.wished).toMatchObject({ present: true, power: 'running' })
      }),
    )
  })
})

describe('what follows from the facts', () => {
  const shut = { power: 'stopped' as const, stopped: 'guest' as const, ready: false }
  it.each([
    ['a floating desktop shut down by its person is given back', { assigned: true, observed: shut }, 'recycle'],
    [
      'a persistent one rests and stays its person’s',
      { kind: 'persistent' as const, assigned: true, observed: shut },
      'rest',
    ],
    ['one that nobody has rests', { observed: shut }, 'rest'],
    [
      'a shutdown of an older wish counts for nothing',
      { assigned: true, observed: { ...shut, generation: 6 } },
      'nothing',
    ],
    [
      'a crash asks for nothing: its host starts it again',
      { assigned: true, observed: { ...shut, stopped: 'crashed' as const } },
      'nothing',
    ],
    ['a claim whose start failed is undone', { assigned: true, claimOpen: true, observed: { trouble } }, 'undo claim'],
    ['a trouble after the claim was served takes nothing away', { assigned: true, observed: { trouble } }, 'nothing'],
    [
      'a removed one whose host has nothing left is forgotten',
      { wished: { present: false }, observed: { gone: true } },
      'forget',
    ],
    ['a removed one that is still there is not', { wished: { present: false } }, 'nothing'],
  ])('%s', (_title, change, consequence) => {
    const all = facts(change)
    expect(desktopConsequence(all, desktopPhase(all).phase).do).toBe(consequence)
  })
})

describe('the actions of a desktop', () => {
  const ready = {
    phase: 'ready' as const,
    power: 'running' as const,
    assigned: true,
    kind: 'floating' as const,
    warm: 3,
    moving: false,
    captured: false,
    pinned: null,
    volumes: null,
    memory: null,
    can: ['save'],
  }
  it('name every action, each refused one with its reason', () => {
    const actions = desktopActionsFor(ready, { owner: true, administrator: false })
    expect(actions).toHaveLength(20)
    for (const action of actions) expect(action.allowed || (action.reason ?? '') !== '').toBe(true)
    expect(actions.find(({ name }) => name === 'release')?.allowed).toBe(true)
    expect(actions.find(({ name }) => name === 'delete')).toEqual({
      name: 'delete',
      allowed: false,
      reason: 'only administrators may do this',
    })
  })

  it('open the console of what runs, answering or not, to administrators', () => {
    const console = (change: object, actor = { owner: false, administrator: true }) =>
      desktopActionsFor({ ...ready, ...change }, actor).find(({ name }) => name === 'console')?.allowed
    expect([console({}), console({ phase: 'failed' }), console({ phase: 'starting' })]).toEqual([true, true, true])
    expect([console({ phase: 'stopped' }), console({ phase: 'unknown' })]).toEqual([false, false])
    expect(console({}, { owner: true, administrator: false })).toBe(false)
  })

  it('make a template of a persistent desktop that stands still, and keep it as it is until that is made', () => {
    const still = { ...ready, phase: 'stopped' as const, power: 'stopped' as const, kind: 'persistent' as const }
    const administrator = { owner: false, administrator: true }
    const allowed = (facts: Parameters<typeof desktopActionsFor>[0]) =>
      desktopActionsFor(facts, administrator).flatMap(({ name, allowed }) => (allowed ? [name] : []))
    expect(allowed(still)).toEqual(['start', 'release', 'delete', 'migrate', 'capture', 'clone', 'rename', 'change'])
    expect(allowed({ ...still, captured: true })).toEqual([])
    for (const change of [
      { kind: 'floating' as const },
      { assigned: false },
      { phase: 'ready' as const },
      { moving: true },
    ])
      expect([change, allowed({ ...still, ...change }).includes('capture')]).toEqual([change, false])
  })

  it('keep a desktop with a dongle on its host', () => {
    const pinned = 'it has the dongle Key, which is on h1'
    const actions = desktopActionsFor({ ...ready, pinned }, { owner: false, administrator: true })
    expect(actions.find(({ name }) => name === 'migrate')).toMatchObject({ allowed: false, reason: pinned })
    expect(actions.find(({ name }) => name === 'save')?.allowed).toBe(false)
  })

  it('keep a desktop whose memory is saved where it is: it is started, or forced off, or removed', () => {
    const saved = {
      ...ready,
      phase: 'stopped' as const,
      power: 'stopped' as const,
      kind: 'persistent' as const,
      memory: 'saved' as const,
    }
    const actions = desktopActionsFor(saved, { owner: false, administrator: true })
    expect(actions.flatMap(({ name, allowed }) => (allowed ? [name] : []))).toEqual([
      'start',
      'poweroff',
      'release',
      'delete',
    ])
    expect(actions.find(({ name }) => name === 'migrate')?.reason).toContain('its memory is saved on its host')
  })

  it('save nothing that nobody has, and nothing where the agent of the host does not know how', () => {
    const reason = (facts: Parameters<typeof desktopActionsFor>[0]) =>
      desktopActionsFor(facts, { owner: true, administrator: true }).find(({ name }) => name === 'save')?.reason
    expect(reason(ready)).toBeUndefined()
    expect(reason({ ...ready, assigned: false })).toBe('it belongs to nobody')
    expect(reason({ ...ready, can: [] })).toContain('update it')
    expect(reason({ ...ready, volumes: 'data1, data2' })).toBe(
      'a volume cannot be saved with it: detach data1, data2 first',
    )
    expect(reason({ ...ready, phase: 'stopped' })).toBe('it is not ready')
  })

  it('say of what is suspended that it is, and what to do', () => {
    const administrator = { owner: false, administrator: true }
    const reasons = (change: object) => {
      const all = desktopActionsFor({ ...ready, phase: 'paused', power: 'paused', ...change }, administrator)
      return Object.fromEntries(all.map(({ name, reason }) => [name, reason]))
    }
    const first = 'it is suspended: resume it first'
    expect(reasons({})).toMatchObject({ shutdown: first, reset: first, reboot: first, save: first })
    expect(reasons({})).toMatchObject({ suspend: 'it is suspended already', resume: undefined, poweroff: undefined })
    const full = 'its storage is full: it goes on by itself when there is room'
    expect(reasons({ power: 'running', starved: true })).toMatchObject({
      shutdown: full,
      suspend: full,
      poweroff: undefined,
    })
  })

  it('leave the power of what nobody has to its pool, and say what to do instead', () => {
    const reasons = (change: object) => {
      const all = desktopActionsFor({ ...ready, assigned: false, ...change }, { owner: false, administrator: true })
      return Object.fromEntries(all.map(({ name, reason }) => [name, reason]))
    }
    const why = 'nobody has it, and its pool starts and stops it to keep 3 ready: change that number of the pool (warm)'
    expect(reasons({})).toMatchObject({ shutdown: why, poweroff: why, start: 'it already runs or is on its way' })
    expect(reasons({ phase: 'stopped', power: 'stopped' }).start).toBe(why)
    // One that hangs is helped, or removed.
    expect(reasons({})).toMatchObject({ reboot: undefined, reset: undefined, delete: undefined })
    expect(reasons({ phase: 'stopping', power: 'stopped' }).poweroff).toBeUndefined()
    expect(reasons({ phase: 'paused', power: 'paused' }).resume).toBeUndefined()
  })

  it('are all refused to strangers, and on a lost host all but deleting and changing it', () => {
    const strange = desktopActionsFor(ready, { owner: false, administrator: false })
    expect(strange.every(({ allowed }) => !allowed)).toBe(true)
    const lost = desktopActionsFor({ ...ready, phase: 'unknown' }, { owner: false, administrator: true })
    expect(lost.filter(({ allowed }) => allowed).map(({ name }) => name)).toEqual(['delete', 'change'])
  })
})
