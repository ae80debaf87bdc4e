import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type BalanceFacts,
  type BalanceHost,
  balancePlan,
  balanceSeen,
  hostLoad,
  type MoveRule,
} from '../../broker/balance.ts'
import { balanceSettings, balanceUsual } from '../../broker/balance-settings.ts'
import { HdcsError } from '../../lib/errors.ts'

const GiB = 2 ** 30
const at = (minute: number) => new Date(1_000_000_000_000 + minute * 60_000)

/** A host of 8 cores with so many desktops of 1 vCPU and 1 GiB, its cores used so much. */
const host = (name: string, cpu: number, desktops: number, some: Partial<BalanceHost> = {}): BalanceHost => ({
  id: name,
  name,
  online: true,
  wishedOff: false,
  cores: 8,
  cpu,
  offeredBytes: 32 * GiB,
  takenBytes: desktops * GiB,
  stuckOn: null,
  desktops: Array.from({ length: desktops }, (_, index) => ({
    id: `${name}-${index}`,
    name: `${name}-${index}`,
    vcpus: 1,
    memoryBytes: GiB,
    running: true,
    stays: null,
    stuck: false,
  })),
  ...some,
})

const settings = balanceSettings({ rebalance: { enabled: true }, consolidate: { enabled: true } })
/** Everything can go everywhere, but for what is said of a desktop or of all: why not, by host. */
const rule = (against: Record<string, Record<string, string>> = {}): MoveRule => ({
  against: ({ id }) => new Map(Object.entries(against[id] ?? against.all ?? {})),
  after: () => rule(against),
})
/** As if every host had looked so for hours. */
const facts = (hosts: BalanceHost[], some: Partial<BalanceFacts> = {}): BalanceFacts => ({
  settings,
  hosts,
  history: balanceSeen(new Map(), hosts, some.settings ?? settings, at(-1000)),
  rule: rule(),
  openMoves: 0,
  movedAt: null,
  switchedAt: null,
  short: false,
  ...some,
})
const told = (given: BalanceFacts) =>
  balancePlan(given, at(0)).steps.map(step =>
    step.do === 'move' ? `${step.cause} ${step.desktopName} to ${step.toHostName}` : `${step.do} ${step.hostName}`,
  )
const busy = [host('a', 0.95, 10), host('b', 0.3, 4), host('c', 0.2, 2)]
const leaving = [host('a', 0.3, 4), host('b', 0.05, 2, { wishedOff: true })]
const staying = (stays: string, stuck: boolean): BalanceHost[] => {
  const [one, ...more] = host('b', 0.05, 2).desktops
  const desktops = one ? [{ ...one, stays, stuck }, ...more] : more
  return [host('a', 0.3, 4), host('b', 0.05, 2, { wishedOff: true, desktops })]
}
const quiet = [host('a', 0.3, 4), host('b', 0.05, 1), host('c', 0.3, 4)]

describe('the settings of a cluster', () => {
  it('are off, and as usual, unless said otherwise', () => {
    expect(balanceSettings({})).toEqual(balanceUsual)
    expect(balanceUsual.rebalance.enabled || balanceUsual.consolidate.enabled).toBe(false)
    expect(balanceSettings({ rebalance: { maxMoves: 5 } }).rebalance).toEqual({
      ...balanceUsual.rebalance,
      maxMoves: 5,
    })
  })

  it.each([
    [{ rebalanse: {} }, 'has no rebalanse'],
    [{ rebalance: { maxMovs: 1 } }, 'has no maxMovs'],
    [{ rebalance: { maxMoves: 0 } }, 'from 1 to 50'],
    [{ rebalance: { thresholdPercent: 85.5 } }, 'whole number'],
    [{ consolidate: { enabled: 'yes' } }, 'true or false'],
    [{ consolidate: [] }, 'an object'],
  ])('%j are refused in words', (given, text) => {
    expect(() => balanceSettings(given)).toThrow(HdcsError)
    expect(() => balanceSettings(given)).toThrow(text)
  })
})

describe('a dry run', () => {
  it.each([
    ['busy', busy, 'a is above 85 % now (95 %)', 'a was above 85 % for 10 minutes (95 %)'],
    ['nearly idle', quiet, 'b is below', 'b was below'],
  ])('says that a host is %s, not for how long', (_what, hosts, dry, watched) => {
    expect(balancePlan(facts(hosts, { assumed: true }), at(0)).steps[0]?.because).toContain(dry)
    expect(balancePlan(facts(hosts), at(0)).steps[0]?.because).toContain(watched)
  })

  it('says so of hosts that are neither', () => {
    const hosts = [host('a', 0.4, 4), host('b', 0.4, 4), host('c', 0.4, 4)]
    const { notes } = balancePlan(facts(hosts, { assumed: true }), at(0))
    expect(notes.join()).toMatch(/no host is above.*no host is below/)
    expect(notes.join()).not.toContain('minutes')
  })
})

describe('a cluster', () => {
  it.each<[string, BalanceFacts, string[]]>([
    ['with a busy host: a desktop goes to the idlest', facts(busy), ['balance a-0 to c', 'balance a-1 to c']],
    ['that does not want it: nothing', facts(busy, { settings: balanceUsual }), []],
    ['busy for a moment: nothing', facts(busy, { history: balanceSeen(new Map(), busy, settings, at(-1)) }), []],
    ['with moves under way: nothing', facts(busy, { openMoves: 1 }), []],
    ['that has just moved some: nothing', facts(busy, { movedAt: at(-14) }), []],
    ['that moved some a while ago: again', facts(busy, { movedAt: at(-15) }), ['balance a-0 to c', 'balance a-1 to c']],
    ['busy everywhere: nothing', facts([host('a', 0.95, 10), host('b', 0.9, 9)]), []],
    ['with one nearly idle host: it goes off', facts(quiet), ['off b']],
    ['that has just switched one: nothing', facts(quiet, { switchedAt: at(-59) }), []],
    ['where desktops find no room: nothing goes off', facts(quiet, { short: true }), []],
    [
      'whose idle host cannot be switched: nothing',
      facts([host('a', 0.3, 4), host('b', 0.05, 1, { stuckOn: 'no switch' })]),
      [],
    ],
    ['of one host: it stays on', facts([host('a', 0.01, 0)]), []],
    ['whose others are half full: nothing goes off', facts([host('a', 0.05, 4), host('b', 0.59, 19)]), []],
    [
      'with a host that is wished off: its desktops leave',
      facts(leaving),
      ['consolidation b-0 to a', 'consolidation b-1 to a'],
    ],
    [
      'whose busy host has a desktop that may not go to the idlest: to another',
      facts(busy, { rule: rule({ 'a-0': { c: 'the host has no gpu' } }) }),
      ['balance a-0 to b', 'balance a-1 to c'],
    ],
    [
      'whose busy host has desktops that may go nowhere: the others go',
      facts(busy, { rule: rule({ 'a-0': { b: 'no gpu', c: 'no gpu' }, 'a-1': { b: 'apart', c: 'apart' } }) }),
      ['balance a-2 to c', 'balance a-3 to c'],
    ],
    [
      'whose idle host has a desktop that may go nowhere: it stays on',
      facts(quiet, { rule: rule({ 'b-0': { a: 'no gpu', c: 'no gpu' } }) }),
      [],
    ],
    [
      'with a host that is wished off and cannot be emptied after all: it serves again',
      facts(leaving, { rule: rule({ 'b-1': { a: 'the host has no gpu' } }) }),
      ['keep b'],
    ],
    [
      'with a host that is wished off and a desktop that does not get away: it serves again',
      facts(staying('its move failed', true)),
      ['keep b'],
    ],
    [
      'with a host that is wished off and a desktop that starts: the others leave',
      facts(staying('it is being started', false)),
      ['consolidation b-1 to a'],
    ],
    [
      'that fills up: the host that is off comes on',
      facts([host('a', 0.76, 4), host('b', 0, 0, { wishedOff: true, online: false })]),
      ['on b'],
    ],
    [
      'where desktops find no room: the host that is off comes on',
      facts([host('a', 0.1, 4), host('b', 0, 0, { wishedOff: true, online: false })], { short: true }),
      ['on b'],
    ],
    [
      'that does not want it any more: the host that is off comes on',
      facts([host('a', 0.1, 4), host('b', 0, 0, { wishedOff: true, online: false })], { settings: balanceUsual }),
      ['on b'],
    ],
  ])('%s', (_title, given, steps) => {
    expect(told(given)).toEqual(steps)
  })

  it('says why it does nothing', () => {
    expect(balancePlan(facts(busy, { settings: balanceUsual }), at(0)).notes).toEqual([
      'rebalancing is off',
      'consolidation is off',
    ])
    const held = host('b', 0.05, 1)
    const desktops = held.desktops.map(desktop => ({ ...desktop, stays: 'it is being started' }))
    expect(balancePlan(facts([host('a', 0.3, 4), { ...held, desktops }]), at(0)).notes).toContain(
      'b stays on: b-0 stays: it is being started',
    )
  })

  it('says which desktops stay, and why', () => {
    const nowhere = rule({ all: { a: 'the host has no gpu', b: 'the host has no gpu', c: 'it has no image' } })
    const [first, ...rest] = balancePlan(facts(busy, { rule: nowhere }), at(0)).notes
    expect(first).toContain('but no desktop of it fits elsewhere')
    expect(rest).toContain('a-0 stays: b: the host has no gpu; c: it has no image')
    expect(rest.length).toBeLessThan(10)
    expect(balancePlan(facts(quiet, { rule: nowhere }), at(0)).notes).toContain(
      'b stays on: b-0 stays: a: the host has no gpu; c: it has no image',
    )
    expect(balancePlan(facts(leaving, { rule: nowhere }), at(0)).steps).toMatchObject([
      { do: 'keep', because: 'b cannot be emptied: b-0 stays: a: the host has no gpu' },
    ])
    expect(balancePlan(facts([host('a', 0.95, 10), host('b', 0.9, 9)]), at(0)).notes).toContain(
      'a-0 stays: b: it would be used by 100 %, more than 75 %',
    )
  })

  it('counts the time above a threshold from the last time it was not', () => {
    const above = balanceSeen(new Map(), busy, settings, at(0))
    const still = balanceSeen(above, busy, settings, at(5))
    expect(still.get('a')?.aboveSince).toEqual(at(0))
    const calm = balanceSeen(still, [host('a', 0.5, 5)], settings, at(6))
    expect(balanceSeen(calm, busy, settings, at(7)).get('a')?.aboveSince).toEqual(at(7))
  })
})

describe('whatever the loads', () => {
  const any = fc
    .array(
      fc.record({
        cpu: fc.float({ min: 0, max: 1, noNaN: true }),
        desktops: fc.integer({ min: 0, max: 12 }),
        online: fc.boolean(),
        wishedOff: fc.boolean(),
      }),
      { minLength: 1, maxLength: 6 },
    )
    .map(list => list.map(({ cpu, desktops, ...some }, index) => host(`h${index}`, cpu, desktops, some)))

  it('no move is for a host that is away or wished off, none makes one busy, and no more than allowed are asked for', () => {
    fc.assert(
      fc.property(any, hosts => {
        const { steps } = balancePlan(facts(hosts), at(0))
        const moves = steps.filter(step => step.do === 'move')
        const balanced = moves.filter(({ cause }) => cause === 'balance')
        expect(balanced.length).toBeLessThanOrEqual(settings.rebalance.maxMoves)
        for (const { toHostId } of moves) {
          const target = hosts.find(({ id }) => id === toHostId)
          expect(target).toMatchObject({ online: true, wishedOff: false })
          if (balanced.length > 0 && target)
            expect(hostLoad(target)).toBeLessThan(settings.rebalance.thresholdPercent / 100)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('the last hosts stay on, and nothing goes off while anything comes on', () => {
    fc.assert(
      fc.property(any, fc.boolean(), (hosts, short) => {
        const { steps } = balancePlan(facts(hosts, { short }), at(0))
        const off = steps.filter(step => step.do === 'off').length
        const on = hosts.filter(({ online, wishedOff }) => online && !wishedOff).length
        if (off > 0) expect(on - off).toBeGreaterThanOrEqual(settings.consolidate.minHosts)
        expect(off > 0 && steps.some(step => step.do === 'on')).toBe(false)
      }),
      { numRuns: 1_000 },
    )
  })
})
