/**
 * `npm run demo:cluster`: everything `npm start` runs, with three libvirt hosts of a lab (test/lab/lab.ts) instead of this
 * machine: h1 and h2 in the cluster `main` of the site `main`, h3 in `second` of the site `second`. Settings as of `npm start`.
 *
 * While it runs, `npm run lab -- kill h2`, `cut h2`, `heal h2`, `start h2` are what happens to hosts. Ctrl-C ends control
 * plane and hosts; the next start finds hosts, disks and database as they were.
 */
import { existsSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { permissionsOf } from '../auth/policy.ts'
import type { Principal } from '../auth/principal.ts'
import { sayReady, startAllInOne } from '../bin/all-in-one.ts'
import type { Control } from '../bin/control.ts'
import { runProcess } from '../bin/process.ts'
import { clusterCreate, clusterList } from '../broker/clusters.ts'
import { hostList, joinTokenMake } from '../broker/hosts.ts'
import { siteCreate } from '../broker/sites.ts'
import { pause } from '../lib/clock.ts'
import type { Config } from '../lib/config.ts'
import { newId } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import { type Lab, labUp } from '../test/lab/lab.ts'

const agent = fileURLToPath(new URL('../bin/agent.ts', import.meta.url))
const hosts = [
  { name: 'h1', cluster: 'main' },
  { name: 'h2', cluster: 'main' },
  { name: 'h3', cluster: 'second' },
]
/** Hosts that are not online by then are shown as they are; the agents' logs (`unit.log` in the lab's folder) say why. */
const joinMs = 60_000
const isOnline = ({ state }: { state: string }) => state === 'online' || state === 'maintenance'
/** Makes the tree: nobody has signed in yet. */
const maker: Principal = {
  userId: newId(),
  name: 'demo',
  displayName: 'demo',
  roles: ['infrastructureAdministrator'],
  permissions: permissionsOf(['infrastructureAdministrator']),
  tokenId: newId(),
}

async function startDemo(config: Config, log: Log, tell: (text: string) => void) {
  await using undo = new AsyncDisposableStack()
  const control = undo.use(await startAllInOne({ ...config, localHost: false }, log, tell))
  tell(`starting the hosts ${hosts.map(({ name }) => name).join(', ')}`)
  const folder = join(config.dataFolder, 'lab')
  const cache = join(config.dataFolder, 'cache')
  const lab = undo.use(await labUp({ folder, hosts, cache, certificates: 'agent' }))
  const controlUrl = undo.use(await reachable(control, lab)).url
  const clusters = await treeEnsure(control)
  tell('starting their agents')
  for (const { name, cluster } of hosts) await agentKeep(control, lab, controlUrl, name, clusters.get(cluster) ?? '')
  const online = async () => (await hostList(control.broker, maker, { limit: 500 })).items.every(isOnline)
  for (const deadline = Date.now() + joinMs; !(await online()) && Date.now() < deadline; ) await pause(200)
  const kept = undo.move()
  return { control, lab, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

/** What listens on the loopback is passed on from the lab's network, and from nowhere else. */
async function reachable({ url, server }: Control, { gateway }: Lab): Promise<{ url: string } & AsyncDisposable> {
  const { protocol, hostname, port } = new URL(url)
  const [host] = hostname === '0.0.0.0' ? [] : [hostname.replace(/^\[|\]$/g, '')]
  const seen = `${protocol}//${gateway}:${port}`
  if (host === undefined || !server.listening) return { url: seen, [Symbol.asyncDispose]: async () => {} }
  const door = createServer(arriving => {
    const onward = connect({ host, port: Number(port) })
    // One end breaks, the other one has nobody to talk to.
    arriving.on('error', () => onward.destroy()).on('close', () => onward.destroy())
    onward.on('error', () => arriving.destroy()).on('close', () => arriving.destroy())
    arriving.pipe(onward).pipe(arriving)
  })
  const sockets = new Set<{ destroy(): void }>()
  door.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => door.once('error', reject).listen(Number(port), gateway, resolve))
  return {
    url: seen,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => door.close(resolve))
    },
  }
}

/** Each cluster in a site of its own name. @returns their ids by name. */
async function treeEnsure({ broker }: Control): Promise<Map<string, string>> {
  const { items } = await clusterList(broker, maker, { limit: 500 })
  const ids = new Map(items.map(({ name, id }) => [name, id]))
  for (const name of new Set(hosts.map(({ cluster }) => cluster))) {
    if (ids.has(name)) continue
    const site = await siteCreate(broker, maker, { name })
    ids.set(name, (await clusterCreate(broker, maker, { name, siteId: site.id })).id)
  }
  return ids
}

/** A host that joined before has its identity; a new one gets a token. */
async function agentKeep(control: Control, lab: Lab, controlUrl: string, name: string, clusterId: string) {
  const { data } = lab.host(name)
  const joined = existsSync(join(data, 'agent.json'))
  const made = joined ? null : await joinTokenMake(control.broker, maker, { clusterId, minutes: 60 }, controlUrl)
  await lab.unit(name, {
    command: [process.execPath, agent],
    env: {
      HDCS_CONTROL_URL: controlUrl,
      HDCS_DATA_DIR: data,
      HDCS_STORAGE_DIR: lab.storage,
      ...(made && { HDCS_JOIN_TOKEN: made.token }),
    },
  })
}

await runProcess(
  'demo',
  async ({ config, log, tell }) => {
    const demo = await startDemo(config, log, tell)
    sayReady(demo.control)
    console.log(`  the hosts are  ${demo.lab.hosts.map(({ name, cluster }) => `${name} (${cluster})`).join(', ')}`)
    console.log('  try            npm run lab -- cut h2, then heal h2; kill h1, then start h1; status')
    console.log('  Ctrl-C ends HDCS and the hosts; the next start finds all as it was.\n')
    return demo
  },
  'Ending, the hosts too; the next start finds disks and database.',
)
