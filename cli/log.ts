import { ApiError } from '../api/client.ts'
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { desktopFind } from './desktops.ts'
import { isId } from './find.ts'
import type { DesktopLog } from './nouns.ts'
import { duration, fields } from './print.ts'
import { isShortId, taskFind } from './tasks.ts'

export interface LogOptions {
  /** A number. */
  life?: string
}

/** What happened in a task, or in the making of a desktop: what took how long, then line by line. */
export async function logShow(context: Context, text: string, { life }: LogOptions): Promise<void> {
  if ((!isId(text) && !isShortId(text)) || life !== undefined) return desktopLogShow(context, text, life)
  // Ids of tasks and of desktops look alike, and a desktop may be called like the end of one.
  const isNone = (thrown: unknown) => {
    if ((thrown instanceof ApiError || thrown instanceof HdcsError) && thrown.code === 'not_found') return null
    throw thrown
  }
  const id = isId(text) ? text : (await taskFind(context, text).catch(isNone))?.id
  const log = id === undefined ? null : await context.client.taskLog({ params: { id } }).catch(isNone)
  if (!log) return desktopLogShow(context, text, undefined)
  const { state, ms, steps } = log.summary
  answer(context, log, () => shown([['task', `${state} after ${duration(ms)}`]], steps, log.items))
}

async function desktopLogShow(context: Context, text: string, life: string | undefined): Promise<void> {
  const number = life === undefined ? undefined : Number(life)
  if (number !== undefined && !Number.isInteger(number))
    throw new HdcsError('invalid', `--life takes a number, not ${life}.`)
  const { id, name } = await desktopFind(context, text)
  const query = number === undefined ? {} : { life: number }
  const log = await context.client.desktopLog({ params: { id }, query })
  const lives = log.lives.map((one): [string, string] => [
    `${one.life === log.life ? '* ' : '  '}life ${one.life}`,
    `${one.from.slice(0, 19).replace('T', ' ')}  ${one.state} after ${duration(one.ms)}${one.userName === null ? '' : `, ${one.userName}`}`,
  ])
  answer(context, log, () =>
    lives.length === 0
      ? `Nothing is known of ${name} yet.`
      : shown([['desktop', name], ...lives], log.steps, log.items),
  )
}

function shown(head: [string, string][], steps: DesktopLog['steps'], items: DesktopLog['items']): string {
  const told = steps.map(step => {
    const code = step.exitCode === null ? '' : `, exit code ${step.exitCode}`
    const tries = step.attempts > 1 ? `, ${step.attempts} tries` : ''
    return [step.name, `${step.state} after ${duration(step.ms)}${code}${tries}`] as [string, string]
  })
  const lines = items.map(({ at, text }) => `${at.slice(11, 23)}  ${text}`)
  return [fields([...head, ...told]), '', ...lines].join('\n')
}
