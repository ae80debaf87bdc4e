/** Template versions sent to other clusters, with what that comes to said before. */
import { answer, type Context } from './context.ts'
import { follow } from './follow.ts'
import { bytesPerSecond, clusterFind } from './hosts.ts'
import type { CopyPlan } from './nouns.ts'
import { bytes, type Column, fields, table } from './print.ts'
import { templateFind, versionNumber } from './templates.ts'

export interface SendOptions {
  /** MiB a second. */
  limit?: string
  dryRun?: boolean
}

/** A version to another cluster; said again, it goes on where it broke off. */
export async function templateSend(
  context: Context,
  name: string,
  version: string,
  clusterName: string,
  { limit, dryRun = false }: SendOptions,
): Promise<void> {
  const { client } = context
  const template = await templateFind(context, name)
  const cluster = await clusterFind(context, clusterName)
  const number = versionNumber(template, version)
  const params = { id: template.id, number, clusterId: cluster.id }
  const made = await client.copyMake({ params, body: { bytesPerSecond: bytesPerSecond(limit), dryRun } })
  if (!('task' in made)) return answer(context, made, () => planText(made, context.terminal.width))
  const task = await follow(context, made.task)
  answer(
    context,
    { task },
    () => `${name} version ${number} ${task.state === 'succeeded' ? 'is' : 'goes'} to ${clusterName}`,
  )
}

type Storage = CopyPlan['storages'][number]
const storageColumns: Column<Storage>[] = [
  { title: 'STORAGE OF', value: ({ hosts }) => hosts.map(({ name }) => name).join(', ') },
  { title: 'IMAGE', value: ({ state }) => state },
  { title: 'TO SEND', value: ({ bytesToSend }) => bytes(bytesToSend), right: true },
  { title: 'FREE', value: ({ freeBytes }) => bytes(freeBytes), right: true },
  { title: 'FREE AFTER', value: ({ freeAfterBytes }) => bytes(freeAfterBytes), right: true },
  { title: 'RESERVE', value: ({ keptBytes }) => bytes(keptBytes), right: true },
  { title: 'FITS', value: ({ fits }) => (fits ? 'yes' : 'no') },
]

type Network = CopyPlan['networks'][number]
const networkColumns: Column<Network>[] = [
  { title: 'POOL', value: ({ poolName }) => poolName },
  { title: 'NETWORK', value: ({ network }) => network },
  { title: 'THERE', value: ({ here, mapped }) => (mapped ? here : `${here} (own name)`) },
  { title: 'ON', value: ({ hosts }) => hosts.join(', ') || 'no host' },
  { title: 'USES IT', value: ({ usesCluster }) => (usesCluster ? 'yes' : 'no') },
]

function planText(plan: CopyPlan, width: number): string {
  const pace = plan.bytesPerSecond === null ? '?' : `${bytes(plan.bytesPerSecond)}/s`
  const by = { limit: ' (the limit)', past: ' (as the last copies there)' }
  return [
    ...plan.checks.map(({ ok, text }) => `${ok ? '  ' : '! '}${text}`),
    fields([
      ['image', bytes(plan.sizeBytes)],
      ['to send', bytes(plan.bytesToSend)],
      ['pace', `${pace}${plan.paceBy ? by[plan.paceBy] : ''}`],
      ['about', plan.ms === null ? '?' : `${Math.ceil(plan.ms / 1000)} s`],
    ]),
    ...(plan.storages.length > 0 ? [table(plan.storages, storageColumns, width)] : []),
    ...(plan.networks.length > 0 ? [table(plan.networks, networkColumns, width)] : []),
    ...(plan.hostsUnknown.length > 0 ? [`Not known yet what they have: ${plan.hostsUnknown.join(', ')}`] : []),
  ].join('\n')
}
