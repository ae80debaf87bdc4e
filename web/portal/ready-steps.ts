/** The way of a desktop to its person as steps. Pure. */
import type { Desktop, Task } from '../data/nouns.ts'
import type { Step } from '../ui/step.ts'

/** The order in which a host does it; a start from a made disk begins later in the list. */
const order = ['making disk', 'queued', 'starting', 'booting', 'ready'] as const

type Facts = Pick<Desktop, 'phase' | 'step'>

/**
 * The task's own steps where it has some, else what the host says it is at. `failed` marks the step that did not work.
 */
export function readySteps(desktop: Facts | undefined, task: Pick<Task, 'steps' | 'state'> | undefined): Step[] {
  const failed = task?.state === 'failed'
  if (task && task.steps.length > 0)
    return task.steps.map(({ name, state }) => ({ name, state: failed && state === 'current' ? 'failed' : state }))
  const at =
    desktop?.phase === 'ready' ? order.length : order.indexOf((desktop?.step?.name ?? 'making disk') as 'queued')
  const now = at < 0 ? 0 : at
  return order.map((name, index) => ({
    name,
    state: index < now ? 'done' : index > now ? 'waiting' : failed ? 'failed' : 'current',
  }))
}
