import { describe, expect, it } from 'vitest'
import { type ChangeCounts, fieldChanges, resize, type Standing } from '../../broker/pool-changes.ts'
import type { PoolDesktop, PoolWish } from '../../broker/pool-plan.ts'

const standing: Standing = {
  name: 'a',
  description: '',
  templateVersion: 1,
  minSize: 0,
  maxSize: 10,
  warm: 1,
  cold: 0,
  maxPerUser: 1,
  hardware: { vcpus: 1 },
  enabled: true,
  clusterIds: [],
  placement: null,
  affinity: 'none',
  needs: [],
  // As the database gives it: names in its own order.
  network: { allow: [{ cidr: '10.9.0.0/16', ports: '443', protocol: 'tcp' }], mode: 'nat' },
  ha: 'restart',
  customise: null,
}
const rule = { cidr: '10.9.0.0/16', protocol: 'tcp' as const, ports: '443' }
const floating: ChangeCounts = { kind: 'floating', free: 2, assigned: 3, running: 4 }

describe('a setting of a pool', () => {
  it.each<[string, Parameters<typeof fieldChanges>[1], ChangeCounts, unknown]>([
    [
      'version reaches what nobody has at once, the rest when it is given back',
      { templateVersion: 2 },
      floating,
      [
        {
          field: 'templateVersion',
          applies: [
            { when: 'now', desktops: 2 },
            { when: 'atGiveBack', desktops: 3 },
          ],
        },
      ],
    ],
    [
      'version does not reach what people keep',
      { templateVersion: 2 },
      { ...floating, kind: 'persistent' },
      [
        {
          field: 'templateVersion',
          applies: [
            { when: 'now', desktops: 2 },
            { when: 'never', desktops: 3 },
          ],
        },
      ],
    ],
    [
      'hardware reaches those that are made anew',
      { hardware: { vcpus: 2 } },
      floating,
      [
        {
          field: 'hardware',
          applies: [
            { when: 'nextMade', desktops: 2 },
            { when: 'atGiveBack', desktops: 3 },
          ],
        },
      ],
    ],
    [
      'allow-list reaches what runs at once',
      { network: { mode: 'nat', allow: [{ cidr: '10.0.0.0/8' }] } },
      floating,
      [{ field: 'network', applies: [{ when: 'now', desktops: 4 }] }],
    ],
    [
      'other card is one from the next start on',
      { network: { mode: 'bridge', interface: 'br0' } },
      floating,
      [{ field: 'network', applies: [{ when: 'nextStart', desktops: 4 }] }],
    ],
    [
      'place leaves what there is where it is',
      { needs: ['gpu'] },
      floating,
      [{ field: 'needs', applies: [{ when: 'nextMade', desktops: 5 }] }],
    ],
    [
      'limit per person counts from the next claim',
      { maxPerUser: 2 },
      floating,
      [{ field: 'maxPerUser', applies: [{ when: 'nextClaim', desktops: 0 }] }],
    ],
    ['that is as it was is no change', { name: 'a', network: { mode: 'nat', allow: [rule] }, warm: 1 }, floating, []],
  ])('%s', (_title, given, counts, expected) => {
    expect(fieldChanges(standing, given, counts)).toEqual(expected)
  })
})

describe('another size of a pool', () => {
  const letters = {
    c: { phase: 'stopped', assigned: false, wishedPower: 'stopped' },
    w: { phase: 'ready', assigned: false, wishedPower: 'running' },
    a: { phase: 'ready', assigned: true, wishedPower: 'running' },
  } as const
  const desktops = (states: string, versionId = 'v1'): (PoolDesktop & { name: string })[] =>
    [...states].map((letter, index) => ({
      id: `${index}`,
      name: `d${index}`,
      present: true,
      versionId,
      madeAt: new Date(index),
      ...letters[letter as keyof typeof letters],
    }))
  const wish: PoolWish = { minSize: 0, maxSize: 9, warm: 2, cold: 1, enabled: true, versionId: 'v1', restrained: false }
  const none = { make: 0, start: 0, stop: 0, remake: 0, remove: [], over: 0 }

  it.each<[string, Partial<PoolWish>, ReturnType<typeof desktops>, Partial<ReturnType<typeof resize>>]>([
    ['that is as wished changes nothing', {}, desktops('wwca'), {}],
    ['makes what lacks and starts what rests', { warm: 4 }, desktops('wwca'), { make: 2, start: 1 }],
    ['removes only what nobody has, by name', { warm: 0, cold: 0 }, desktops('wca'), { remove: ['d0', 'd1'] }],
    ['stops what may rest', { warm: 1, cold: 2 }, desktops('wwc'), { stop: 1 }],
    [
      'takes nothing from people, however many they are',
      { maxSize: 1, warm: 0, cold: 0 },
      desktops('aaa'),
      { over: 2 },
    ],
    ['on another version remakes what nobody has', { versionId: 'v2' }, desktops('wwca'), { remake: 3 }],
    ['that is switched off removes all that nobody has', { enabled: false }, desktops('wca'), { remove: ['d0', 'd1'] }],
  ])('%s', (_title, changed, there, expected) => {
    expect(resize({ ...wish, ...changed }, there)).toEqual({ ...none, ...expected })
  })
})
