/** What balance.ts looks at and by which rule desktops move, read now; and a cluster's plan, as it would be if everything had lasted long enough. */
import type { Principal } from '../auth/principal.ts'
import { type BalanceClusterRow, balanceClusters, balanceMovesFailed } from '../db/balance.ts'
import type { Db } from '../db/connect.ts'
import { type HostEnd, hostEnds } from '../db/host-ends.ts'
import { desktopsMovable, type MovableRow } from '../db/migrations.ts'
import { type PlacementFactsRow, placementFacts } from '../db/placements.ts'
import { HdcsError } from '../lib/errors.ts'
import {
  type BalanceDesktop,
  type BalanceHost,
  type BalancePlan,
  balancePlan,
  balanceSeen,
  type MoveRule,
} from './balance.ts'
import { balanceSettings } from './balance-settings.ts'
import type { Broker } from './broker.ts'
import { hostCapacity, machineExtraBytes } from './capacity.ts'
import { moveTarget } from './move-target.ts'
import { type HostFacts, withDesktop } from './placement.ts'
import { hostsToPlaceOn } from './placing.ts'
import { type HostToSwitch, powerRefused } from './power.ts'

export interface ClusterLoad {
  hosts: BalanceHost[]
  switches: Map<string, HostToSwitch>
  /** Their desktops. */
  rows: MovableRow[]
}

/** A desktop that did not move rests so long. Shorter: the same one is tried all day; longer: one that can go again stays. */
const restMs = 15 * 60_000

/** Moves that were refused when they were asked for, by desktop. */
export type Refused = ReadonlyMap<string, { text: string; at: Date }>

/**
 * The hosts of a cluster with their loads and desktops.
 * @param refused what the database does not know: those refusals left no row.
 */
export async function clusterLoad(
  db: Db,
  cluster: BalanceClusterRow,
  now: Date,
  refused: Refused = new Map(),
): Promise<ClusterLoad> {
  const facts = (await placementFacts(db, [])).filter(row => row.cluster_id === cluster.id)
  const since = new Date(now.getTime() - restMs)
  const resting = await balanceMovesFailed(db, cluster.id, since)
  for (const [id, { text, at }] of refused) if (at > since) resting.set(id, text)
  const hosts: BalanceHost[] = []
  const rows: MovableRow[] = []
  for (const row of facts) {
    const desktops = await desktopsMovable(db, { hostId: row.id })
    rows.push(...desktops)
    hosts.push(loadOf(row, cluster, desktops, resting))
  }
  return { hosts, switches: new Map(facts.map(row => [row.id, switchOf(row, cluster)])), rows }
}

/** Moves as they will be judged when they are asked for (move-target.ts), those planned before counted. */
export async function moveRule(db: Db, rows: readonly MovableRow[]): Promise<MoveRule> {
  const poolIds = [...new Set(rows.map(row => row.pool_id))]
  const [hosts, ends] = [await hostsToPlaceOn(db, { poolIds }), await hostEnds(db)]
  return ruleOn(hosts, ends, new Map(rows.map(row => [row.id, row])))
}

function ruleOn(
  hosts: readonly HostFacts[],
  ends: ReadonlyMap<string, HostEnd>,
  rows: ReadonlyMap<string, MovableRow>,
): MoveRule {
  const targetOf = (id: string) => {
    const row = rows.get(id)
    return row && moveTarget(hosts, ends, row, { hostId: null, restart: false })
  }
  return {
    against({ id }) {
      const target = targetOf(id)
      const judged = target?.decision.hosts ?? []
      const refused = judged.filter(({ fits }) => !fits || target?.kind === null)
      return new Map(refused.map(({ hostId, fits, reason }) => [hostId, fits ? (target?.waits ?? reason) : reason]))
    },
    after({ id }, hostId) {
      const demand = targetOf(id)?.demand
      if (!demand) return this
      return ruleOn(
        hosts.map(host => (host.id === hostId ? withDesktop(host, demand) : host)),
        ends,
        rows,
      )
    },
  }
}

const switchOf = (row: PlacementFactsRow, cluster: BalanceClusterRow): HostToSwitch => ({
  id: row.id,
  name: row.name,
  address: row.observed_facts?.address ?? '',
  mac: row.observed_facts?.mac ?? null,
  command: cluster.power_command,
})

function loadOf(
  row: PlacementFactsRow,
  cluster: BalanceClusterRow,
  desktops: MovableRow[],
  resting: ReadonlyMap<string, string>,
): BalanceHost {
  return {
    id: row.id,
    name: row.name,
    online: row.state === 'online',
    wishedOff: row.wished_off,
    cores: row.observed_facts?.cpus ?? 0,
    cpu: row.observed_usage?.cpu ?? 0,
    offeredBytes: hostCapacity(row.observed_facts, row).memoryBytes,
    takenBytes: row.memory_bytes + row.running * machineExtraBytes,
    stuckOn: powerRefused(switchOf(row, cluster)),
    desktops: desktops.map(desktop => desktopOf(desktop, resting.get(desktop.id))),
  }
}

const desktopOf = (row: MovableRow, failed: string | undefined): BalanceDesktop => ({
  id: row.id,
  name: row.name,
  vcpus: row.hardware.vcpus,
  memoryBytes: row.hardware.memoryBytes + machineExtraBytes,
  running: row.wished_power !== 'stopped',
  stays: staysOf(row, failed),
  stuck: row.wished_present && row.move_id === null && (row.phase === 'failed' || failed !== undefined),
})

function staysOf(row: MovableRow, failed: string | undefined): string | null {
  if (row.move_id !== null) return 'it is on its way already'
  if (!row.wished_present) return 'it is being removed'
  if (row.pinned !== null) return row.pinned
  if (!['ready', 'paused', 'stopped'].includes(row.phase)) return row.phase_reason
  return failed === undefined ? null : `its last move did not come about and it rests: ${failed}`
}

/** What would be done if both were turned on and every load had lasted long enough. @throws HdcsError `not_found`. */
export async function clusterBalancePlan(
  broker: Broker,
  _principal: Principal,
  id: string,
): Promise<BalancePlan & { enabled: { rebalance: boolean; consolidate: boolean } }> {
  const [cluster] = await balanceClusters(broker.db, id)
  if (!cluster) throw new HdcsError('not_found', 'There is no such cluster.')
  const set = balanceSettings(cluster.balance)
  const settings = {
    rebalance: { ...set.rebalance, enabled: true },
    consolidate: { ...set.consolidate, enabled: true },
  }
  const now = broker.clock.now()
  const { hosts, rows } = await clusterLoad(broker.db, cluster, now)
  const plan = balancePlan(
    {
      settings,
      hosts,
      history: balanceSeen(new Map(), hosts, settings, new Date(0)),
      assumed: true,
      rule: await moveRule(broker.db, rows),
      openMoves: cluster.open_moves,
      movedAt: null,
      switchedAt: null,
      short: cluster.short,
    },
    now,
  )
  return { ...plan, enabled: { rebalance: set.rebalance.enabled, consolidate: set.consolidate.enabled } }
}
