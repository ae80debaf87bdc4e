import { type BalanceClusterRow, balanceClusters, hostIsEmpty, hostWishedOffSet } from '../../db/balance.ts'
import { desktopLock } from '../../db/desktops.ts'
import { hostEnds } from '../../db/host-ends.ts'
import { addressLock } from '../../db/hosts.ts'
import { desktopsMovable } from '../../db/migrations.ts'
import { transact } from '../../db/transact.ts'
import { HdcsError } from '../../lib/errors.ts'
import { type BalanceHistory, type BalanceStep, balancePlan, balanceSeen } from '../balance.ts'
import { balanceSettings } from '../balance-settings.ts'
import { clusterLoad, moveRule } from '../balancing.ts'
import type { Broker } from '../broker.ts'
import { migrationOpen } from '../move-opening.ts'
import { moveTarget } from '../move-target.ts'
import { hostsToPlaceOn } from '../placing.ts'
import { type HostToSwitch, hostSwitch } from '../power.ts'
import { powerReceiptsEnd } from '../power-receipts.ts'
import type { Reconciler } from './driver.ts'

/** Shorter: loads are read for nothing, as hosts tell theirs every 30 s; longer: a host that is needed comes on late. */
const everyMs = 30_000
/** Between two attempts to switch a host off. */
const offAgainMs = 300_000

/** What a process that leads remembers, begun anew in every one: thresholds and rests then count from there. */
interface Memory {
  /** By cluster. */
  histories: Map<string, BalanceHistory>
  /** When a host was last tried to be switched off. */
  triedOff: Map<string, number>
  /** Moves that were refused when they were asked for, by desktop: they rest (balancing.ts). */
  refused: Map<string, { text: string; at: Date }>
}

/** Evens out the hosts of clusters that wish it, and switches nearly idle ones off and on (balance.ts). */
export function balanceReconciler(broker: Broker): Reconciler {
  const memory: Memory = { histories: new Map(), triedOff: new Map(), refused: new Map() }
  let begun = false
  return {
    name: 'balance',
    everyMs,
    async step(signal) {
      if (!begun) await powerReceiptsEnd(broker)
      begun = true
      for (const cluster of await balanceClusters(broker.db)) {
        if (signal.aborted) return
        memory.histories.set(cluster.id, await balance(broker, cluster, memory))
      }
    },
  }
}

async function balance(broker: Broker, cluster: BalanceClusterRow, memory: Memory): Promise<BalanceHistory> {
  const { triedOff, refused } = memory
  const settings = balanceSettings(cluster.balance)
  const now = broker.clock.now()
  const { hosts, switches, rows } = await clusterLoad(broker.db, cluster, now, refused)
  const wanted = settings.rebalance.enabled || settings.consolidate.enabled || hosts.some(host => host.wishedOff)
  if (!wanted) return new Map()
  const history = balanceSeen(memory.histories.get(cluster.id) ?? new Map(), hosts, settings, now)
  const rule = await moveRule(broker.db, rows)
  const { open_moves: openMoves, moved_at: movedAt, switched_at: switchedAt, short } = cluster
  const plan = balancePlan({ settings, hosts, history, rule, openMoves, movedAt, switchedAt, short }, now)
  for (const step of plan.steps) {
    broker.log.info({ cluster: cluster.name, ...step }, 'balancing')
    const text = await take(broker, step, switches)
    if (text === undefined || step.do !== 'move') continue
    broker.log.warn({ cluster: cluster.name, desktop: step.desktopName }, `not moved, it rests: ${text}`)
    refused.set(step.desktopId, { text, at: now })
  }
  for (const host of hosts.filter(({ wishedOff, online }) => wishedOff && online)) {
    const tried = triedOff.get(host.id) ?? 0
    const power = switches.get(host.id)
    if (!power || now.getTime() - tried < offAgainMs || !(await hostIsEmpty(broker.db, host.id))) continue
    triedOff.set(host.id, now.getTime())
    await hostSwitch(broker, power, 'off', 'it is nearly idle, and empty now')
  }
  return history
}

/** @returns why it was refused. */
async function take(
  broker: Broker,
  step: BalanceStep,
  switches: ReadonlyMap<string, HostToSwitch>,
): Promise<string | undefined> {
  if (step.do === 'move') return move(broker, step)
  if (step.do === 'off') await hostWishedOffSet(broker.db, step.hostId, broker.clock.now())
  if (step.do === 'keep') await hostWishedOffSet(broker.db, step.hostId, null)
  if (step.do !== 'on') return
  const power = switches.get(step.hostId)
  // Kept as wished off when it cannot be switched on: the next look tries again.
  if (power && (await hostSwitch(broker, power, 'on', step.because)))
    await hostWishedOffSet(broker.db, step.hostId, null)
}

/** What changed since the plan is planned anew at the next look; @returns why it cannot go there after all. */
async function move(broker: Broker, step: Extract<BalanceStep, { do: 'move' }>): Promise<string | undefined> {
  try {
    await transact(broker.db, async tx => {
      await addressLock(tx)
      const locked = await desktopLock(tx, step.desktopId)
      const [row] = await desktopsMovable(tx, { id: step.desktopId })
      if (!locked || row?.host_id !== step.fromHostId || row.move_id !== null) return
      const hosts = await hostsToPlaceOn(tx, { poolIds: [row.pool_id] })
      const target = moveTarget(hosts, await hostEnds(tx), row, { hostId: step.toHostId, restart: false })
      const why = { cause: step.cause, reason: step.because, taskId: null, restart: false }
      await migrationOpen(tx, row, target, why, broker.clock.now())
    })
  } catch (error) {
    if (error instanceof HdcsError && (error.code === 'no_host' || error.code === 'conflict')) return error.message
    throw error
  }
}
