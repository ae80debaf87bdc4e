/** What balance.ts looks at, read now; and a cluster's plan, as it would be if everything had lasted long enough. */
import type { Principal } from '../auth/principal.ts'
import { type BalanceClusterRow, balanceClusters } from '../db/balance.ts'
import type { Db } from '../db/connect.ts'
import { desktopsMovable, type MovableRow } from '../db/migrations.ts'
import { type PlacementFactsRow, placementFacts } from '../db/placements.ts'
import { HdcsError } from '../lib/errors.ts'
import {
  type BalanceDesktop,
  type BalanceHost,
  type BalancePlan,
  balancePlan,
  balanceSeen,
  balanceSettings,
} from './balance.ts'
import type { Broker } from './broker.ts'
import { hostCapacity, machineExtraBytes } from './capacity.ts'
import { type HostToSwitch, powerRefused } from './power.ts'

export interface ClusterLoad {
  hosts: BalanceHost[]
  switches: Map<string, HostToSwitch>
}

/** The hosts of a cluster with their loads and desktops. */
export async function clusterLoad(db: Db, cluster: BalanceClusterRow): Promise<ClusterLoad> {
  const rows = (await placementFacts(db, [])).filter(row => row.cluster_id === cluster.id)
  const hosts: BalanceHost[] = []
  for (const row of rows) hosts.push(loadOf(row, cluster, await desktopsMovable(db, { hostId: row.id })))
  return { hosts, switches: new Map(rows.map(row => [row.id, switchOf(row, cluster)])) }
}

const switchOf = (row: PlacementFactsRow, cluster: BalanceClusterRow): HostToSwitch => ({
  id: row.id,
  name: row.name,
  address: row.observed_facts?.address ?? '',
  mac: row.observed_facts?.mac ?? null,
  command: cluster.power_command,
})

function loadOf(row: PlacementFactsRow, cluster: BalanceClusterRow, desktops: MovableRow[]): BalanceHost {
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
    desktops: desktops.map(desktopOf),
  }
}

const desktopOf = (row: MovableRow): BalanceDesktop => ({
  id: row.id,
  name: row.name,
  vcpus: row.hardware.vcpus,
  memoryBytes: row.hardware.memoryBytes + machineExtraBytes,
  running: row.wished_power !== 'stopped',
  stays:
    row.move_id !== null
      ? 'it is on its way already'
      : !row.wished_present
        ? 'it is being removed'
        : ['ready', 'paused', 'stopped'].includes(row.phase)
          ? null
          : row.phase_reason,
})

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
  const { hosts } = await clusterLoad(broker.db, cluster)
  const now = broker.clock.now()
  const plan = balancePlan(
    {
      settings,
      hosts,
      history: balanceSeen(new Map(), hosts, settings, new Date(0)),
      openMoves: cluster.open_moves,
      movedAt: null,
      switchedAt: null,
      short: cluster.short,
    },
    now,
  )
  return { ...plan, enabled: { rebalance: set.rebalance.enabled, consolidate: set.consolidate.enabled } }
}
