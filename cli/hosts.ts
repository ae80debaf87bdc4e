import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { find } from './find.ts'
import type { Cluster, Host } from './nouns.ts'
import { ago, bytes, type Column, table } from './print.ts'

/** Used of all, as the pages say it. */
const figure = ({ total, used }: Host['resources']['vcpus'], show: (value: number) => string = String) =>
  `${show(used)}/${show(total)}`

export async function hostList(context: Context): Promise<void> {
  const page = await context.client.hostList({ query: { limit: 500 } })
  const place = (host: Host) => `${host.siteName}/${host.clusterName}/${host.name}`
  const columns: Column<Host>[] = [
    { title: 'SITE/CLUSTER/HOST', value: place },
    { title: 'STATE', value: host => host.state },
    { title: 'SINCE', value: host => ago(host.since, context.now()) },
    { title: 'DESKTOPS', value: host => figure(host.resources.desktops), right: true },
    { title: 'VCPUS', value: host => figure(host.resources.vcpus), right: true },
    { title: 'MEMORY', value: host => figure(host.resources.memoryBytes, bytes), right: true },
    { title: 'ADDRESS', value: host => host.address ?? '—' },
    { title: 'SUBNET', value: host => host.subnet },
    { title: 'NOTE', value: host => host.troubles[0]?.text ?? host.tags.join(', ') },
  ]
  const rows = page.items.toSorted((a, b) => place(a).localeCompare(place(b)))
  answer(context, page, () =>
    rows.length === 0 ? 'No host has joined yet: hdcs hosts join' : table(rows, columns, context.terminal.width),
  )
}

/** Resource pools: what is taken of what the hosts that are online have. */
export async function clusterList(context: Context): Promise<void> {
  const page = await context.client.clusterList({ query: { limit: 500 } })
  const place = (cluster: Cluster) => `${cluster.siteName}/${cluster.name}`
  const columns: Column<Cluster>[] = [
    { title: 'SITE/CLUSTER', value: place },
    { title: 'HOSTS', value: cluster => String(cluster.hosts), right: true },
    { title: 'DESKTOPS', value: cluster => figure(cluster.resources.desktops), right: true },
    { title: 'VCPUS', value: cluster => figure(cluster.resources.vcpus), right: true },
    { title: 'MEMORY', value: cluster => figure(cluster.resources.memoryBytes, bytes), right: true },
    { title: 'STORAGE', value: cluster => figure(cluster.resources.storageBytes, bytes), right: true },
    { title: 'NETWORK', value: cluster => cluster.supernet },
    { title: 'PLACEMENT', value: cluster => cluster.placement },
  ]
  const rows = page.items.toSorted((a, b) => place(a).localeCompare(place(b)))
  answer(context, page, () => table(rows, columns, context.terminal.width))
}

export const clusterFind = ({ client }: Context, name: string): Promise<Cluster> =>
  find(
    'cluster',
    name,
    id => client.clusterGet({ params: { id } }),
    query => client.clusterList({ query }),
  )

/** @param limit MiB a second; undefined: none. @param or what else may be said. @throws HdcsError `invalid`. */
export function bytesPerSecond(limit: string | undefined, or = ''): number | null {
  if (limit === undefined) return null
  const mib = Number(limit)
  if (!(mib > 0)) throw new HdcsError('invalid', `--limit takes MiB a second, for example 20${or}`)
  return Math.round(mib * 2 ** 20)
}

/** How fast images come to its hosts; with a limit, sets it first. */
export async function clusterImages(context: Context, name: string, { limit }: { limit?: string }): Promise<void> {
  const body = { imageBytesPerSecond: bytesPerSecond(limit === 'none' ? undefined : limit, ', or none') }
  const found = await clusterFind(context, name)
  const cluster = limit === undefined ? found : await context.client.clusterUpdate({ params: { id: found.id }, body })
  const { imageBytesPerSecond: most } = cluster
  answer(context, cluster, () =>
    most === null
      ? `Hosts of ${cluster.name} fetch images as fast as it goes.`
      : `Each host of ${cluster.name} fetches images at ${bytes(most)}/s at most.`,
  )
}

/** The line to paste on the new host. */
export async function hostJoin(context: Context, clusterName?: string): Promise<void> {
  const cluster = clusterName && (await clusterFind(context, clusterName))
  const made = await context.client.joinTokenMake({ body: cluster ? { clusterId: cluster.id } : {} })
  if (!made.reachable)
    context.terminal.note(
      'This address means this machine alone. For another one: start HDCS with HDCS_LISTEN (or, behind a proxy, HDCS_PUBLIC_URL)\nset to what it reaches, and hdcs login there.\n',
    )
  context.terminal.note(`On the new host (Debian 12, Node.js 20 or newer with npm, curl), within the hour:\n\n`)
  answer(context, made, () => made.command)
}
