import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { find } from './find.ts'
import { follow } from './follow.ts'
import type { Desktop, Pool } from './nouns.ts'
import { ago, type Column, duration, fields, table } from './print.ts'
import { type SureOptions, sure } from './prompt.ts'
import { screenShow } from './viewer.ts'

export async function poolList(context: Context): Promise<void> {
  const page = await context.client.poolList({ query: { limit: 500 } })
  const columns: Column<Pool>[] = [
    { title: 'POOL', value: pool => pool.name },
    { title: 'KIND', value: pool => pool.kind },
    { title: 'READY', value: pool => String(pool.counts.ready), right: true },
    { title: 'IN USE', value: pool => String(pool.counts.assigned), right: true },
    { title: 'ALL/MAX', value: pool => `${pool.counts.total}/${pool.maxSize}`, right: true },
    {
      title: 'WAIT',
      value: pool => (pool.estimateMs === null ? '?' : pool.estimateMs === 0 ? 'none' : duration(pool.estimateMs)),
      right: true,
    },
    { title: 'STATE', value: pool => pool.status },
    { title: 'DESCRIPTION', value: pool => pool.statusText || pool.description },
  ]
  answer(context, page, () =>
    page.items.length === 0
      ? 'No pool is open to you yet. An administrator makes one, and says who may use it.'
      : table(page.items, columns, context.terminal.width),
  )
}

export async function desktopList(context: Context, everybody: boolean): Promise<void> {
  const page = await context.client.desktopList({ query: { limit: 500, ...(everybody ? {} : { mine: true }) } })
  const columns: Column<Desktop>[] = [
    { title: 'DESKTOP', value: desktop => desktop.name },
    { title: 'POOL', value: desktop => desktop.poolName },
    ...(everybody ? [{ title: 'USER', value: (desktop: Desktop) => desktop.userName ?? '—' }] : []),
    { title: 'STATE', value: desktop => desktop.step?.name ?? desktop.phase },
    { title: 'SINCE', value: desktop => ago(desktop.since, context.now()) },
    { title: 'ADDRESS', value: desktop => desktop.address ?? '—' },
    ...(everybody ? [{ title: 'HOST', value: (desktop: Desktop) => desktop.hostName ?? '—' }] : []),
    {
      title: 'NOTE',
      value: note,
    },
  ]
  answer(context, page, () =>
    page.items.length === 0
      ? 'You have no desktop. Get one: hdcs pools; hdcs claim POOL'
      : table(page.items, columns, context.terminal.width),
  )
}

/** What one should know of it, by codes: its host's own words are long, and stand in `--json`. */
function note({ waitsForHost, reason, trouble, noNetwork, session }: Desktop): string {
  if (waitsForHost?.fence) return `waits until ${waitsForHost.name} is surely off`
  // Our own words: no host that is lost says anything.
  if (waitsForHost && !trouble) return reason
  if (trouble?.code === 'disk_in_use')
    return `waits for its old copy${waitsForHost ? ` on ${waitsForHost.name}` : ''}: it ends when that host is off or reached again`
  if (trouble) return trouble.code.replaceAll('_', ' ')
  if (noNetwork) return 'no network: shut it down and start it again'
  return session?.state === 'connected' ? 'connected' : ''
}

export const poolFind = ({ client }: Context, name: string): Promise<Pool> =>
  find(
    'pool',
    name,
    id => client.poolGet({ params: { id } }),
    query => client.poolList({ query }),
  )

export async function claim(context: Context, poolName: string): Promise<void> {
  const { client } = context
  const pool = await poolFind(context, poolName)
  const made = await client.poolClaim({ params: { id: pool.id } })
  const task = await follow(context, made.task)
  const desktop = await client.desktopGet({ params: { id: made.desktop.id } })
  answer(context, { task, desktop }, () => described(desktop))
}

function described(desktop: Desktop): string {
  return fields([
    ['desktop', desktop.name],
    ['pool', desktop.poolName],
    ['state', desktop.phase],
    ['address', desktop.address],
    ['open it', `hdcs connect ${desktop.name}`],
    ['give it back', `hdcs release ${desktop.name}`],
  ])
}

/** By name or id; without one: your only desktop. */
export async function desktopFind(context: Context, text: string | undefined): Promise<Desktop> {
  const { client } = context
  if (text !== undefined) {
    return find(
      'desktop',
      text,
      id => client.desktopGet({ params: { id } }),
      query => client.desktopList({ query: { ...query, limit: 500 } }),
    )
  }
  const { items } = await client.desktopList({ query: { mine: true } })
  const [only, ...others] = items
  if (!only) throw new HdcsError('not_found', 'You have no desktop. Get one: hdcs pools; hdcs claim POOL')
  if (others.length > 0) throw new HdcsError('invalid', `Which one? ${items.map(({ name }) => name).join(', ')}`)
  return only
}

/** What is meant by this action: what it brings back or removes for good is in the recycle bin, whatever else has its name. */
export async function desktopFindFor(context: Context, action: string, text: string | undefined): Promise<Desktop> {
  if (text === undefined || (action !== 'restore' && action !== 'purge')) return desktopFind(context, text)
  const { client } = context
  return find(
    'desktop in the recycle bin',
    text,
    id => client.desktopGet({ params: { id } }),
    query => client.desktopList({ query: { ...query, binned: true, limit: 500 } }),
  )
}

/** What is lost for good when this is done to it; undefined: nothing, or it can be brought back. */
export function lossOf(name: string, { name: desktop, binDays, saved }: Desktop): string | undefined {
  if (name === 'purge' || (name === 'delete' && binDays === 0))
    return `${desktop} and all that is on its disk are destroyed.`
  if (name === 'poweroff' && saved) return `What was open in ${desktop} when its memory was saved is lost.`
  return undefined
}

/** Where what was done to it leads, where that is not the end of it. */
const whither = ({ name, binned }: Desktop) =>
  binned ? `: in the recycle bin until ${binned.until.slice(0, 10)} (hdcs bin restore ${name})` : ''

/** Start, reboot, release …: what the desktop's `actions` allows now. @throws HdcsError `invalid` for what is no action. */
export async function act(
  context: Context,
  name: string,
  text: string | undefined,
  options: SureOptions = {},
): Promise<void> {
  const desktop = await desktopFindFor(context, name, text)
  const action = desktop.actions.find(one => one.name === name)
  if (!action)
    throw new HdcsError(
      'invalid',
      `There is no ${name}; a desktop knows: ${desktop.actions.map(one => one.name).join(', ')}`,
    )
  const loss = lossOf(name, desktop)
  if (loss !== undefined && action.allowed) await sure(loss, desktop.name, options)
  const params = { id: desktop.id, name: name as 'start' }
  const made = await context.client.desktopAct({ params })
  const task = await follow(context, made.task)
  const became = name === 'delete' ? whither(made.desktop) : ''
  answer(
    context,
    { task },
    () => `${desktop.name}: ${name} ${task.state === 'succeeded' ? 'done' : task.state}${became}`,
  )
}

export interface ConnectOptions {
  /** Where the viewer file goes instead of opening it; `-` for standard output. */
  save?: string
}

/** Opens the desktop in remote-viewer where there is one and a screen, else saves the `.vv` file. */
export async function connect(context: Context, text: string | undefined, { save }: ConnectOptions): Promise<void> {
  const desktop = await desktopFind(context, text)
  const viewerFile = await context.client.desktopViewerFile({ params: { id: desktop.id } })
  await screenShow(context, desktop.name, viewerFile, save)
}
