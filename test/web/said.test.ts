import { readFileSync } from 'node:fs'
import i18next from 'i18next'
import { expect, it } from 'vitest'
import { saidIn, saidTable, saidWord } from '../../web/i18n/said.ts'
import { zhSaid } from '../../web/i18n/zh-said.ts'
import { sentencesIn } from '../support/sentences.ts'

/** What people read of these files is known in Chinese, whole. */
const covered = [
  'broker/assignments.ts',
  'broker/balance.ts',
  'broker/balancing.ts',
  'broker/bringing-back.ts',
  'broker/captures.ts',
  'broker/cloning.ts',
  'broker/cluster-networks.ts',
  'broker/clusters.ts',
  'broker/commands.ts',
  'broker/copies.ts',
  'broker/customisation.ts',
  'broker/deploy-log.ts',
  'broker/desktop-bulk.ts',
  'broker/desktop-changes.ts',
  'broker/desktop-hardware.ts',
  'broker/desktop-making.ts',
  'broker/desktop-state.ts',
  'broker/desktops.ts',
  'broker/dongles.ts',
  'broker/evacuation.ts',
  'broker/exports.ts',
  'broker/fencing.ts',
  'broker/foreign-machines.ts',
  'broker/hardware-limits.ts',
  'broker/host-removal.ts',
  'broker/hosts.ts',
  'broker/live-hardware.ts',
  'broker/maintenance.ts',
  'broker/making-checks.ts',
  'broker/migration-plan.ts',
  'broker/migration-turns.ts',
  'broker/migrations.ts',
  'broker/move-ending.ts',
  'broker/move-opening.ts',
  'broker/move-target.ts',
  'broker/placement.ts',
  'broker/placements.ts',
  'broker/pool-network.ts',
  'broker/pool-plan.ts',
  'broker/pool-warnings.ts',
  'broker/pools.ts',
  'broker/power.ts',
  'broker/push-plan.ts',
  'broker/pushes.ts',
  'broker/recycle-bin.ts',
  'broker/returning.ts',
  'broker/screens.ts',
  'broker/script-trials.ts',
  'broker/sessions.ts',
  'broker/sites.ts',
  'broker/snapshots.ts',
  'broker/starting.ts',
  'broker/starved.ts',
  'broker/storage-level.ts',
  'broker/storage-pools.ts',
  'broker/storage-state.ts',
  'broker/storage-tasks.ts',
  'broker/taking-back.ts',
  'broker/task-progress.ts',
  'broker/tasks.ts',
  'broker/templates.ts',
  'broker/verifications.ts',
  'broker/verify-plan.ts',
  'broker/volume-reach.ts',
  'broker/volumes.ts',
  'broker/reconcile/balance.ts',
  'broker/reconcile/bin.ts',
  'broker/reconcile/evacuations.ts',
  'broker/reconcile/migrations.ts',
  'broker/reconcile/pools.ts',
  'broker/reconcile/pushes.ts',
  'broker/reconcile/templates.ts',
  'broker/reconcile/desktops.ts',
  'vmm/agent-scripts.ts',
  'vmm/foreign-domain.ts',
  'vmm/migrate.ts',
]

/** What no page shows, each with why. */
const notSaid: Record<string, string> = {
  'go on': 'a word of the code',
  'undo claim': 'a word of the code',
  'call off': 'a word of the code',
  'making disk': 'a step: its word stands in the message files',
  '{} version {}': 'the name of a version',
  '{} vCPU': 'a number and its unit',
  'one of many failed': 'a line of the log',
  'a lost host could not be fenced': 'a line of the log',
  '{} of {}': 'names',
  'given up': 'a word of the code',
  'allow pause': 'a word of the code',
  'give up': 'a word of the code',
  'its disk has the format {}: convert it to qcow2 first (qemu-img convert)': 'ends with a command',
  'its disk stands on another file ({}): make it a file of its own first (qemu-img rebase -b "")':
    'ends with a command',
  'it has snapshots: delete them first (virsh snapshot-delete)': 'ends with a command',
}
/** What stands in other sentences only: one of those, whole. */
const within: Record<string, string> = {
  '{}, on {}': 'its disk is there, on node1',
  '{} on it there': '2 desktops stand on it there',
  'is {} {} % now': 'node1 is above 85 % now (92 %)',
  'was {} {} % for {}': 'node1 was above 85 % for 10 minutes (92 %), but no desktop of it fits elsewhere',
  '{}: their effect is awaited': '2 moves are under way: their effect is awaited',
  'moves rest for {}': 'moves rest for 5 minutes',
  'no host {}': 'no host was above 85 % for 10 minutes',
  'power rests for {}': 'power rests for 1 minute',
  '{} {}, and {} can carry its {}': 'node1 was below 20 % for 30 minutes, and 2 others can carry its 3 desktops',
  'fewer than {} on': 'fewer than 2 hosts are on',
  'host is': 'fewer than 1 host is on',
  'hosts are': 'fewer than 2 hosts are on',
  'volumes are not copied: {} {} with {}': 'volumes are not copied: data stays with lab-1',
  '{}: {} {} on {}. Put the program, or a link to it, there and make it executable (chmod +x), on every machine that runs the control plane: whichever leads runs it. Then save again.':
    'fence: /etc/hdcs/commands/off is not there on control1. Put the program, or a link to it, there and make it executable (chmod +x), on every machine that runs the control plane: whichever leads runs it. Then save again.',
  'is not there':
    'fence: /etc/hdcs/commands/off is not there on control1. Put the program, or a link to it, there and make it executable (chmod +x), on every machine that runs the control plane: whichever leads runs it. Then save again.',
  'is no program':
    'fence: /etc/hdcs/commands/off is no program on control1. Put the program, or a link to it, there and make it executable (chmod +x), on every machine that runs the control plane: whichever leads runs it. Then save again.',
  'may not be run by HDCS':
    'fence: /etc/hdcs/commands/off may not be run by HDCS on control1. Put the program, or a link to it, there and make it executable (chmod +x), on every machine that runs the control plane: whichever leads runs it. Then save again.',
  'desktop is set aside': '1 desktop is set aside and given to nobody. lab-1: ended with exit code 3',
  'desktops are set aside': '2 desktops are set aside and given to nobody. lab-1: ended with exit code 3',
  '{} and given to nobody. {}: {}': '2 desktops are set aside and given to nobody. lab-1: ended with exit code 3',
  '{} s': 'before: ended with exit code 3 after 2.5 s',
  '{}, try {}': 'before, try 2: begins',
  '{}: {} after {}': 'before, try 2: was ended by force after 60 s after 60.1 s',
  'desktop was': 'refused: 1 desktop was not asked for: who wanted it may not sign in any more',
  'desktops were': 'refused: 2 desktops were not asked for: who wanted it may not sign in any more',
  'refused: {} not asked for: who wanted it may not sign in any more':
    'refused: 2 desktops were not asked for: who wanted it may not sign in any more',
  '{} by {}': 'its drive was emptied by Ana',
  '{} {} was put into its drive': 'debian 3 was put into its drive by Ana',
  'told to start from its disc': 'told to start from its disc by Ana',
  'told to start from its disk': 'told to start from its disk by Ana',
  'its drive was emptied': 'its drive was emptied by Ana',
  'is floating: its desktops are destroyed when they are given back':
    'The pool lab is floating: its desktops are destroyed when they are given back: choose another one, or make one.',
  'has a template of its own; adopted machines need one that is an empty disk':
    'The pool lab has a template of its own; adopted machines need one that is an empty disk: choose another one, or make one.',
  'is being removed': 'The pool lab is being removed: choose another one, or make one.',
  'is not for the cluster of this host':
    'The pool lab is not for the cluster of this host: choose another one, or make one.',
  '{}, to be deleted first ({})': '2 volumes are on it and on no other host, to be deleted first (data, more)',
  'volume is on it and on no other host': '1 volume is on it and on no other host, to be deleted first (data)',
  'volumes are on it and on no other host':
    '2 volumes are on it and on no other host, to be deleted first (data, more)',
  'to {}, {}: {}': 'to node2, asked by Ana: The move failed.',
  'to {}: {}': 'to node2: asked by Ana',
  'a {} is in it': 'a host is in it',
  '{} {}s are in it': '2 hosts are in it',
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
  '{} is {} % full: {} of {} are free{}': 'H1 is 90 % full: 1 GiB of 10 GiB are free (25 GiB are promised of it)',
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
  expect(chinese('{2} asked by {1}')).toBe('{1} 请求：{2}')
  expect(chinese('moved was named ready by its disk')).toBe('its disk 将 moved 改名为 ready')
  expect(chinese('On no host: node1: 200 MiB memory left, 2048 MiB wanted; node2: its storage is nearly full.')).toBe(
    '没有节点可用：node1：剩余内存 200 MiB，需要 2048 MiB；node2：存储即将用尽。',
  )
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
