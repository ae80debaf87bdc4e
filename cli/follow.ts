import { HdcsError } from '../lib/errors.ts'
import type { Context } from './context.ts'
import type { Task } from './nouns.ts'
import { bar, duration } from './print.ts'

/** Thrown when a task ended otherwise than well; its own exit code, because the request itself was right. */
export class TaskEnded extends HdcsError {}

/**
 * Follows a task to its end with one line that changes (on a terminal) or one line for each new step (elsewhere).
 * With `--no-wait` it says where the task is and returns at once.
 * @throws TaskEnded with what went wrong
 */
export async function follow(context: Context, task: Task): Promise<Task> {
  const { client, terminal } = context
  if (!context.wait || isOver(task)) return ended(context, task)
  const startedAtMs = context.now().getTime()
  let current = task
  let said = ''
  while (!isOver(current)) {
    const text = line(current, context.now().getTime() - startedAtMs)
    if (terminal.interactive) terminal.note(`\r${text}\u001b[K`)
    else if (said !== stepOf(current)) terminal.note(`${text}\n`)
    said = stepOf(current)
    // A second: the line moves as one watches; the server answers earlier when the task ends.
    current = await client.taskGet({ params: { id: task.id }, query: { wait: '1s' } }).catch(error => {
      if (!context.signal.aborted) throw error
      if (terminal.interactive) terminal.note('\r\u001b[K')
      throw new HdcsError('cancelled', `The task goes on without you; follow it again: hdcs task ${task.id}`)
    })
  }
  if (terminal.interactive) terminal.note('\r\u001b[K')
  return ended(context, current)
}

const isOver = (task: Task) => task.state !== 'queued' && task.state !== 'running'

const stepOf = (task: Task) => {
  const step = task.steps.find(({ state }) => state === 'current')
  if (!step) return task.state
  return step.text === undefined ? step.name : `${step.name}: ${step.text}`
}

/** `[####····] 40 %  starting  12 s (usually 15 s)` */
export function line(task: Task, elapsedMs: number): string {
  const usual = task.estimateMs === null ? '' : ` (usually ${duration(task.estimateMs)})`
  return `${bar(task.progress)}  ${stepOf(task)}  ${duration(elapsedMs)}${usual}`
}

function ended(context: Context, task: Task): Task {
  if (!isOver(task)) context.terminal.note(`task ${task.id} is ${task.state}; follow it: hdcs task ${task.id}\n`)
  if (task.state === 'failed')
    throw new TaskEnded('start_failed', task.error?.text ?? 'The task failed without a reason.')
  if (task.state === 'cancelled') throw new TaskEnded('cancelled', 'The task was cancelled.')
  return task
}
