/** Where clusters have the networks that pools name. */
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { clusterFind } from './hosts.ts'
import type { Cluster } from './nouns.ts'
import { type Column, table } from './print.ts'

type Network = Cluster['networks'][number]

const columns: Column<Network>[] = [
  { title: 'NETWORK', value: ({ name }) => name },
  { title: 'INTERFACE', value: network => network.interface },
  {
    title: 'VLAN',
    value: ({ vlan }) => (vlan === undefined ? 'as the pool says' : vlan === null ? 'none' : String(vlan)),
  },
]

export interface NetworkOptions {
  /** A number, or `none`. */
  vlan?: string
  remove?: boolean
}

/** Shows what a cluster says of networks; with a network and its interface writes it, with `--remove` forgets it. */
export async function clusterNetwork(
  context: Context,
  clusterName: string,
  name: string | undefined,
  here: string | undefined,
  { vlan, remove = false }: NetworkOptions,
): Promise<void> {
  const cluster = await clusterFind(context, clusterName)
  const changed =
    name === undefined ? cluster : await write(context, cluster, name, here, { ...(vlan && { vlan }), remove })
  answer(context, changed.networks, () =>
    changed.networks.length === 0
      ? `${cluster.name} has every network under the name that pools give it.`
      : table(changed.networks, columns, context.terminal.width),
  )
}

async function write(
  { client }: Context,
  { id, name: clusterName, networks }: Cluster,
  name: string,
  here: string | undefined,
  { vlan, remove }: NetworkOptions,
): Promise<Cluster> {
  const others = networks.filter(network => network.name !== name)
  if (remove && others.length === networks.length)
    throw new HdcsError('not_found', `${clusterName} says nothing of a network ${name}.`)
  if (!remove && here === undefined)
    throw new HdcsError('invalid', `Which interface is ${name} in ${clusterName}? Name it, or --remove the network.`)
  const own = remove || here === undefined ? [] : [{ name, interface: here, ...(vlan && { vlan: vlanOf(vlan) }) }]
  return client.clusterUpdate({ params: { id }, body: { networks: [...others, ...own] } })
}

function vlanOf(text: string): number | null {
  if (text === 'none') return null
  const vlan = Number(text)
  if (!Number.isInteger(vlan)) throw new HdcsError('invalid', `--vlan takes 1 to 4094 or none, not ${text}.`)
  return vlan
}
