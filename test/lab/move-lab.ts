/** Three real hosts, two of them on one storage, with an agent each and a test as their control plane. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WebSocketServer } from 'ws'
import type { LibvirtDaemon } from '../../vmm/libvirt/daemon.ts'
import type { FromAgent } from '../../vmm/protocol.ts'
import type { HostSpec, MachineSpec } from '../../vmm/spec.ts'
import { makeControl } from '../vmm/control.ts'
import { makeMover, type Side, sides } from '../vmm/mover.ts'
import { hostSpec, installationId } from '../vmm/wishes.ts'
import { diskMeeting } from './disk-meeting.ts'
import { type Lab, labUp } from './lab.ts'
import type { MoveAgentSettings } from './move-agent.ts'

const agent = fileURLToPath(new URL('move-agent.ts', import.meta.url))
const cache = '/var/tmp/hdcs-test-cache'
const supernet = '10.247.0.0/16'
const subnets: Record<string, string> = { h1: '10.247.4.0/22', h2: '10.247.8.0/22', h3: '10.247.12.0/22' }

export interface MoveLab extends AsyncDisposable {
  lab: Lab
  /** Two agents from nothing, and the machine that goes from the first host to the second and back. */
  pair(options: PairOptions): Promise<Pair>
}

export interface PairOptions {
  hosts: Record<Side, string>
  kind: 'live' | 'storage' | 'offline'
  machine: MachineSpec
  targetPort?: number | null
  postCopy?: boolean
}

export type Pair = Awaited<ReturnType<typeof pairOf>>

export async function startMoveLab(name: string): Promise<MoveLab> {
  const lab = await labUp({
    folder: `/var/tmp/hdcs-lab-${name}`,
    hosts: [
      { name: 'h1', cluster: 'main' },
      { name: 'h2', cluster: 'main' },
      { name: 'h3', cluster: 'second' },
    ],
    fresh: true,
    cache,
  })
  return { lab, pair: options => pairOf(lab, options), [Symbol.asyncDispose]: () => lab.down() }
}

async function pairOf(lab: Lab, { hosts, kind, machine, targetPort = null, postCopy = false }: PairOptions) {
  const strays = lab.host(hosts.source).cluster === lab.host(hosts.target).cluster ? 'keep' : 'remove'
  const controls = { source: makeControl(strays), target: makeControl(strays) }
  const wishOf = (side: Side, machines: MachineSpec[]): HostSpec =>
    hostSpec(machines, { network: { supernet, subnet: subnets[hosts[side]] ?? '' } })
  const mover = makeMover({ controls, base: machine, kind, hostSpec: wishOf, targetPort })
  const agents: Partial<Record<Side, ChildProcess>> = {}
  const daemons: Partial<Record<Side, LibvirtDaemon>> = {}
  await using undo = new AsyncDisposableStack()
  const opened = undo.use(new AsyncDisposableStack())
  const meeting = diskMeeting()
  const server = createServer(meeting)
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket, request) => {
    const side: Side = request.url?.includes('target') ? 'target' : 'source'
    const control = controls[side]
    control.connect({ opened() {}, heard: message => socket.send(JSON.stringify(message)), closed() {} })
    socket.on('message', data => {
      const message = JSON.parse(String(data)) as FromAgent
      control.hear(message)
      if (message.type === 'hello') control.tell({ type: 'wish', spec: mover.wish(side) })
    })
  })
  server.listen(0, lab.gateway)
  await once(server, 'listening')
  undo.defer(() => {
    sockets.close()
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as { port: number }

  const pair = {
    ...mover,
    get ended() {
      return mover.ended
    },
    get home() {
      return mover.home
    },
    controls,
    host: (side: Side) => lab.host(hosts[side]),
    async daemon(side: Side) {
      daemons[side] ??= opened.use(await lab.daemon(hosts[side]))
      return daemons[side]
    },
    start(side: Side) {
      const settings: MoveAgentSettings = {
        url: `http://${lab.gateway}:${port}/${side}`,
        installationId,
        folder: lab.storage,
        cacheFolder: join(lab.host(hosts[side]).data, 'host', 'cache'),
        spiceListen: lab.host(hosts[side]).address,
        postCopy,
      }
      agents[side] = lab.spawn(hosts[side], [process.execPath, agent], {
        env: { MOVE_AGENT: JSON.stringify(settings) },
      })
    },
    /** What lies of it on a side's storage. */
    async files(side: Side): Promise<string[]> {
      const names = await readdir(join(lab.storageOf(lab.host(hosts[side]).cluster), 'overlays'))
      return names.filter(name => name.startsWith(machine.id)).toSorted()
    },
    /** No goodbye. */
    async kill(side: Side) {
      const child = agents[side]
      if (!child || child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      // `nsenter` waits for the agent, which is its only child.
      for (const pid of await childrenOf(child.pid)) process.kill(pid, 'SIGKILL')
      await ended
    },
    /** Where it runs, as libvirt says. */
    async runs(): Promise<Side[]> {
      const on: Side[] = []
      for (const side of sides) {
        const domains = await (await pair.daemon(side)).actions.connectListAllDomains({ flags: 1 })
        if (domains.some(({ uuid }) => uuid === machine.id)) on.push(side)
      }
      return on
    },
    async [Symbol.asyncDispose]() {
      for (const side of sides) await pair.kill(side)
      for (const side of sides)
        for (const domain of await (await pair.daemon(side)).actions.connectListAllDomains({ flags: 1 }))
          await (await pair.daemon(side)).actions.domainDestroyFlags({ domain }).catch(() => {}) // it ended by itself
      await kept.disposeAsync()
    },
  }
  const kept = undo.move()
  for (const side of sides) pair.start(side)
  await controls.source.machine(
    machine.id,
    ({ ready, incarnation }) => (machine.power === 'stopped' ? incarnation === machine.incarnation : ready),
    240_000,
  )
  return pair
}

async function childrenOf(pid = 0): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '') // it ended by itself
  return text.trim().split(' ').filter(Boolean).map(Number)
}
