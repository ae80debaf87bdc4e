/** Words for what the API names by code: known ones from the message files, unknown ones as they came. */

import type { TFunction } from 'i18next'
import { en } from '../i18n/en.ts'
import { saidWord } from '../i18n/said.ts'
import { problemOf } from '../ui/problem.ts'
import type { Desktop, Task } from './nouns.ts'

type StepName = keyof typeof en.step
type ActionName = keyof typeof en.action
type TaskKind = keyof typeof en.taskKind
type Phase = keyof typeof en.phase
type Became = keyof typeof en.became

/** Of what is sent the pace stands behind: `copying, 12.5 MiB/s`. */
const paced = /^(?<step>.+), (?<pace>[\d.]+ MiB\/s)$/
export function stepWord(t: TFunction, name: string): string {
  const { step = name, pace } = paced.exec(name)?.groups ?? {}
  const word = Object.hasOwn(en.step, step) ? t(`step.${step as StepName}`) : saidWord(actionWord(t, step))
  return pace === undefined ? word : `${word} · ${pace}`
}
export const actionWord = (t: TFunction, name: string): string =>
  Object.hasOwn(en.action, name) ? t(`action.${name as ActionName}`) : name
/** A phase, or what happened within one. */
export function phaseWord(t: TFunction, name: string): string {
  if (Object.hasOwn(en.phase, name)) return t(`phase.${name as Phase}`)
  if (Object.hasOwn(en.became, name)) return t(`became.${name as Became}`)
  const asked = /^(\w+) asked$/.exec(name)?.[1]
  return asked === undefined ? saidWord(name) : t('desktops.wasAsked', { action: actionWord(t, asked) })
}
/** `desktop.start` and `desktopStart` are one kind. */
const kindKey = (kind: string) => kind.replace(/[.\s-]/g, '_').replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
export function taskWord(t: TFunction, kind: string): string {
  const key = kindKey(kind)
  return Object.hasOwn(en.taskKind, key) ? t(`taskKind.${key as TaskKind}`) : kind
}
/** What cancelling a task takes back. */
export function takesBackWord(t: TFunction, { kind, takesBack }: Pick<Task, 'kind' | 'takesBack'>): string {
  const key = kindKey(kind)
  return Object.hasOwn(en.takesBack, key)
    ? t(`takesBack.${key as keyof typeof en.takesBack}`)
    : saidWord(takesBack?.text ?? '')
}

/** What a desktop waits for whose host is lost: only where that is all that is missing, to make sure that it is off helps. */
export function waitsWord(t: TFunction, { waitsForHost, trouble, reason }: Desktop): string | null {
  if (!waitsForHost) return null
  const { name: host, fence } = waitsForHost
  if (fence) return t('desktops.waitsForHost', { host })
  return trouble
    ? t('desktops.waitsForLock', { host })
    : t('desktops.waitsOtherwise', { host, reason: saidWord(reason) })
}

type Troubled = Pick<Desktop, 'trouble' | 'waitsForHost' | 'noNetwork' | 'phase' | 'actions'>
/** The sentence of a trouble's code: what its host said stands elsewhere, folded away. */
export const troubleWord = (t: TFunction, trouble: NonNullable<Desktop['trouble']>): string =>
  t(`problem.code.${problemOf(trouble).known ?? 'internal'}`)
/** What keeps a desktop from its person, in words that know no servers' names, programs or files. Null: nothing. */
export function personNotice(
  t: TFunction,
  { trouble, waitsForHost, noNetwork, phase, actions }: Troubled,
): string | null {
  if (waitsForHost?.fence || trouble?.code === 'disk_in_use') return t('portal.waitsForHost')
  if (waitsForHost) return t('portal.hostAway')
  if (trouble) return troubleWord(t, trouble)
  // What is stopped may be started, but while a template is made of it.
  if (phase === 'stopped' && actions.some(({ name, allowed }) => name === 'start' && !allowed))
    return t('portal.copied')
  return noNetwork ? t('portal.noNetwork') : null
}
