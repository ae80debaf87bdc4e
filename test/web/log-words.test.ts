/** The lines of logs, as broker/ writes them, in the words of the pages. */
import type { TFunction } from 'i18next'
import { describe, expect, it } from 'vitest'
import {
  bulkTask,
  type DesktopForTask,
  desktopTask,
  moveTask,
  taskSettled,
  versionTask,
} from '../../broker/task-progress.ts'
import type { ReceiptOpen } from '../../db/tasks.ts'
import { logWord } from '../../web/data/log-words.ts'
import { en } from '../../web/i18n/en.ts'
import { zh } from '../../web/i18n/zh.ts'

/** The words behind a key of a message file, its holes filled. */
const tOf = (messages: object) =>
  ((key: string, holes: Record<string, unknown> = {}) => {
    const text = key.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], messages)
    return String(text).replace(/\{\{(\w+)\}\}/g, (_, name: string) => String(holes[name]))
  }) as unknown as TFunction
const [english, chinese] = [tOf(en), tOf(zh)]

describe('a line of a log', () => {
  it.each([
    ['done', 'Done', '完成'],
    ['boot', 'Starting the system', '启动系统'],
    ['queue: 3', 'Waiting for its turn: place 3', '正在排队：第 3 位'],
    ['make: converting the image', 'Building: Converting the image', undefined],
    ['copy: copying, 12.5 MiB/s', 'Copying: Copying · 12.5 MiB/s', undefined],
    ['failed: the host said no: 5', 'Failed: the host said no: 5', '失败：the host said no: 5'],
    ['refused: demo-1: it is not ready.', 'Refused: demo-1: it is not ready.', '被拒绝：demo-1: it is not ready.'],
    ['many: 1 done, 2 failed, 3 refused of 6', '1 done, 2 failed, 3 refused of 6', undefined],
    ['root called off 2 of 5', 'root called off 2 of 5', 'root 取消了 5 个中的 2 个'],
    ['before, try 2: begins', 'Script before hand-over, try 2: begins', undefined],
    [
      'after: ended with exit code 3 after 1.2 s',
      'Script for its person: ended with exit code 3 after 1.2 s',
      undefined,
    ],
    ['before | make: nothing to be done', 'Script before hand-over | make: nothing to be done', undefined],
    ['customise: before', 'Script before hand-over', undefined],
    ['save failed: no room', 'Could not be saved: no room', undefined],
  ])('is said in words: %s', (line, words, chineseWords) => {
    expect(logWord(english, line)).toBe(words)
    const other = logWord(chinese, line)
    if (chineseWords !== undefined) expect(other).toBe(chineseWords)
    expect(other).not.toBe(line)
    expect(other).toMatch(/\p{Script=Han}/u)
  })

  it('of a desktop’s life names its phases as its page does', () => {
    const line = 'starting (ana): is being started'
    expect(logWord(english, line, 'life')).toBe(`${en.phase.starting} (ana): is being started`)
    expect(logWord(chinese, line, 'life')).toBe(`${zh.phase.starting} (ana)：is being started`)
  })

  it.each(['Switched on by Wake-on-LAN.', 'ana says that h1 is off', 'constructor', 'h1: nothing answers'])(
    'that is a sentence stands as it came: %s',
    line => {
      expect([logWord(english, line), logWord(chinese, line)]).toEqual([line, line])
    },
  )

  const now = new Date()
  const desktop: DesktopForTask = {
    phase: 'starting',
    userId: null,
    observedStep: null,
    queuePlace: 2,
    incarnation: { wished: 1, observed: 1 },
    trouble: null,
    saved: { wished: true, observed: { state: 'saving', progress: 5 } },
    power: 'running',
    moving: false,
    setup: null,
  }
  const lineOf = (kind: string, become: Parameters<typeof taskSettled>[1]) => {
    const receipt: ReceiptOpen = { id: 'a', kind, state: 'running', progress: 0, steps: [], goal: {} }
    return taskSettled(receipt, become, now).map(({ line }) => [kind, line] as const)
  }
  const about = (kind: string, facts: Partial<DesktopForTask> = {}) => {
    const receipt: ReceiptOpen = { id: 'a', kind, state: 'running', progress: 0, steps: [], goal: {} }
    return lineOf(kind, desktopTask(receipt, { ...desktop, ...facts }))
  }
  const version = { progress: 1, text: 'converting the image', trouble: null, attempt: 1 }
  const move = { progress: 1, text: '', trouble: null }
  it.each([
    ...['making disk', 'queued', 'starting', 'booting'].flatMap(observedStep =>
      about('desktop.start', { observedStep }),
    ),
    ...about('desktop.customise', { setup: { pending: true, booted: true, text: 'before, try 2' } }),
    ...['suspend', 'resume', 'save', 'release', 'delete', 'purge', 'snapshot', 'snapshotRemove', 'revert'].flatMap(
      action => about(`desktop.${action}`, { power: action === 'suspend' ? 'paused' : 'running' }),
    ),
    ...about('desktop.shutdown', { power: 'stopped' }),
    ...about('desktop.poweroff', { power: 'stopped' }),
    ...about('desktop.clone', { phase: 'making' }),
    ...about('desktop.start', { phase: 'ready' }),
    ...lineOf('template.make', versionTask({ ...version, state: 'uploading' }, {})),
    ...lineOf('template.make', versionTask({ ...version, state: 'making' }, {})),
    ...(['queued', 'preparing', 'moving'] as const).flatMap(state =>
      lineOf('desktop.migrate', moveTask({ ...move, state })),
    ),
    ...lineOf('desktop.many', bulkTask({ tasks: ['a'], refused: 0 }, { left: 1, failed: 0 })),
  ])('that a receipt of %s writes has words in both languages: %s', (_kind, line) => {
    expect(line).toEqual(expect.any(String))
    expect(logWord(english, line ?? '')).not.toMatch(/^[a-z]/)
    expect(logWord(chinese, line ?? '')).toMatch(/\p{Script=Han}/u)
  })
})
