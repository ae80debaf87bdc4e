import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { desktopFind } from './desktops.ts'
import { follow } from './follow.ts'
import type { Task, Template } from './nouns.ts'
import { bytes, type Column, table } from './print.ts'
import { type ImageFormat, imageRead, imageSend } from './upload.ts'

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

const newest = (template: Template) => [...template.versions].sort((a, b) => b.number - a.number)[0]

const recipes = ['tiny', 'desktop'] as const
export interface BuildOptions {
  recipe?: string
  description?: string
}

/** A first version of a new template, or the next one of a template that is there. */
export async function templateBuild(context: Context, name: string, options: BuildOptions): Promise<void> {
  const recipe = recipes.find(one => one === (options.recipe ?? name))
  if (!recipe) throw new HdcsError('invalid', `Which recipe? --recipe ${recipes.join(' or --recipe ')}`)
  const made = await versionMake(context, name, options.description, { kind: 'recipe', recipe })
  await finish(context, name, made.task)
}

export interface ImportOptions {
  format?: string
  description?: string
}

/** Checksum, upload, check and conversion on the server: a new template, or a new version of one that is there. */
export async function templateImport(
  context: Context,
  name: string,
  file: string,
  options: ImportOptions,
): Promise<void> {
  const { format, sizeBytes, sha256, path } = await imageRead(
    file,
    options.format as ImageFormat | undefined,
    context.terminal,
  )
  const source = { kind: 'upload', format, sizeBytes, sha256 } as const
  const made = await versionMake(context, name, options.description, source)
  const version = newest(made.template)
  if (!version) throw new HdcsError('internal', 'The server made no version to upload into.')
  await imageSend(context, made.template.id, version.number, { path, format, sizeBytes, sha256 })
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

export interface SendOptions {
  /** MiB a second. */
  limit?: string
}

/** A version to another cluster; said again, it goes on where it broke off. */
export async function templateSend(
  context: Context,
  name: string,
  version: string,
  clusterName: string,
  { limit }: SendOptions,
): Promise<void> {
  const { client } = context
  const { items } = await client.templateList({ query: { name } })
  const [template] = items
  if (!template) throw new HdcsError('not_found', `There is no template ${name}. Which there are: hdcs templates`)
  const { items: clusters } = await client.clusterList({ query: { name: clusterName } })
  const [cluster] = clusters
  if (!cluster) throw new HdcsError('not_found', `There is no cluster ${clusterName}. Which there are: hdcs clusters`)
  const [number, mib] = [Number(version), limit === undefined ? null : Number(limit)]
  if (!Number.isInteger(number)) throw new HdcsError('invalid', `Which version? ${versionsOf(template)}`)
  if (mib !== null && !(mib > 0)) throw new HdcsError('invalid', '--limit takes MiB a second, for example 20')
  const bytesPerSecond = mib === null ? null : Math.round(mib * 2 ** 20)
  const params = { id: template.id, number, clusterId: cluster.id }
  const { task: begun } = await client.copyMake({ params, body: { bytesPerSecond } })
  const task = await follow(context, begun)
  answer(
    context,
    { task },
    () => `${name} version ${number} ${task.state === 'succeeded' ? 'is' : 'goes'} to ${clusterName}`,
  )
}

const versionsOf = (template: Template) => template.versions.map(({ number }) => number).join(', ')

type Source = Parameters<Context['client']['versionAdd']>[0]['body']['source']

async function versionMake(context: Context, name: string, description: string | undefined, source: Source) {
  const { client } = context
  const { items } = await client.templateList({ query: { name } })
  const known = items.find(template => template.name === name)
  return known
    ? client.versionAdd({ params: { id: known.id }, body: { source } })
    : client.templateCreate({ body: { name, source, ...(description !== undefined && { description }) } })
}

async function finish(context: Context, name: string, started: Task): Promise<void> {
  const task = await follow(context, started)
  answer(context, { task }, () =>
    task.state === 'succeeded'
      ? `template ${name} is ready; make a pool from it, or look: hdcs templates`
      : `template ${name}: ${task.state}`,
  )
}
