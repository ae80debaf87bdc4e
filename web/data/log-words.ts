/**
 * Lines of a task's or a desktop's log, in the reader's language: steps, phases, counts and known sentences. What hosts,
 * scripts and people wrote stands as it came.
 */
import type { TFunction } from 'i18next'
import { en } from '../i18n/en.ts'
import { saidWord } from '../i18n/said.ts'
import { actionWord, phaseWord, stepWord } from './words.ts'

/** A script's own name, and which try of it: `before, try 2`. */
const scripts = '(answers|hostName|domain|before|after|trial)'
const script = `${scripts}(?:, try (\\d+))?`
const scriptWord = (t: TFunction, step: string, number = '') =>
  number === '' ? stepWord(t, step) : t('taskLog.try', { step: stepWord(t, step), number })
const said = (t: TFunction, step: string, text: string) => t('taskLog.said', { step, text })

/** As the server writes them (broker/task-progress.ts, broker/deploy-log.ts, broker/tasks.ts), with their parts. */
const forms: [RegExp, (t: TFunction, ...parts: string[]) => string][] = [
  [/^done$/, t => t('taskLog.done')],
  [/^failed: (.+)$/s, (t, text = '') => said(t, t('taskState.failed'), saidWord(text))],
  [/^cancelled: (.+)$/s, (t, text = '') => said(t, t('taskState.cancelled'), saidWord(text))],
  [/^refused: (.+)$/s, (t, text = '') => said(t, t('taskPartState.refused'), saidWord(text))],
  [
    /^many: (\d+) done, (\d+) failed, (\d+) refused of (\d+)$/,
    (t, done = '', failed = '', refused = '', total = '') => t('taskLog.many', { done, failed, refused, total }),
  ],
  [
    /^(.+) called off (\d+) of (\d+)$/,
    (t, name = '', ended = '', total = '') => t('taskLog.calledOff', { name, ended, total }),
  ],
  [/^(.+) asked to cancel it$/, (t, name = '') => t('taskLog.askedToCancel', { name })],
  [/^queue: (\d+)$/, (t, place = '') => t('taskLog.queue', { place })],
  [
    new RegExp(`^${script}: begins$`),
    (t, step = '', number = '') => said(t, scriptWord(t, step, number), t('taskLog.begins')),
  ],
  [
    new RegExp(`^${script}: ended with exit code (\\d+) after ([\\d.]+) s$`),
    (t, step = '', number = '', code = '', seconds = '') =>
      said(t, scriptWord(t, step, number), t('taskLog.exited', { code, seconds })),
  ],
  // What it wrote itself.
  [new RegExp(`^${scripts} \\| (.*)$`, 's'), (t, step = '', text = '') => `${stepWord(t, step)} | ${text}`],
  [new RegExp(`^customise: ${script}$`), (t, step = '', number = '') => scriptWord(t, step, number)],
]

/** `starting (ana): is being started`, `make: converting the image`, `boot` */
const named = /^([^:(]+?)( \([^)]*\))?: (.+)$/s

/**
 * One line; as it came where nothing in it is known.
 * @param of a task, whose steps are named; or the life of a desktop's disk, where a phase may be called like a step.
 */
export function logWord(t: TFunction, line: string, of: 'task' | 'life' = 'task'): string {
  for (const [form, words] of forms) {
    const found = form.exec(line)
    if (found) return words(t, ...found.slice(1))
  }
  const [, name = line, who = '', text] = named.exec(line) ?? []
  const word = of === 'life' && Object.hasOwn(en.phase, name) ? phaseWord(t, name) : nameWord(t, name)
  if (word === undefined) return saidWord(line)
  return text === undefined ? word : said(t, `${word}${who}`, stepWord(t, text))
}

/** Of a step, an action or a phase; undefined: it is none of them, so the line is a sentence. */
function nameWord(t: TFunction, name: string): string | undefined {
  if (Object.hasOwn(en.step, name)) return stepWord(t, name)
  if (Object.hasOwn(en.action, name)) return actionWord(t, name)
  const word = phaseWord(t, name)
  return word === name ? undefined : word
}
