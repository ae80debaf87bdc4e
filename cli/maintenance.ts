/** What is done to a host on purpose: maintenance, and making sure that a lost one is off. */
import type { z } from '@hono/zod-openapi'
import type { planSchema } from '../api/maintenance.ts'
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { find } from './find.ts'
import { follow } from './follow.ts'
import type { Host, Task } from './nouns.ts'
import { type Column, table } from './print.ts'
import { ask } from './prompt.ts'

type Plan = z.output<typeof planSchema>

export const hostFind = ({ client }: Context, name: string): Promise<Host> =>
  find(
    'host',
    name,
    id => client.hostGet({ params: { id } }),
    query => client.hostList({ query: { ...query, limit: 500 } }),
  )

export interface MaintenanceOptions {
  dryRun?: boolean
  /** Desktops stay where they are. */
  stay?: boolean
}

/** On: shows the plan, empties the host and waits until it is empty. Off: uses it again, and fetches what left. */
export async function hostMaintenance(
  context: Context,
  name: string,
  to: string,
  { dryRun = false, stay = false }: MaintenanceOptions,
): Promise<void> {
  const { client } = context
  if (to !== 'on' && to !== 'off') throw new HdcsError('invalid', `Maintenance is turned on or off, not ${to}.`)
  const params = { id: (await hostFind(context, name)).id }
  const made =
    to === 'on'
      ? await client.hostEnterMaintenance({ params, body: { evacuate: !stay, dryRun } })
      : await client.hostLeaveMaintenance({ params, body: { bringBack: !stay, dryRun } })
  const shown = () => planText(made.plan, context.terminal.width)
  if (!('task' in made)) return answer(context, made, shown)
  context.terminal.note(`${shown()}\n`)
  const task = await follow(context, made.task as Task)
  answer(context, { ...made, task }, () => `${made.host.name}: maintenance ${to} ${done(task.state)}`)
}

const done = (state: string) => (state === 'succeeded' ? 'done' : state)

/** Who goes where, and why: what has to be looked at first (waiting, lost) by the order of the API. */
function planText(plan: Plan, width: number): string {
  if (plan.desktops.length === 0) return `No desktop has to move for ${plan.hostName}.`
  const columns: Column<Plan['desktops'][number]>[] = [
    { title: 'DESKTOP', value: one => one.desktopName },
    { title: 'USER', value: one => one.userName ?? '—' },
    { title: 'DO', value: one => (one.kind ? `${one.do} (${one.kind})` : one.do) },
    { title: 'TO', value: one => one.hostName ?? '—' },
    { title: 'BECAUSE', value: one => one.because },
  ]
  const counted = Object.entries(plan.counts).filter(([, count]) => count > 0)
  return `${table(plan.desktops, columns, width)}\n${counted.map(([what, count]) => `${what} ${count}`).join(', ')}`
}

export interface FenceOptions {
  /** A person looked: it is off. */
  off?: boolean
  yes?: boolean
}

/** By the cluster's fence command, or by the word of whoever looked. */
export async function hostFence(context: Context, name: string, { off = false, yes = false }: FenceOptions) {
  const host = await hostFind(context, name)
  if (off && !yes) {
    const risk = `If ${host.name} still runs, this can destroy the disks of the desktops on it.`
    if (!process.stdin.isTTY) throw new HdcsError('invalid', `${risk} Say with --yes that you looked, and it is off.`)
    if ((await ask(`${risk} You looked, and it is off? Type its name: `)) !== host.name)
      throw new HdcsError('cancelled', 'Nothing was done.')
  }
  const made = await context.client.hostFence({ params: { id: host.id }, body: { confirmed: off } })
  const task = await follow(context, made.task)
  answer(context, { task }, () => `${host.name}: fence ${done(task.state)}`)
}
