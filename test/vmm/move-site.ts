/** Two simulated hosts with an agent each, and a control plane of a few lines that brings a machine from one to the other. */
import { makeLog } from '../../lib/log.ts'
import { startAgent } from '../../vmm/agent.ts'
import type { Host } from '../../vmm/host.ts'
import type { MoveReport } from '../../vmm/report.ts'
import { makeSimHost, makeSimStorage, type SimHost, type SimHostOptions } from '../../vmm/sim-host.ts'
import type { MachineSpec, MoveSpec } from '../../vmm/spec.ts'
import { makeControl } from './control.ts'
import { hostSpec, imageSpec, installationId, machineSpec } from './wishes.ts'

const log = makeLog('agent', 'silent')

export type Side = 'source' | 'target'
export const sides: readonly Side[] = ['source', 'target']

export interface MoveSiteOptions {
  kind?: 'live' | 'storage' | 'offline'
  shared?: boolean
  machine?: Partial<MachineSpec>
  host?: Partial<SimHostOptions>
  /** Puts something between an agent and its host. */
  between?: (side: Side, host: SimHost) => Host
}

/** What the control plane knows of the move: the words of docs/decisions/0006. */
type State = 'preparing' | 'moving' | 'done' | 'failed' | 'cancelled'

export async function makeMoveSite(options: MoveSiteOptions = {}) {
  const { kind = 'live', shared = kind === 'live', between = (_side, host) => host } = options
  const common = makeSimStorage()
  const storages = { source: common, target: shared ? common : makeSimStorage() }
  const make = (side: Side) =>
    makeSimHost({ installationId, hostName: side, cpus: 4, storage: storages[side], ...options.host })
  const hosts: Record<Side, SimHost> = { source: make('source'), target: make('target') }
  const controls = { source: makeControl(), target: makeControl() }
  const agents: Partial<Record<Side, AsyncDisposable>> = {}
  const base = machineSpec(1, options.machine)
  let generation = 1
  let home: Side = 'source'
  let move: { id: string; state: State; cancel: boolean } | null = null
  let ended: State | null = null

  const moveOf = (side: Side): MoveSpec | null => {
    if (!move) return null
    const { id } = move
    if (side === 'target')
      return { id, role: 'arrive', kind, sourceStorageId: storages.source.id, imageSha256: 'a'.repeat(64) }
    const place = { targetUri: 'sim://target', targetAddress: '127.0.0.1', targetPort: null }
    const send = move.state === 'moving'
    return { id, role: 'leave', kind, send, cancel: move.cancel, ...place, targetStorageId: storages.target.id }
  }
  const tell = (side: Side) => {
    const held = side === home || (move !== null && side === 'target')
    const spec: MachineSpec = { ...base, generation, diskMade: true, move: moveOf(side) }
    // The first life of its disk is made at home.
    if (side === home && move === null && ended === null) spec.diskMade = false
    controls[side].tell({ type: 'wish', spec: hostSpec(held ? [spec] : []) })
  }
  const change = () => {
    generation++
    for (const side of sides) tell(side)
  }
  const said = (side: Side): MoveReport | null => {
    const report = controls[side].machines.get(base.id)?.move
    return report && report.id === move?.id ? report : null
  }
  /** One look at what both say; the control plane's next step, if there is one. */
  function step(): void {
    if (!move) return
    const [source, target] = [said('source'), said('target')]
    const arrived = target?.state === 'arrived' && (kind !== 'offline' || source?.state === 'left')
    const end = (state: State) => {
      ended = state
      move = null
      change()
    }
    if (arrived) {
      home = 'target'
      end('done')
    } else if (source?.state === 'failed' || target?.state === 'failed') end(move.cancel ? 'cancelled' : 'failed')
    else if (move.state === 'preparing' && (target?.state === 'ready' || target?.state === 'arrived')) {
      move = { ...move, state: 'moving' }
      change()
    }
  }

  const site = {
    base,
    hosts,
    controls,
    storages,
    get ended() {
      return ended
    },
    get home() {
      return home
    },
    async start(side: Side) {
      agents[side] = await startAgent({ host: between(side, hosts[side]), connect: controls[side].connect, log })
      tell(side)
    },
    /** The agent ends; its host and the guest on it go on. */
    async kill(side: Side) {
      await agents[side]?.[Symbol.asyncDispose]()
    },
    move() {
      ended = null
      move = { id: crypto.randomUUID(), state: 'preparing', cancel: false }
      change()
    },
    cancel() {
      if (move) move = { ...move, cancel: true }
      change()
    },
    wish(facts: Partial<MachineSpec>) {
      Object.assign(base, facts)
      change()
    },
    said,
    /** Where the machine runs. */
    async runs(): Promise<Side[]> {
      const on: Side[] = []
      for (const side of sides) if ((await hosts[side].machines()).some(({ id }) => id === base.id)) on.push(side)
      return on
    },
    content: (side: Side) => storages[side].overlays.get(`${base.id}.${base.incarnation}`)?.content,
    /** Resolves when the control plane ended the move. */
    async end(timeoutMs = 10_000): Promise<State> {
      await Promise.any(sides.map(side => controls[side].until(() => ended !== null, timeoutMs)))
      return ended ?? 'failed'
    },
    image: imageSpec(),
    async [Symbol.asyncDispose]() {
      for (const side of sides) await agents[side]?.[Symbol.asyncDispose]()
      for (const side of sides) await hosts[side][Symbol.asyncDispose]()
    },
  }
  for (const side of sides) controls[side].watch(step)
  for (const side of sides) await site.start(side)
  const ready = base.power === 'stopped' ? controls.source.machine(base.id, report => report.incarnation === 1) : null
  await (ready ?? controls.source.machine(base.id, report => report.ready))
  return site
}
