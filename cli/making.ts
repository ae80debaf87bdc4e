/** Copies of desktops, their names and discs, the recycle bin, and one action for many. */
import { counted } from '../lib/counted.ts'
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { act, desktopFind, desktopFindFor, lossOf } from './desktops.ts'
import { find } from './find.ts'
import { follow } from './follow.ts'
import type { Desktop, Template } from './nouns.ts'
import { ago, type Column, table } from './print.ts'
import { type SureOptions, sure } from './prompt.ts'
import { userFind } from './users.ts'

export interface CloneOptions {
  /** Whose it will be; whoever asks unless given. */
  for?: string
  name?: string
  full?: boolean
}

export async function desktopClone(context: Context, name: string, options: CloneOptions): Promise<void> {
  const { id } = await desktopFind(context, name)
  const userId = options.for === undefined ? undefined : (await userFind(context, options.for)).id
  const body = { name: options.name, userId, full: options.full ?? false }
  const made = await context.client.desktopClone({ params: { id }, body })
  const task = await follow(context, made.task)
  answer(
    context,
    { ...made, task },
    () => `${made.desktop.name} ${task.state === 'succeeded' ? 'is made' : task.state}`,
  )
}

export async function desktopRename(context: Context, from: string, name: string): Promise<void> {
  const { id } = await desktopFind(context, from)
  const made = await context.client.desktopUpdate({ params: { id }, body: { name } })
  answer(context, made, () => `${from} is ${made.desktop.name} now`)
}

/** @param text a template of an ISO file, or `name/number` of it; none: what is there is taken out. */
export async function desktopDisc(
  context: Context,
  name: string,
  text: string | undefined,
  { boot = false }: { boot?: boolean },
): Promise<void> {
  const { id } = await desktopFind(context, name)
  const cdrom = text === undefined ? null : await discFind(context, text)
  const made = await context.client.desktopUpdate({ params: { id }, body: { cdrom, bootDisc: boot } })
  const what = cdrom === null ? 'its drive is empty' : 'it is in its drive'
  const from = boot ? ', and it starts from there at its next start' : ''
  answer(context, made, () =>
    made.applies.nextStart.includes('cdrom')
      ? `${made.desktop.name}: ${what} after its next start${from}`
      : `${made.desktop.name}: ${what}${from}`,
  )
}

/** @param text a template of an ISO file, or `name/number` of it. @throws HdcsError `not_found`. */
export async function discFind({ client }: Context, text: string): Promise<string> {
  const [name = '', number] = text.split('/')
  const template: Template = await find(
    'template',
    name,
    id => client.templateGet({ params: { id } }),
    query => client.templateList({ query }),
  )
  const discs = template.versions.filter(({ source }) => source.kind === 'upload' && source.format === 'iso')
  const disc =
    number === undefined
      ? discs.toSorted((a, b) => b.number - a.number)[0]
      : discs.find(one => `${one.number}` === number)
  if (disc) return disc.id
  throw new HdcsError('not_found', `${text} is made of no ISO file: hdcs templates import NAME FILE.iso`)
}

export async function binList(context: Context): Promise<void> {
  const page = await context.client.desktopList({ query: { binned: true, limit: 500 } })
  const columns: Column<Desktop>[] = [
    { title: 'DESKTOP', value: desktop => desktop.name },
    { title: 'USER', value: desktop => desktop.userName ?? '—' },
    { title: 'POOL', value: desktop => desktop.poolName },
    { title: 'HOST', value: desktop => desktop.hostName ?? '—' },
    { title: 'DELETED', value: desktop => (desktop.binned ? ago(desktop.binned.at, context.now()) : '—') },
    { title: 'GONE AFTER', value: desktop => desktop.binned?.until.slice(0, 10) ?? '—' },
  ]
  answer(context, page, () =>
    page.items.length === 0 ? 'The recycle bin is empty.' : table(page.items, columns, context.terminal.width),
  )
}

/** @throws HdcsError `conflict` when some were refused. */
export async function actMany(
  context: Context,
  name: string,
  texts: string[],
  options: SureOptions = {},
): Promise<void> {
  if (texts.length < 2) return act(context, name, texts[0], options)
  const desktops = new Map<string, Desktop>()
  for (const text of texts) {
    const desktop = await desktopFindFor(context, name, text)
    desktops.set(desktop.id, desktop)
  }
  const losses = [...desktops.values()].flatMap(desktop => lossOf(name, desktop) ?? [])
  if (losses.length > 0) await sure(losses.join('\n'), name, options)
  const params = { name: name as 'start' }
  const made = await context.client.desktopsAct({ params, body: { ids: [...desktops.keys()] } })
  const refused = made.results.filter(({ error }) => error !== null)
  for (const { id, error } of refused) context.terminal.note(`${desktops.get(id)?.name}: ${error?.text}\n`)
  if (refused.length > 0 && !context.json)
    throw new HdcsError(
      'conflict',
      `${counted(refused.length, 'was', 'were')} refused, the others were asked to ${name}.`,
    )
  const task = await follow(context, made.task)
  answer(context, { ...made, task }, () => `${task.subject.name} ${task.state === 'succeeded' ? 'done' : task.state}`)
}
