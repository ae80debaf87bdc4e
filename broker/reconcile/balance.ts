import { type BalanceClusterRow, balanceClusters, hostIsEmpty, hostWishedOffSet } from '../../db/balance.ts'
import { desktopLock } from '../../db/desktops.ts'
import { addressLock } from '../../db/hosts.ts'
import { desktopsMovable, hostEnds } from '../../db/migrations.ts'
import { type BalanceHistory, type BalanceStep, balancePlan, balanceSeen, balanceSettings } from '../balance.ts'
import { clusterLoad } from '../balancing.ts'
import type { Broker } from '../broker.ts'
import { migrationOpen } from '../move-opening.ts'
import { moveTarget } from '../move-target.ts'
import { hostsToPlaceOn } from '../placing.ts'
import { type HostToSwitch, hostSwitch } from '../power.ts'
import type { Reconciler } from './driver.ts'

/** Shorter: loads are read for nothing, as hosts tell theirs every 30 s; longer: a host that is needed comes on late. */
const everyMs = 30_000
/** Between two attempts to switch a host off. */
const offAgainMs = 300_000

/** Evens out the hosts of clusters that wish it, and switches nearly idle ones off and on (balance.ts). */
export function balanceReconciler(broker: Broker): Reconciler {
  /** By cluster. Begun anew in every process that leads: thresholds then count from there. */
  const histories = new Map<string, BalanceHistory>()
  const triedOff = new Map<string, number>()
  return {
    name: 'balance',
    everyMs,
    async step(signal) {
      for (const cluster of await balanceClusters(broker.db)) {
        if (signal.aborted) return
        const history = await balance(broker, cluster, histories.get(cluster.id) ?? new Map(), triedOff)
        histories.set(cluster.id, history)
      }
    },
  }
}

async function balance(
  broker: Broker,
  cluster: BalanceClusterRow,
  before: BalanceHistory,
  triedOff: Map<string, number>,
): Promise<BalanceHistory> {
  const settings = balanceSettings(cluster.balance)
  const { hosts, switches } = await clusterLoad(broker.db, cluster)
  const wanted = settings.rebalance.enabled || settings.consolidate.enabled || hosts.some(host => host.wishedOff)
  if (!wanted) return new Map()
  const now = broker.clock.now()
  const history = balanceSeen(before, hosts, settings, now)
  const { open_moves: openMoves, moved_at: movedAt, switched_at: switchedAt, short } = cluster
  const plan = balancePlan({ settings, hosts, history, openMoves, movedAt, switchedAt, short }, now)
  for (const step of plan.steps) {
    broker.log.info({ cluster: cluster.name, ...step }, 'balancing')
    await take(broker, step, switches)
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

async function take(broker: Broker, step: BalanceStep, switches: ReadonlyMap<string, HostToSwitch>): Promise<void> {
  if (step.do === 'off') return hostWishedOffSet(broker.db, step.hostId, broker.clock.now())
  if (step.do === 'move') return move(broker, step)
  const power = switches.get(step.hostId)
  // Kept as wished off when it cannot be switched on: the next look tries again.
  if (power && (await hostSwitch(broker, power, 'on', step.because)))
    await hostWishedOffSet(broker.db, step.hostId, null)
}

/** What cannot go there after all stays: the next look plans anew. */
async function move(broker: Broker, step: Extract<BalanceStep, { do: 'move' }>): Promise<void> {
  await broker.db.transaction().execute(async tx => {
    await addressLock(tx)
    const locked = await desktopLock(tx, step.desktopId)
    const [row] = await desktopsMovable(tx, { id: step.desktopId })
    if (!locked || row?.host_id !== step.fromHostId || row.move_id !== null) return
    const hosts = await hostsToPlaceOn(tx, { poolIds: [row.pool_id] })
    const target = moveTarget(hosts, await hostEnds(tx), row, { hostId: step.toHostId, restart: false })
    if (target.decision.hostId === undefined || target.kind === null) return
    const why = { cause: step.cause, reason: step.because, taskId: null, restart: false }
    await migrationOpen(tx, row, target, why, broker.clock.now())
  })
}
