/** The product on a lab: control plane and gateway in this machine's own network, an agent on every host. */
import { fileURLToPath } from 'node:url'
import type { Client } from '../../api/client.ts'
import { makeProduct, type Product } from '../support/product.ts'
import { until } from '../support/site.ts'
import { type Lab, type LabOptions, labUp } from './lab.ts'

const agent = fileURLToPath(new URL('../../bin/agent.ts', import.meta.url))
/** Packages and built images are kept between runs. */
const cache = '/var/tmp/hdcs-test-cache'
/** Agents of a lab start together on two cores, libvirt probes QEMU meanwhile, and nothing is in a hurry. */
const joinMs = 60_000

export interface LabCluster extends AsyncDisposable {
  lab: Lab
  /** The control plane; may be killed and started. */
  product: Product
  admin: Client
  /** Gives the host a join token and keeps its agent running from now on, over starts of the host too. */
  join(name: string): Promise<void>
  /** Resolves when the control plane says so of the host. */
  hostIs(name: string, state: string, timeoutMs?: number): Promise<void>
}

/** Resolves when every host is online. */
export async function startLabCluster(name: string, hosts: LabOptions['hosts']): Promise<LabCluster> {
  await using undo = new AsyncDisposableStack()
  const lab = undo.use(
    await labUp({ folder: `/var/tmp/hdcs-lab-${name}`, hosts, fresh: true, cache, certificates: 'agent' }),
  )
  const env = { HDCS_LOCAL_HOST: '0' }
  const product = undo.use(await makeProduct(`lab-${name}`, { simHosts: 0, address: lab.gateway, env }))
  await product.start()
  const admin = await product.client()
  await clustersEnsure(admin, hosts)
  const cluster = {
    lab,
    product,
    admin,
    join: (host: string) => agentKeep(lab, admin, product.url, host),
    async hostIs(host: string, state: string, timeoutMs = joinMs) {
      await until(
        `${host} is ${state}`,
        async () => (await admin.hostList({ query: { name: host } })).items[0]?.state === state,
        timeoutMs,
      )
    },
  }
  for (const host of hosts) await cluster.join(host.name)
  await Promise.all(hosts.map(host => cluster.hostIs(host.name, 'online')))
  const kept = undo.move()
  return { ...cluster, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

/** Makes what is missing of the tree: each cluster in a site of its own name. */
async function clustersEnsure(admin: Client, hosts: LabOptions['hosts']): Promise<void> {
  const known = new Set((await admin.clusterList()).items.map(({ name }) => name))
  for (const name of new Set(hosts.map(({ cluster }) => cluster)).difference(known)) {
    const site = await admin.siteCreate({ body: { name } })
    await admin.clusterCreate({ body: { name, siteId: site.id } })
  }
}

/** Puts a one-time token and the agent's settings into the host's unit. A host that joined before keeps its identity. */
async function agentKeep(lab: Lab, admin: Client, controlUrl: string, name: string): Promise<void> {
  const host = lab.host(name)
  const [cluster] = (await admin.clusterList({ query: { name: host.cluster } })).items
  if (!cluster) throw new Error(`The control plane knows no cluster ${host.cluster}.`)
  const { token } = await admin.joinTokenMake({ body: { clusterId: cluster.id, minutes: 60 } })
  await lab.unit(name, {
    command: [process.execPath, agent],
    env: {
      HDCS_CONTROL_URL: controlUrl,
      HDCS_JOIN_TOKEN: token,
      HDCS_DATA_DIR: host.data,
      HDCS_STORAGE_DIR: lab.storage,
      // Nothing of a lab lies outside its folder.
      HDCS_STORAGE_PLACES: host.data,
      HDCS_SIM_HOSTS: '0',
      HDCS_LOG_LEVEL: process.env.HDCS_LOG_LEVEL ?? 'info',
    },
  })
}
