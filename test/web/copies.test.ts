import { describe, expect, it } from 'vitest'
import {
  bytesPerSecondOf,
  clustersWithout,
  copyFieldOf,
  copyGoesOn,
  copyWarnings,
  tooLargeFor,
} from '../../web/admin/copies.ts'
import { stepWord } from '../../web/data/words.ts'

type Cluster = Parameters<typeof clustersWithout>[0][number]
type VersionCopy = Parameters<typeof copyGoesOn>[0]

const copy = (changes: Partial<VersionCopy> = {}): VersionCopy => ({
  clusterId: 'main',
  clusterName: 'main',
  state: 'ready',
  progress: 100,
  text: '',
  trouble: null,
  bytesPerSecond: null,
  actions: [],
  ...changes,
})

describe('a version that is copied', () => {
  it('goes to clusters that neither have it nor get it', () => {
    const clusters = ['main', 'second', 'third'].map(id => ({ id }) as Cluster)
    const copies = [copy(), copy({ clusterId: 'third', state: 'failed' })]
    expect(clustersWithout(clusters, copies).map(({ id }) => id)).toEqual(['second'])
    expect(clustersWithout(clusters.slice(0, 1), copies)).toEqual([])
  })

  it('is warned of by what of its plan is not well', () => {
    const check = (name: 'hosts' | 'room', ok: boolean) => ({ name, ok, text: '' })
    expect(copyWarnings({ checks: [check('hosts', true), check('room', false)], hostsUnknown: ['a'] })).toEqual([
      'roomWrong',
      'hostsUnknown',
    ])
    expect(copyWarnings({ checks: [check('room', true)], hostsUnknown: [] })).toEqual([])
  })

  it('goes on where it broke off, but for what cannot be the image', () => {
    const failed = (progress: number, code: 'unreachable' | 'invalid') =>
      copy({ state: 'failed', progress, trouble: { code, text: 'The line ended.' } })
    expect(copyGoesOn(failed(42, 'unreachable'))).toBe(true)
    expect(copyGoesOn(failed(0, 'unreachable'))).toBe(false)
    expect(copyGoesOn(failed(98, 'invalid'))).toBe(false)
    expect(copyGoesOn(copy({ state: 'copying', progress: 42 }))).toBe(false)
  })
})

describe('the hardware of a template in another cluster', () => {
  const GiB = 2 ** 30
  it.each([
    [{ vcpus: 4, memoryBytes: 8 * GiB }, 4, 8, []],
    [{ vcpus: 4, memoryBytes: 8 * GiB }, 5, 8, ['vcpus']],
    [{ vcpus: 4, memoryBytes: 8 * GiB }, 8, 9, ['vcpus', 'memoryBytes']],
    [null, 64, 512, []],
  ])('is told to be too large where no host is as large (%j)', (largest, vcpus, gib, lacks) => {
    expect(tooLargeFor({ largest }, { vcpus, memoryBytes: gib * GiB })).toEqual(lacks)
  })
})

describe('the limit of a copy', () => {
  it.each([
    ['', null],
    [20, 20_971_520],
    ['0.5', 524_288],
    [0, undefined],
    [-1, undefined],
    [0.001, undefined],
    [1_000_000, undefined],
  ])('%j MiB/s is %j bytes per second', (field, bytes) => {
    expect(bytesPerSecondOf(field)).toBe(bytes)
  })

  it('shows what the server says of its bytes', () => {
    expect(copyFieldOf('bytesPerSecond')).toBe('limit')
    expect(copyFieldOf('params.clusterId')).toBe('clusterId')
  })
})

describe('what a host says of its work', () => {
  const t = ((key: string) => `[${key}]`) as unknown as Parameters<typeof stepWord>[0]
  it('is told in words, with its pace behind', () => {
    expect(stepWord(t, 'copying')).toBe('[step.copying]')
    expect(stepWord(t, 'copying, 12.5 MiB/s')).toBe('[step.copying] · 12.5 MiB/s')
    expect(stepWord(t, 'something else, quite new')).toBe('something else, quite new')
  })
})
