import { readFileSync } from 'node:fs'
import i18next from 'i18next'
import { expect, it } from 'vitest'
import { saidIn, saidTable, saidWord } from '../../web/i18n/said.ts'
import { zhSaid } from '../../web/i18n/zh-said.ts'
import { sentencesIn } from '../support/sentences.ts'

/** What people read of these files is known in Chinese, whole. */
const covered = [
  'broker/assignments.ts',
  'broker/bringing-back.ts',
  'broker/captures.ts',
  'broker/clusters.ts',
  'broker/copies.ts',
  'broker/desktop-state.ts',
  'broker/evacuation.ts',
  'broker/exports.ts',
  'broker/hosts.ts',
  'broker/live-hardware.ts',
  'broker/making-checks.ts',
  'broker/migration-plan.ts',
  'broker/move-target.ts',
  'broker/placement.ts',
  'broker/pool-plan.ts',
  'broker/pools.ts',
  'broker/push-plan.ts',
  'broker/pushes.ts',
  'broker/reconcile/pools.ts',
  'broker/returning.ts',
  'broker/snapshots.ts',
  'broker/storage-level.ts',
  'broker/storage-pools.ts',
  'broker/storage-state.ts',
  'broker/task-progress.ts',
  'broker/templates.ts',
  'broker/verify-plan.ts',
  'broker/volume-reach.ts',
  'broker/volumes.ts',
]

/** What no page shows, each with why. */
const notSaid: Record<string, string> = {
  'go on': 'a word of the code',
  'undo claim': 'a word of the code',
  'call off': 'a word of the code',
  'making disk': 'a step: its word stands in the message files',
  '{} version {}': 'the name of a version',
  '{} vCPU': 'a number and its unit',
}
/** What stands in other sentences only: one of those, whole. */
const within: Record<string, string> = {
  '{}, on {}': 'its disk is there, on node1',
  '{} on it there': '2 desktops stand on it there',
  'its {}': 'its memory is being saved: wait for that, or cancel it',
  'its desktop’s': 'its desktop’s memory is being saved: wait for that, or cancel it',
  'desktop stands': '1 desktop stands on it there',
  'desktops stand': '2 desktops stand on it there',
  '{} of its {} taken': '3 places of its 9 taken',
  'grows to {} at most{}': 'grows to 8 GiB at most; 90 GiB are left on node1 besides its reserve',
  'the site’s network': 'the site’s network gives it its address',
  '{} on {}{}': '2 vCPU and 2 GiB memory on node1, which has only 1 CPU: fewer are faster there',
  '{} is {}': 'node1 is suspect',
  '{}; best of {} that fit{}':
    'spread: 75 % vCPU and 50 % memory left after it, 2 of the pool there; best of 2 that fit in 2 clusters',
  'person has a desktop':
    '1 person has a desktop in lab: what is there would be lost. Have it given back first, or remove the pool with force.',
  'people have desktops':
    '2 people have desktops in lab: what is there would be lost. Have it given back first, or remove the pool with force.',
  '{} the image': '2 hosts have the image',
  'host has': '1 host has the image',
  'hosts have': '2 hosts have the image',
  'copied to': 'its image is first copied to 1 host of 3 (node2 is at 40 %)',
  'made on': 'its image is first made on 2 hosts of 3 (node2 could not get it: its storage is nearly full)',
  'its image is first {} {} of {} ({})': 'its image is first made on 2 hosts of 3 (node2 is at 40 %)',
  '{} remade when given back': '3 are being remade, 2 are remade when given back, 1 failed',
  '{} on lost hosts and will follow': '1 is on lost hosts and will follow',
  '{} somebody’s own and will stay as they are': '4 are somebody’s own and will stay as they are',
  'while the desktop stood still':
    'node1 was lost while the desktop stood still: it returns on its own disk, whose lock lets it start once the old copy has ended',
  'be suspended': 'It was asked for something else meanwhile: it shall be suspended now.',
  'stand still': 'It was asked for something else meanwhile: it shall stand still now.',
  '{} still to come': '2 are still to come',
  'in maintenance': 'it is still in maintenance',
  '{} of {} work{}{}': '7 of 9 work, 1 do not, 1 were left out',
}

/** Sentences with a verb for one or for many in them. */
const verbs = [
  '{n} warm {} missing',
  'volumes are not copied: {} {} with {}',
  '{} was not switched {}: {}. Look at its power switch.',
]

const chinese = saidIn(zhSaid)
/** Nothing English is left but names of things: two words in a row are a sentence. */
const whole = (text: string) => !/[a-z]{2,} [a-z]{2,}/i.test(text) && /[一-鿿]/.test(text)
/** As it may come: its values names or numbers, and what is counted behind a number. */
const known = (sentence: string) =>
  ['V', '7', '7 '].some(value => {
    let at = 0
    const filled = sentence.replace(/\{\}/g, () => (value === 'V' ? `V${++at}` : value.trim()))
    return whole(chinese(value.endsWith(' ') ? `${value}${filled}` : filled))
  })

it.each(covered)('has Chinese for each sentence of %s', file => {
  const sentences = sentencesIn(readFileSync(file, 'utf8'))
  expect(sentences.length).toBeGreaterThan(0)
  expect(
    sentences.filter(sentence => !(sentence in notSaid) && !whole(chinese(within[sentence] ?? '')) && !known(sentence)),
  ).toEqual([])
})

it('gives back the values of a sentence, and what is counted and told in it, in Chinese too', () => {
  expect(chinese('reverted to before by Ana')).toBe('Ana 恢复到快照 before')
  expect(
    chinese(
      'its host is lost; it waits for node1 to return: its volume data lies on the storage pool fast of its host alone: detach it first',
    ),
  ).toBe('所在节点已失联；正在等待：node1 恢复：它的卷 data 只在所在节点的存储池 fast 上：请先分离')
  for (const [english, said] of Object.entries(zhSaid)) {
    let at = 0
    const filled = english.replace(/\{n?\}/g, value => (value === '{n}' ? `${70 + ++at}` : `V${++at}`))
    const values = filled.match(/V\d|7\d/g) ?? []
    const shown = [...said.matchAll(/\{(\d)\}/g)].map(([, number]) => Number(number))
    expect(
      shown.filter(number => number > at),
      english,
    ).toEqual([])
    // What no value of is shown has nothing but a verb in its place.
    const dropped = values.filter((_, index) => !shown.includes(index + 1))
    expect(dropped.length, english).toBeLessThanOrEqual(verbs.includes(english) ? 1 : 0)
  }
})

it('leaves as they came: what it does not know, names, and all of it in English', async () => {
  expect(chinese('the moon is not in')).toBe('the moon is not in')
  expect(chinese('')).toBe('')
  expect(chinese('is suspended by {1} asked by {2}')).toBe('{2} 请求：is suspended by {1}')
  expect(chinese('moved was named ready by its disk')).toBe('its disk 将 moved 改名为 ready')
  saidTable(zhSaid)
  await i18next.init({ lng: 'en', resources: {} })
  for (const english of Object.keys(zhSaid)) expect(saidWord(english)).toBe(english)
  await i18next.changeLanguage('zh')
  expect(saidWord('the guest answers')).toBe('系统已就绪')
  expect(saidWord(null)).toBeNull()
  await i18next.changeLanguage('en')
})

it('takes no time to speak of, whatever is said', () => {
  const nasty = ['x', 'a, b; c: d (e) ', ' asked by ', ': ; , ', '{} waits: ', '7 of 7 left, ']
  for (const part of nasty)
    for (const length of [1_900, 10_000]) {
      const text = part.repeat(Math.ceil(length / part.length)).slice(0, length)
      const began = performance.now()
      chinese(text)
      // A few ms by itself: what is exponential takes hours, also on a machine that does much else.
      expect(performance.now() - began, part).toBeLessThan(500)
    }
})
