import { answer, type Context } from './context.ts'
import { duration, fields } from './print.ts'

/** What happened in a task: what took how long, then line by line, with what scripts in the guest wrote. */
export async function taskLog(context: Context, id: string): Promise<void> {
  const log = await context.client.taskLog({ params: { id } })
  const { state, ms, steps } = log.summary
  const told = steps.map(step => {
    const code = step.exitCode === null ? '' : `, exit code ${step.exitCode}`
    const tries = step.attempts > 1 ? `, ${step.attempts} tries` : ''
    return [step.name, `${step.state} after ${duration(step.ms)}${code}${tries}`] as [string, string]
  })
  const lines = log.items.map(({ at, text }) => `${at.slice(11, 23)}  ${text}`)
  answer(context, log, () => [fields([['task', `${state} after ${duration(ms)}`], ...told]), '', ...lines].join('\n'))
}
