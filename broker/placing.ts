/**
 * Placement on what stands in the database: for desktops that are made, moved, or come back from a lost host. Who
 * places in a transaction and writes what it was told there is counted for the next.
 */
import type { Db, Tx } from '../db/connect.ts'
import { type PlacementFactsRow, placementFacts, placementsInsert } from '../db/placements.ts'
import type { HardwareValue } from '../db/schema.ts'
import type { Affinity, NetworkValue, PlacementHostValue, PlacementPolicy, PlacementTable } from '../db/schema-hosts.ts'
import { storageKeptBytes } from '../lib/capacity.ts'
import { hostCapacity, machineExtraBytes } from './capacity.ts'
import { type Decision, type Demand, type HostFacts, placeAll } from './placement.ts'

/** Of a pool's row what placement asks for. */
export interface PoolToPlace {
  id: string
  cluster_ids: string[]
  placement: PlacementPolicy | null
  affinity: Affinity
  needs: string[]
  network: NetworkValue
}

/**
 * What a desktop of a pool asks of a host.
 * @param desktop.addressClusterId of one that has an address: its cluster.
 * @param desktop.hostId of one that leaves a host: that host.
 */
export function demandOf(
  pool: PoolToPlace,
  desktop: { hardware: HardwareValue; versionId: string; addressClusterId?: string; hostId?: string },
  priority: Demand['priority'],
): Demand {
  return {
    vcpus: desktop.hardware.vcpus,
    memoryBytes: desktop.hardware.memoryBytes + machineExtraBytes,
    firmware: desktop.hardware.firmware,
    diskBus: desktop.hardware.diskBus,
    imageId: desktop.versionId,
    poolId: pool.id,
    clusterIds: pool.cluster_ids,
    placement: pool.placement,
    affinity: pool.affinity,
    needs: pool.needs,
    network: pool.network,
    addressClusterId: desktop.addressClusterId ?? null,
    hostId: desktop.hostId ?? null,
    priority,
  }
}

/**
 * Chooses a host for each of `count` equal desktops. Pure: the caller reads the hosts (`hostsToPlaceOn`) under
 * `addressLock` and writes the desktops or moves in the same transaction; then nobody else places meanwhile.
 *
 * @returns the decisions that found a host, and the one that did not, if any: after it, none was tried.
 */
export function placeOn(hosts: readonly HostFacts[], demand: Demand, count: number) {
  const decisions = placeAll(hosts, Array<Demand>(count).fill(demand))
  const isPlaced = (decision: Decision): decision is Decision & { hostId: string } => decision.hostId !== undefined
  return { placed: decisions.filter(isPlaced), short: decisions.find(decision => !isPlaced(decision)) }
}

/** Every host as placement sees it now: for plans of many different desktops (`placeAll`) and for dry runs. */
export async function hostsToPlaceOn(
  db: Db | Tx,
  ask: { poolIds: readonly string[]; exclude?: ReadonlyMap<string, string> | undefined },
): Promise<HostFacts[]> {
  const rows = await placementFacts(db, ask.poolIds)
  return rows.map(row => factsOf(row, ask.exclude?.get(row.id)))
}

function factsOf(row: PlacementFactsRow, excluded: string | undefined): HostFacts {
  return {
    id: row.id,
    name: row.name,
    clusterId: row.cluster_id,
    clusterName: row.cluster_name,
    clusterPlacement: row.cluster_placement,
    state: row.state,
    wishedOff: row.wished_off,
    offered: hostCapacity(row.observed_facts, row),
    taken: { vcpus: row.vcpus, memoryBytes: row.memory_bytes + row.running * machineExtraBytes },
    cpus: row.observed_facts?.cpus ?? 0,
    maxVcpus: row.observed_facts?.maxVcpus ?? 0,
    personReserve: row.person_reserve,
    images: new Set(row.images),
    tags: row.tags,
    bridges: row.observed_facts?.bridges ?? [],
    networks: row.networks,
    uefi: row.observed_facts?.uefi ?? null,
    addressesFree: row.addresses - row.addresses_taken,
    portsFree: row.ports - row.ports_taken,
    poolDesktops: new Map(Object.entries(row.pools)),
    poolComing: new Map(Object.entries(row.pools_coming)),
    storageLeftBytes: storageLeft(row.observed_usage),
    storageTotalBytes: row.observed_usage?.storageTotalBytes ?? null,
    trouble: excluded ?? row.observed_troubles[0]?.text ?? null,
  }
}

const storageLeft = (usage: PlacementFactsRow['observed_usage']) =>
  usage && usage.storageFreeBytes - storageKeptBytes(usage.storageTotalBytes)

/** Hosts that a stored decision lists, of those that fit and of those that do not. More: a class of 100 writes megabytes. */
const hostsKept = { fitting: 15, refused: 15 }

/** What of a decision is stored. */
export function decisionKept({ hosts }: Decision): PlacementHostValue[] {
  const kept = (fits: boolean, most: number) => hosts.filter(host => host.fits === fits).slice(0, most)
  return [...kept(true, hostsKept.fitting), ...kept(false, hostsKept.refused)]
}

/** Stores why desktops go where they go: the answer of `GET /desktops/{id}/placement`. */
export async function placementsNote(
  tx: Tx,
  cause: PlacementTable['cause'],
  decided: { desktopId: string; decision: Decision }[],
) {
  const rows = decided.map(({ desktopId, decision }) => {
    const { hostId = null, why } = decision
    return { desktop_id: desktopId, cause, host_id: hostId, why, hosts: decisionKept(decision) }
  })
  await placementsInsert(tx, rows)
}
