/** Why desktops are where they are, and where the next would go. */
import type { z } from '@hono/zod-openapi'
import type { placementHostSchema } from '../api/placements.ts'
import { counted } from '../lib/counted.ts'
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { desktopFind, poolFind } from './desktops.ts'
import { follow } from './follow.ts'
import { hostFind } from './maintenance.ts'
import type { Task } from './nouns.ts'
import { ago, type Column, table } from './print.ts'

type Judged = z.output<typeof placementHostSchema>

const judged: Column<Judged>[] = [
  { title: 'CLUSTER/HOST', value: host => `${host.clusterName}/${host.hostName}` },
  { title: 'FITS', value: host => (host.fits ? 'yes' : 'no') },
  { title: 'SCORE', value: host => (host.score === null ? '—' : String(Math.round(host.score))), right: true },
  { title: 'WHY', value: host => host.reason },
]
const causes = { make: 'placed', move: 'moved', return: 'brought back' }

/** The last decision about a desktop, with every host that was looked at; `--json` has the earlier ones too. */
export async function desktopWhy(context: Context, name?: string): Promise<void> {
  const desktop = await desktopFind(context, name)
  const page = await context.client.placementList({ params: { id: desktop.id } })
  const [last] = page.items
  answer(context, page, () => {
    if (!last) return `Nothing was decided about ${desktop.name} yet.`
    const where = last.hostName ? `to ${last.hostName}` : 'nowhere'
    const said = `${desktop.name} was ${causes[last.cause]} ${where} ${ago(last.at, context.now())}: ${last.why}`
    const now = desktop.hostName === last.hostName ? '' : `\nIt is on ${desktop.hostName ?? 'no host'} now.`
    return `${said}${now}\n${table(last.hosts, judged, context.terminal.width)}`
  })
}

/** To the host that is named, or the best one, running if it can; a dry run says where it would go and why not elsewhere. */
export async function desktopMove(
  context: Context,
  name: string,
  to: string | undefined,
  { dryRun = false, restart = false }: { dryRun?: boolean; restart?: boolean },
): Promise<void> {
  const { id, name: desktop } = await desktopFind(context, name)
  const hostId = to === undefined ? undefined : (await hostFind(context, to)).id
  const made = await context.client.desktopMigrate({ params: { id }, body: { hostId, dryRun, restart } })
  const { choice } = made
  if (!('task' in made))
    return answer(context, made, () => {
      const where = choice.hostName === null ? 'stays' : `would go to ${choice.hostName} (${choice.kind})`
      return `${desktop} ${where}: ${choice.why}\n${table(choice.hosts, judged, context.terminal.width)}`
    })
  const task = await follow(context, made.task as Task)
  answer(
    context,
    { ...made, task },
    () => `${desktop} ${task.state === 'succeeded' ? 'moved' : 'moves'} to ${choice.hostName}: ${choice.why}`,
  )
}

/** A dry run: how many of the next desktops go to which host, why, and how the hosts were judged for the first. */
export async function poolPlace(
  context: Context,
  name: string,
  { count = '1', prewarm = false }: { count?: string; prewarm?: boolean },
): Promise<void> {
  if (!/^\d+$/.test(count) || Number(count) < 1 || Number(count) > 200)
    throw new HdcsError('invalid', `--count takes a number from 1 to 200, not ${count}.`)
  const pool = await poolFind(context, name)
  const priority = prewarm ? ('prewarm' as const) : ('person' as const)
  const plan = await context.client.poolPlace({ params: { id: pool.id }, body: { count: Number(count), priority } })
  const byHost = Object.entries(Object.groupBy(plan.desktops, ({ hostName }) => hostName))
  answer(context, plan, () =>
    [
      ...byHost.map(([host, desktops]) => `${desktops?.length ?? 0} to ${host}: ${desktops?.[0]?.why}`),
      ...(plan.short > 0 ? [`${counted(plan.short, 'finds', 'find')} no host: ${plan.shortReason}`] : []),
      ...(plan.desktops[0] ? [table(plan.desktops[0].hosts, judged, context.terminal.width)] : []),
    ].join('\n'),
  )
}
