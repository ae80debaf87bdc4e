/** What is under way and what is over: the list, one followed to its end, and calling one off. */
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { isId } from './find.ts'
import { follow, TaskEnded } from './follow.ts'
import type { Task, TaskPart } from './nouns.ts'
import { ago, type Column, duration, table } from './print.ts'
import { type SureOptions, sure } from './prompt.ts'

const states = ['open', 'failed', 'ended', 'queued', 'running', 'succeeded', 'cancelled'] as const

export interface TasksOptions {
  state?: string
  kind?: string
  search?: string
  mine?: boolean
  limit?: string
}

/** The end of an id: all of a list were asked within the same hours, so their ids begin alike. */
const shortIdLength = 12
const shortId = ({ id }: Task) => id.slice(-shortIdLength)
/** What the list shows of an id, whole. */
export const isShortId = (text: string) => text.length === shortIdLength && /^[0-9a-f]+$/i.test(text)

/** @throws HdcsError `invalid` for what is no state or no number. */
export async function taskList(context: Context, options: TasksOptions): Promise<void> {
  const { kind, search, mine = false, limit = '30' } = options
  const state = states.find(one => one === options.state)
  if (options.state !== undefined && state === undefined)
    throw new HdcsError('invalid', `There is no state ${options.state}; there are: ${states.join(', ')}`)
  if (!/^\d{1,3}$/.test(limit) || Number(limit) < 1 || Number(limit) > 500)
    throw new HdcsError('invalid', `--limit takes a number from 1 to 500, not ${limit}.`)
  const page = await context.client.taskList({
    query: { limit: Number(limit), state, kind, search, ...(mine && { mine }) },
  })
  const now = context.now()
  const columns: Column<Task>[] = [
    { title: 'TASK', value: shortId },
    { title: 'KIND', value: task => task.kind },
    { title: 'OF', value: task => task.subject.name },
    { title: 'STATE', value: stateText },
    { title: 'BY', value: task => task.requestedBy ?? '—' },
    { title: 'ASKED', value: task => ago(task.createdAt, now) },
    { title: 'TOOK', value: task => took(task, now), right: true },
    { title: 'NOTE', value: task => task.error?.text ?? '' },
  ]
  answer(context, page, () => {
    if (page.items.length === 0) return 'There is no such task.'
    const more = page.nextCursor === null ? '' : '\nThere are more: --limit, --state, --kind or --search'
    return `${table(page.items, columns, context.terminal.width)}${more}`
  })
}

/** `running 40 %, boot` */
function stateText({ state, progress, steps }: Task): string {
  if (state !== 'running') return state
  const step = steps.find(one => one.state === 'current')
  return `running ${progress} %${step ? `, ${step.name}` : ''}`
}

function took({ state, createdAt, finishedAt }: Task, now: Date): string {
  if (state === 'queued') return '—'
  return duration((finishedAt ? Date.parse(finishedAt) : now.getTime()) - Date.parse(createdAt))
}

/**
 * By its id, or by the end of it as the list shows it.
 * @throws HdcsError `not_found`, `invalid` where several end so.
 */
export async function taskFind({ client }: Context, text: string): Promise<Task> {
  if (isId(text)) return client.taskGet({ params: { id: text } })
  if (!/^[0-9a-f]{4,}$/i.test(text)) throw new HdcsError('not_found', `${text} is no task: hdcs tasks shows them.`)
  const { items } = await client.taskList({ query: { limit: 500 } })
  const [found, ...others] = items.filter(({ id }) => id.endsWith(text.toLowerCase()))
  if (!found) throw new HdcsError('not_found', `None of the latest tasks ends with ${text}: hdcs tasks shows them.`)
  if (others.length > 0) throw new HdcsError('invalid', `Several tasks end with ${text}: give more of it.`)
  // The list knows no estimate.
  return client.taskGet({ params: { id: found.id } })
}

export async function taskFollow(context: Context, text: string): Promise<void> {
  const asked = await taskFind(context, text)
  if (asked.subject.type === 'desktops') return manyFollow(context, asked)
  const task = await follow(context, asked)
  answer(context, task, () => headline(task))
}

/** Also what came of each, and that before it fails for some of them. */
async function manyFollow(context: Context, asked: Task): Promise<void> {
  const broken = await follow(context, asked).then(
    () => undefined,
    (thrown: unknown) => {
      if (thrown instanceof TaskEnded) return thrown
      throw thrown
    },
  )
  const { client, terminal } = context
  const params = { id: asked.id }
  const task = await client.taskGet({ params })
  const { items: parts } = await client.taskPartList({ params })
  answer(context, { ...task, parts }, () =>
    [headline(task), ...(parts.length > 0 ? [table(parts, partColumns, terminal.width)] : [])].join('\n'),
  )
  if (broken) throw broken
}

const headline = ({ kind, subject, state }: Task) => `${kind} ${subject.name}: ${state}`

const partColumns: Column<TaskPart>[] = [
  { title: 'DESKTOP', value: part => part.subject.name },
  { title: 'STATE', value: ({ state, progress }) => (state === 'running' ? `running ${progress} %` : state) },
  { title: 'TASK', value: part => part.taskId?.slice(-shortIdLength) ?? '—' },
  { title: 'WHY', value: part => part.error?.text ?? '' },
]

/** Says what it takes back, and asks first where something is lost by that. */
export async function taskCancel(context: Context, text: string, options: SureOptions): Promise<void> {
  const asked = await taskFind(context, text)
  const { id, kind, subject, takesBack } = asked
  if (takesBack?.loss) await sure(`${kind} of ${subject.name} is called off. ${takesBack.text}`, subject.name, options)
  const task = await context.client.taskCancel({ params: { id } })
  // A move ends with its hosts' word.
  const state = task.state === 'cancelled' ? 'cancelled' : `asked to end; it is ${task.state}`
  answer(context, task, () => `${kind} ${subject.name}: ${state}${takesBack ? `. ${takesBack.text}` : ''}`)
}
