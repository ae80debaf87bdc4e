/** What a cluster does by itself about uneven and idle hosts. */
import type { z } from '@hono/zod-openapi'
import type { stepSchema } from '../api/balance.ts'
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { clusterFind } from './hosts.ts'
import { type Column, table } from './print.ts'

type Step = z.output<typeof stepSchema>

export interface BalanceOptions {
  rebalance?: string
  consolidate?: string
}

const steps: Column<Step>[] = [
  { title: 'DO', value: step => step.do },
  { title: 'WHAT', value: step => step.desktopName ?? step.hostName ?? '—' },
  { title: 'FROM', value: step => step.fromHostName ?? '—' },
  { title: 'TO', value: step => step.toHostName ?? '—' },
  { title: 'BECAUSE', value: step => step.because },
]

/** Shows what it would do now; with an option turns that part on (it is done by rule, from then on) or off first. */
export async function clusterBalance(
  context: Context,
  name: string,
  { rebalance, consolidate }: BalanceOptions,
): Promise<void> {
  const { client } = context
  const params = { id: (await clusterFind(context, name)).id }
  const balance = {
    ...(rebalance !== undefined && { rebalance: { enabled: isOn('--rebalance', rebalance) } }),
    ...(consolidate !== undefined && { consolidate: { enabled: isOn('--consolidate', consolidate) } }),
  }
  if (Object.keys(balance).length > 0) await client.clusterUpdate({ params, body: { balance } })
  const plan = await client.clusterBalance({ params, body: { dryRun: true } })
  const said = (what: string, enabled: boolean) =>
    enabled ? `${what} is on` : `${what} is off (hdcs clusters balance ${name} --${what} on)`
  answer(context, plan, () =>
    [
      `${said('rebalance', plan.enabled.rebalance)}; ${said('consolidate', plan.enabled.consolidate)}`,
      plan.steps.length === 0 ? 'Nothing would be done now.' : table(plan.steps, steps, context.terminal.width),
      ...plan.notes,
    ].join('\n'),
  )
}

function isOn(option: string, text: string): boolean {
  if (text !== 'on' && text !== 'off') throw new HdcsError('invalid', `${option} takes on or off, not ${text}.`)
  return text === 'on'
}
