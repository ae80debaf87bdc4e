/** Two simulated hosts with an agent each, and a machine that is moved between them. */
import { makeLog } from '../../lib/log.ts'
import { type AgentConnect, startAgent } from '../../vmm/agent.ts'
import type { Host } from '../../vmm/host.ts'
import { makeSimHost, makeSimStorage, type SimHost, type SimHostOptions } from '../../vmm/sim-host.ts'
import type { MachineSpec } from '../../vmm/spec.ts'
import { makeControl } from './control.ts'
import { makeMover, type Side, sides } from './mover.ts'
import { hostSpec, installationId, machineSpec } from './wishes.ts'

const log = makeLog('agent', 'silent')

export interface MoveSiteOptions {
  kind?: 'live' | 'storage' | 'offline'
  shared?: boolean
  machine?: Partial<MachineSpec>
  host?: Partial<SimHostOptions>
  /** Puts something between an agent and its host. */
  between?: (side: Side, host: SimHost) => Host
}

export async function makeMoveSite(options: MoveSiteOptions = {}) {
  const { kind = 'live', shared = kind === 'live', between = (_side, host) => host } = options
  const common = makeSimStorage()
  const storages = { source: common, target: shared ? common : makeSimStorage() }
  const make = (side: Side) =>
    makeSimHost({ installationId, hostName: side, cpus: 4, storage: storages[side], ...options.host })
  const hosts: Record<Side, SimHost> = { source: make('source'), target: make('target') }
  const strays = shared ? 'keep' : 'remove'
  const controls = { source: makeControl(strays), target: makeControl(strays) }
  const agents: Partial<Record<Side, AsyncDisposable>> = {}
  /** Grows with each agent of a side: what a dead one says is not heard. */
  const lives: Record<Side, number> = { source: 0, target: 0 }
  const base = machineSpec(1, options.machine)
  const mover = makeMover({ controls, base, kind, hostSpec: (_side, machines) => hostSpec(machines) })

  const site = {
    ...mover,
    get ended() {
      return mover.ended
    },
    hosts,
    controls,
    storages,
    async start(side: Side) {
      const life = ++lives[side]
      const connect: AgentConnect = connection => {
        if (life !== lives[side]) return { async [Symbol.asyncDispose]() {} }
        return controls[side].connect({
          ...connection,
          opened: ({ send }) => connection.opened({ send: message => void (life === lives[side] && send(message)) }),
        })
      }
      agents[side] = await startAgent({ host: between(side, hosts[side]), connect, log })
      if (life === lives[side]) controls[side].tell({ type: 'wish', spec: mover.wish(side) })
    },
    /** Another agent at once; of the one before nothing is heard any more. */
    async reborn(side: Side) {
      lives[side]++
      void agents[side]?.[Symbol.asyncDispose]()
      await site.start(side)
    },
    /** The agent ends; its host and the guest on it go on. */
    async kill(side: Side) {
      await agents[side]?.[Symbol.asyncDispose]()
    },
    /** Where the machine runs. */
    async runs(): Promise<Side[]> {
      const on: Side[] = []
      for (const side of sides) if ((await hosts[side].machines()).some(({ id }) => id === base.id)) on.push(side)
      return on
    },
    content: (side: Side) => storages[side].overlays.get(`${base.id}.${base.incarnation}`)?.content,
    async [Symbol.asyncDispose]() {
      for (const side of sides) await site.kill(side)
      for (const side of sides) await hosts[side][Symbol.asyncDispose]()
    },
  }
  for (const side of sides) await site.start(side)
  const made = controls.source.machine(base.id, ({ ready, incarnation }) =>
    base.power === 'stopped' ? incarnation === 1 : ready,
  )
  await made
  return site
}
