/** A control plane of a few lines that brings one machine from one agent's host to another's, by what both say. */
import type { FromAgent } from '../../vmm/protocol.ts'
import type { HostFacts, MoveReport } from '../../vmm/report.ts'
import type { HostSpec, MachineSpec, MoveSpec } from '../../vmm/spec.ts'
import type { makeControl } from './control.ts'

export type Side = 'source' | 'target'
export const sides: readonly Side[] = ['source', 'target']
export type Control = ReturnType<typeof makeControl>

/** What the control plane knows of the move: the words of docs/decisions/0006. */
export type MoveState = 'preparing' | 'moving' | 'done' | 'failed' | 'cancelled'

export interface MoverOptions {
  controls: Record<Side, Control>
  base: MachineSpec
  kind: 'live' | 'storage' | 'offline'
  hostSpec: (side: Side, machines: MachineSpec[]) => HostSpec
  /** Where SPICE shall listen at the target. */
  targetPort?: number | null
}

const factsOf = (control: Control): HostFacts => {
  const hello = control.heard.findLast((message): message is FromAgent & { type: 'hello' } => message.type === 'hello')
  if (!hello) throw new Error('no agent said hello yet')
  return hello.host.facts
}

export function makeMover({ controls, base, kind, hostSpec, targetPort = null }: MoverOptions) {
  let generation = 1
  let home: Side = 'source'
  let move: { id: string; state: MoveState; cancel: boolean } | null = null
  let ended: MoveState | null = null

  const moveOf = (side: Side): MoveSpec | null => {
    if (!move) return null
    const { id, cancel, state } = move
    const away = factsOf(controls[home])
    const imageSha256 = controls[home].images.get(base.imageId)?.sha256 ?? null
    if (side !== home) return { id, role: 'arrive', kind, sourceStorageId: away.storageId, imageSha256 }
    const target = factsOf(controls[other(home)])
    return {
      id,
      role: 'leave',
      kind,
      send: state === 'moving',
      cancel,
      targetUri: target.migrationUri,
      targetAddress: target.address,
      targetPort,
      targetStorageId: target.storageId,
    }
  }
  /** What that host is wished to hold now. */
  const wish = (side: Side): HostSpec => {
    const held = side === home || move !== null
    const first = generation === 1
    const spec: MachineSpec = { ...base, generation, diskMade: !first, move: moveOf(side) }
    return hostSpec(side, held ? [spec] : [])
  }
  const change = () => {
    generation++
    for (const side of sides) controls[side].tell({ type: 'wish', spec: wish(side) })
  }
  const said = (side: Side): MoveReport | null => {
    const report = controls[side].machines.get(base.id)?.move
    return report && report.id === move?.id ? report : null
  }
  const end = (state: MoveState) => {
    ended = state
    move = null
    change()
  }
  /** One look at what both say, and the next step. */
  function step(): void {
    if (!move) return
    const [source, target] = [said(home), said(other(home))]
    if (target?.state === 'arrived' && (kind !== 'offline' || source?.state === 'left')) {
      home = other(home)
      end('done')
    } else if (source?.state === 'failed' || target?.state === 'failed') end(move.cancel ? 'cancelled' : 'failed')
    else if (move.state === 'preparing' && (target?.state === 'ready' || target?.state === 'arrived')) {
      move = { ...move, state: 'moving' }
      change()
    }
  }
  for (const side of sides) controls[side].watch(step)

  return {
    base,
    wish,
    get ended() {
      return ended
    },
    get home() {
      return home
    },
    /** To the host where it is not. */
    move() {
      ended = null
      move = { id: crypto.randomUUID(), state: 'preparing', cancel: false }
      change()
    },
    cancel() {
      if (move) move = { ...move, cancel: true }
      change()
    },
    change(facts: Partial<MachineSpec>) {
      Object.assign(base, facts)
      change()
    },
    /** Resolves with how the move ended. */
    async end(timeoutMs = 10_000): Promise<MoveState> {
      await Promise.any(sides.map(side => controls[side].until(() => ended !== null, timeoutMs)))
      return ended ?? 'failed'
    },
    /** All that was told of its moves by a side, oldest first. */
    told: (side: Side): MoveReport[] =>
      controls[side].heard.flatMap(message =>
        message.type === 'report'
          ? message.machines.flatMap(machine => (machine.id === base.id && machine.move ? [machine.move] : []))
          : [],
      ),
  }
}

export const other = (side: Side): Side => (side === 'source' ? 'target' : 'source')
