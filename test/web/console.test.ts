import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findingsOf, poolsByNeed, type Seen } from '../../web/admin/overview-findings.ts'
import { createBody, emptyPool, fieldOf, type PoolValues, wrongIn } from '../../web/admin/pool-values.ts'
import { desktopsRunning, resourcesSum } from '../../web/admin/resources-sum.ts'
import { personNotice } from '../../web/data/words.ts'
import { csvOf } from '../../web/ui/csv.ts'
import { problemOf } from '../../web/ui/problem.ts'

type Host = NonNullable<Seen['hosts']>[number]
type Pool = Seen['pools'][number]

const host = (changes: object = {}) =>
  ({ id: 'h', name: 'node-a', state: 'online', troubles: [], facts: null, ...changes }) as unknown as Host
const pool = (changes: object = {}) =>
  ({
    id: 'p',
    name: 'demo',
    status: 'ok',
    enabled: true,
    maxSize: 9,
    counts: { assigned: 1 },
    ...changes,
  }) as unknown as Pool
const seen = (changes: Partial<Seen>): Seen => ({
  hosts: [host()],
  pools: [pool()],
  troubled: [],
  cutOff: [],
  templates: [],
  storage: { roots: [], pools: [] },
  ...changes,
})
const keys = (found: ReturnType<typeof findingsOf>) => found.map(({ words }) => words.key)

describe('what the overview finds wrong', () => {
  it('is nothing when all is well', () => {
    expect(findingsOf(seen({}))).toEqual([])
  })

  it('puts the worst first', () => {
    const facts = { accelerator: 'tcg', simulated: false, acceleratorReason: 'no device' }
    const found = findingsOf(seen({ hosts: [host({ facts }), host({ id: 'i', state: 'lost' })] }))
    expect(keys(found)).toEqual(['overview.hostLost', 'overview.slow'])
  })

  it('names storages that fill, once for all hosts that share one, and pools that fail, with where they stand', () => {
    const hosts = ['a', 'b', 'c', 'd'].map(name => ({ id: name, name }))
    const root = (level: string, storageId: string) => ({ storageId, hosts, level, warning: 'make room' })
    const storages = [root('warning', 's'), root('ok', 't'), root('full', 'u')]
    const disk = (changes: object) => ({
      id: 'v',
      clusterId: 'c2',
      name: 'bulk',
      level: 'ok',
      state: 'ready',
      ...changes,
    })
    const pools = [
      disk({}),
      disk({ level: 'critical', warning: 'soon' }),
      disk({ state: 'failed', text: 'node-a: gone' }),
    ]
    const storage = { roots: [{ clusterId: 'c1', storages }], pools } as unknown as Seen['storage']
    const found = findingsOf(seen({ storage }))
    expect(found.map(({ words, level, text, id }) => [words.key, level, text, id])).toEqual([
      ['overview.rootFills', 'bad', 'make room', 'c1'],
      ['overview.storagePoolFills', 'bad', 'soon', 'c2'],
      ['overview.storagePoolFails', 'bad', 'node-a: gone', 'c2'],
      ['overview.rootFills', 'warn', 'make room', 'c1'],
    ])
    expect(found[0]?.words).toMatchObject({ name: 'a, b, c …' })
  })

  it('does not warn of slowness where machines are only simulated', () => {
    const facts = { accelerator: 'tcg', simulated: true, acceleratorReason: null }
    expect(findingsOf(seen({ hosts: [host({ facts })] }))).toEqual([])
  })

  it('says that there is no host, but not to those who may not see hosts', () => {
    expect(keys(findingsOf(seen({ hosts: [] })))).toEqual(['overview.noHosts'])
    expect(findingsOf(seen({ hosts: null }))).toEqual([])
  })

  it('names pools that have nothing left, and those whose starts fail', () => {
    const pools = [pool({ counts: { assigned: 9 } }), pool({ id: 'q', status: 'restrained', statusText: 'disk full' })]
    expect(keys(findingsOf(seen({ pools })))).toEqual(['overview.poolRestrained', 'overview.poolEmpty'])
  })

  it('shows of many pools those first that need somebody, then the fullest', () => {
    const given = (id: string, assigned: number, changes: object = {}, total = 4) =>
      pool({ id, name: id, maxSize: 4, counts: { assigned, total }, ...changes })
    const pools = [
      given('unused', 0, {}, 0),
      given('quiet', 0),
      given('b-half', 2),
      given('a-half', 2),
      given('full', 4),
      given('off', 4, { enabled: false }),
      given('waiting', 0, { status: 'waiting' }),
      given('none', 0, { maxSize: 0 }),
      given('paused', 0, { status: 'restrained' }),
    ]
    expect(poolsByNeed(pools).map(({ id }) => id)).toEqual([
      'paused',
      'waiting',
      'full',
      'off',
      'a-half',
      'b-half',
      'none',
      'quiet',
      'unused',
    ])
  })

  it('is who waits for a lost host, once for each host, with the way to make sure that it is off', () => {
    const waits = (id: string, userId: string, host: string, fence = true) => ({
      ...{ id, userId, name: id, phase: 'unknown', trouble: null, waitsForHost: { id: host, name: host, fence } },
    })
    const troubled = [
      waits('a', 'ana', 'h2'),
      waits('b', 'ben', 'h2'),
      waits('c', 'ana', 'h2'),
      waits('d', 'dan', 'h3'),
      waits('e', 'eve', 'h2', false),
    ]
    const found = findingsOf(seen({ troubled: troubled as unknown as Seen['troubled'] }))
    expect(found).toMatchObject([
      { words: { key: 'overview.peopleWait', count: 2, host: 'h2' }, to: '/admin/hosts/$id', id: 'h2', show: 'fence' },
      { words: { key: 'overview.peopleWait', count: 1, host: 'h3' }, id: 'h3' },
      { words: { key: 'overview.peopleStay', count: 1, host: 'h2' }, id: 'h2', next: 'overview.peopleStayNext' },
    ])
    expect(found.map(({ show }) => show)).toEqual(['fence', 'fence', undefined])
  })

  it('is that desktops have no network, once for each host', () => {
    const on = (host: string) => ({ hostId: host, hostName: host.toUpperCase() })
    const cutOff = [on('h1'), on('h2'), on('h1')] as unknown as Seen['cutOff']
    expect(findingsOf(seen({ cutOff }))).toMatchObject([
      { words: { key: 'overview.noNetwork', count: 2, host: 'H1' }, id: 'h1', tab: 'desktops', level: 'warn' },
      { words: { key: 'overview.noNetwork', count: 1, host: 'H2' }, id: 'h2' },
    ])
  })

  it('is every other desktop that cannot be used, by the sentence of its code', () => {
    const raw = 'qemu-system-x86_64: -blockdev /var/tmp/a.qcow2'
    const troubled = [
      { id: 'a', name: 'a', phase: 'starting', waitsForHost: null, trouble: { code: 'disk_in_use', text: raw } },
      { id: 'b', name: 'b', phase: 'failed', waitsForHost: null, trouble: { code: 'start_failed', text: raw } },
    ]
    const found = findingsOf(seen({ troubled: troubled as unknown as Seen['troubled'] }))
    expect(found).toMatchObject([
      { words: { key: 'overview.desktopFailed', name: 'b' }, next: 'problem.code.start_failed' },
      { words: { key: 'overview.desktopTrouble', name: 'a' }, next: 'problem.code.disk_in_use' },
    ])
    expect(JSON.stringify(found)).not.toContain('qemu')
  })
})

describe('what a person is told of a desktop that cannot be used', () => {
  const t = ((key: string) => key) as unknown as Parameters<typeof personNotice>[0]
  const well = { trouble: null, waitsForHost: null, noNetwork: null, phase: 'stopped' as const, actions: [] }
  const kept = [{ name: 'start', allowed: false, reason: 'a template version is being made of it' }]
  const raw = 'qemu-system-x86_64: -blockdev /var/tmp/a.qcow2'
  it.each([
    [null, {}],
    ['portal.waitsForHost', { trouble: { code: 'disk_in_use', text: raw } }],
    ['portal.waitsForHost', { waitsForHost: { id: 'h', name: 'h2', fence: true } }],
    ['portal.hostAway', { waitsForHost: { id: 'h', name: 'h2', fence: false } }],
    ['problem.code.start_failed', { trouble: { code: 'start_failed', text: raw } }],
    ['problem.code.internal', { trouble: { code: 'never_heard_of', text: raw } }],
    ['portal.copied', { actions: kept }],
    [null, { actions: kept, phase: 'ready' as const }],
    ['portal.noNetwork', { noNetwork: 'its address is of another cluster' }],
  ])('is %s and never what its host said', (words, changes) => {
    expect(personNotice(t, { ...well, ...changes })).toBe(words)
  })
})

describe('the resources of several clusters', () => {
  it('are the sums of what each has', () => {
    const amount = (total: number, used: number) => ({ total, used, reserved: 1, free: total - used - 1 })
    const one = (total: number) => {
      const each = amount(total, 2)
      return { resources: { desktops: each, vcpus: each, memoryBytes: each, storageBytes: each } }
    }
    const summed = { total: 30, used: 4, reserved: 2, free: 24 }
    expect(resourcesSum([one(10), one(20)])).toMatchObject({
      desktops: summed,
      memoryBytes: summed,
      storageBytes: summed,
    })
    expect(resourcesSum([]).storageBytes).toEqual({ total: 0, used: 0, reserved: 0, free: 0 })
  })

  it('counts as running what runs on hosts in maintenance too, but not what may run on lost ones', () => {
    const on = (state: 'online' | 'suspect' | 'maintenance' | 'lost', running: number) => ({
      state,
      used: { desktops: running, running, vcpus: running, memoryBytes: 0 },
    })
    expect(desktopsRunning([on('online', 1), on('suspect', 10), on('maintenance', 100), on('lost', 1_000)])).toBe(111)
  })
})

describe('the form of a pool', () => {
  const values: PoolValues = { ...emptyPool([]), name: 'physics-lab', templateId: 't' }

  it('has defaults that only lack a name and a template', () => {
    expect(Object.keys(wrongIn(emptyPool([])))).toEqual(['name', 'templateId'])
    expect(wrongIn(values)).toEqual({})
  })

  it.each([
    ['name', 'Physics Lab'],
    ['name', '-lab'],
    ['name', 'a'.repeat(41)],
    ['maxSize', ''],
    ['warm', 1.5],
    ['cold', -1],
    ['maxPerUser', 0],
  ])('refuses %s = %j before it is sent', (field, value) => {
    expect(Object.keys(wrongIn({ ...values, [field]: value }))).toEqual([field])
  })

  it('refuses a maximum below the minimum', () => {
    expect(wrongIn({ ...values, minSize: 5, maxSize: 4 })).toEqual({ maxSize: 'pools.form.maxLess' })
    const joining = { ...values, customise: { ...values.customise, joins: true } }
    expect(Object.keys(wrongIn(joining))).toEqual([
      'customise.domain.name',
      'customise.domain.user',
      'customise.domain.password',
    ])
    expect(Object.keys(wrongIn({ ...joining, customise: { ...joining.customise, passwordSet: true } }))).toHaveLength(2)
  })

  it('sends memory in bytes and the newest version as null', () => {
    expect(createBody({ ...values, memoryMib: '512' })).toMatchObject({
      hardware: { memoryBytes: 512 * 2 ** 20 },
      templateVersion: null,
    })
  })

  it('puts what the server says of hardware beside its own field', () => {
    expect(fieldOf('hardware.memoryBytes')).toBe('memoryMib')
    expect(fieldOf('name')).toBe('name')
  })
})

describe('small things of the console', () => {
  it('writes CSV in which no cell can be a formula or break out of its quotes', () => {
    const columns = [{ head: 'Name', text: (row: string) => row }, { head: 'not in it' }]
    expect(csvOf(columns, ['=1+1', 'say "hi"'])).toBe('"Name"\r\n"\'=1+1"\r\n"say ""hi"""\r\n')
    fc.assert(
      fc.property(fc.string(), text => {
        const cell = csvOf(columns, [text]).slice('"Name"\r\n"'.length, -'"\r\n'.length)
        expect(cell.replaceAll('""', '')).not.toContain('"')
        expect(cell).not.toMatch(/^[=+\-@\t\r]/)
      }),
    )
  })

  it('turns whatever was thrown into words: known codes, unknown ones, and a server that is away', () => {
    expect(problemOf({ status: 409, code: 'user_limit', detail: 'one at most' })).toMatchObject({ known: 'user_limit' })
    expect(problemOf({ status: 500, code: 'something_new', detail: '' }).known).toBe('internal')
    expect(problemOf({ status: 0, code: 'unreachable', detail: '' }).known).toBeNull()
    expect(problemOf(new TypeError('no')).known).toBeNull()
    const errors = [{ field: 'body.name', message: 'taken' }]
    const named = problemOf({ status: 400, code: 'invalid', detail: 'body.name: taken', errors })
    expect(named).toMatchObject({ detail: 'taken', fields: { name: 'taken' } })
  })
})
