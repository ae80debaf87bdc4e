import { counted } from '../lib/counted.ts'
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { desktopFind } from './desktops.ts'
import { follow } from './follow.ts'
import { type HardwareOptions, hardwareText, hardwareWanted } from './hardware-options.ts'
import type { Task, Template } from './nouns.ts'
import { bytes, type Column, table } from './print.ts'
import { ask } from './prompt.ts'

export async function templateList(context: Context): Promise<void> {
  const page = await context.client.templateList({ query: { limit: 500 } })
  const columns: Column<Template>[] = [
    { title: 'TEMPLATE', value: template => template.name },
    {
      title: 'VERSIONS',
      value: template => template.versions.map(({ number, state }) => `${number} ${state}`).join(', '),
    },
    { title: 'SIZE', value: template => bytes(newest(template)?.storedBytes), right: true },
    { title: 'POOLS', value: template => String(template.pools), right: true },
    { title: 'DESKTOPS', value: template => String(template.desktops), right: true },
    { title: 'NOTE', value: template => newest(template)?.trouble?.text ?? template.description },
  ]
  answer(context, page, () =>
    page.items.length === 0
      ? 'There is no template yet. Build one: hdcs templates build tiny'
      : table(page.items, columns, context.terminal.width),
  )
}

export const newest = (template: Template) => [...template.versions].sort((a, b) => b.number - a.number)[0]

const recipes = ['tiny', 'desktop'] as const
export interface BuildOptions {
  recipe?: string
  /** An empty disk. */
  blank?: boolean
  /** GiB. */
  disk?: string
  description?: string
}

/** A first version of a new template, or the next one of a template that is there. */
export async function templateBuild(context: Context, name: string, options: BuildOptions): Promise<void> {
  const recipe = recipes.find(one => one === (options.recipe ?? name))
  if (!recipe && !options.blank)
    throw new HdcsError('invalid', `Which recipe? --recipe ${recipes.join(' or --recipe ')}, or --blank`)
  const gib = Number(options.disk ?? 1)
  if (!(gib > 0)) throw new HdcsError('invalid', `--disk takes GiB, not “${options.disk}”.`)
  const hardware = options.disk === undefined ? undefined : { diskBytes: Math.round(gib * 2 ** 30) }
  const source = recipe && !options.blank ? { kind: 'recipe' as const, recipe } : { kind: 'blank' as const }
  const made = await versionMake(context, name, options.description, source, { ...(hardware && { hardware }) })
  await finish(context, name, made.task)
}

export interface TakeOptions {
  seal: boolean
  description?: string
}

/** Made of a desktop's disk as it is: a new template, or a new version of one that is there. */
export async function templateTake(
  context: Context,
  name: string,
  desktop: string,
  { seal, description }: TakeOptions,
): Promise<void> {
  const { id: desktopId } = await desktopFind(context, desktop)
  const made = await versionMake(context, name, description, { kind: 'desktop', desktopId, seal })
  await finish(context, name, made.task)
}

/** Changes what is named. Desktops that are there keep what they have. */
export async function templateHardware(context: Context, name: string, options: HardwareOptions): Promise<void> {
  const hardware = hardwareWanted(options)
  const { id } = await templateFind(context, name)
  const template = await context.client.templateUpdate({ params: { id }, body: { hardware } })
  answer(
    context,
    template,
    () =>
      `desktops of ${name} are made with ${hardwareText(template.hardware)}; those of a pool with hardware of its own, with that`,
  )
}

/** Shows what was noted of a version; with a text that becomes it. @throws HdcsError `not_found`. */
export async function templateNote(
  context: Context,
  name: string,
  version: string,
  text: string | undefined,
): Promise<void> {
  const template = await templateFind(context, name)
  const number = versionNumber(template, version)
  const params = { id: template.id, number }
  const now = text === undefined ? template : await context.client.versionUpdate({ params, body: { notes: text } })
  const noted = now.versions.find(one => one.number === number)
  if (!noted) throw new HdcsError('not_found', `${name} has no version ${number}.`)
  answer(context, noted, () => `${name} version ${number}: ${noted.notes || 'without notes'}`)
}

/** A version, or the template with all of them; nothing of it is left on any host. */
export async function templateRemove(
  context: Context,
  name: string,
  version: string | undefined,
  { yes = false }: { yes?: boolean },
): Promise<void> {
  const { client } = context
  const template = await templateFind(context, name)
  const number = version === undefined ? undefined : versionNumber(template, version)
  const what =
    number === undefined
      ? `${name} with ${counted(template.versions.length, 'version', 'versions')}`
      : `version ${number} of ${name}`
  const loss = `This destroys ${what} on every host; only a file that was exported brings it back.`
  if (!yes) {
    if (!process.stdin.isTTY) throw new HdcsError('invalid', `${loss} Say so with --yes.`)
    if ((await ask(`${loss} Remove it? (yes) `)) !== 'yes') throw new HdcsError('cancelled', 'Nothing was done.')
  }
  if (number === undefined) await client.templateDelete({ params: { id: template.id } })
  else await client.versionDelete({ params: { id: template.id, number } })
  answer(context, { removed: { templateId: template.id, number: number ?? null } }, () => `${what} is removed`)
}

/** @throws HdcsError `not_found`. */
export async function templateFind({ client }: Context, name: string): Promise<Template> {
  const [template] = (await client.templateList({ query: { name } })).items
  if (template) return template
  throw new HdcsError('not_found', `There is no template ${name}. Which there are: hdcs templates`)
}

/** @throws HdcsError `invalid` for what is no number. */
export function versionNumber({ versions }: Template, text: string): number {
  const number = Number(text)
  if (Number.isInteger(number)) return number
  throw new HdcsError('invalid', `Which version? ${versions.map(version => version.number).join(', ')}`)
}

type Source = Parameters<Context['client']['versionAdd']>[0]['body']['source']

/** Undefined: there is none of that name. */
export async function templateNamed({ client }: Context, name: string): Promise<Template | undefined> {
  const { items } = await client.templateList({ query: { name } })
  return items.find(template => template.name === name)
}

export async function versionMake(
  context: Context,
  name: string,
  description: string | undefined,
  source: Source,
  more: Omit<Parameters<Context['client']['templateCreate']>[0]['body'], 'name' | 'source' | 'description'> = {},
) {
  const { client } = context
  const known = await templateNamed(context, name)
  return known
    ? client.versionAdd({ params: { id: known.id }, body: { source, notes: more.notes } })
    : client.templateCreate({ body: { ...more, name, source, ...(description !== undefined && { description }) } })
}

export async function finish(context: Context, name: string, started: Task): Promise<void> {
  const task = await follow(context, started)
  answer(context, { task }, () =>
    task.state === 'succeeded'
      ? `template ${name} is ready; make a pool from it, or look: hdcs templates`
      : `template ${name}: ${task.state}`,
  )
}
