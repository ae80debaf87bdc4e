/** Why desktops are where they are, and where the next would go. */
import type { z } from '@hono/zod-openapi'
import type { placementHostSchema } from '../api/placements.ts'
import { counted } from '../lib/counted.ts'
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { desktopFind, poolFind } from './desktops.ts'
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
