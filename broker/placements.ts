/** Why desktops are where they are, and where others would go: stored decisions, and dry runs that change nothing. */
import { desktopRows } from '../db/desktops.ts'
import { placementsOf } from '../db/placements.ts'
import { hardwareOf, poolMakes, poolRows } from '../db/pools.ts'
import type { HardwareValue } from '../db/schema.ts'
import { templateRows, versionCurrent } from '../db/templates.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Broker } from './broker.ts'
import { type Decision, type Demand, decisionText } from './placement.ts'
import { demandOf, hostsToPlaceOn, placeOn } from './placing.ts'
import { type NetworkAsked, networkChecked } from './pool-network.ts'
import { defined, type Partly, type PoolWish } from './pool-wish.ts'

/** Decisions about a desktop, newest first. @throws HdcsError `not_found`. */
export async function desktopPlacements(broker: Broker, id: string) {
  const [desktop] = await desktopRows(broker.db, { ids: [id] })
  if (!desktop) throw new HdcsError('not_found', 'There is no such desktop.')
  const rows = await placementsOf(broker.db, id)
  return {
    items: rows.map(row => ({
      at: row.at.toISOString(),
      cause: row.cause,
      hostId: row.host_id,
      hostName: row.host_name,
      why: row.why,
      hosts: row.hosts,
    })),
  }
}

/**
 * Where the next desktops of a pool would go, were they made now.
 * @throws HdcsError `not_found`, `template_unavailable`.
 */
export async function poolPlace(
  broker: Broker,
  poolId: string,
  ask: { count: number; priority: Demand['priority'] },
): Promise<DryRun> {
  const [pool] = await poolRows(broker.db, { ids: [poolId] })
  if (!pool) throw new HdcsError('not_found', 'There is no such pool.')
  const makes = await poolMakes(broker.db, poolId)
  if (!makes) throw notSealed()
  const demand = demandOf(pool, makes, ask.priority)
  const room = Math.max(0, pool.max_size - pool.total + pool.recycling)
  const run = await dryRun(broker, demand, Math.min(ask.count, room))
  const full = ask.count > room ? `the pool is at its largest size, ${pool.max_size}` : null
  return { ...run, short: ask.count - run.desktops.length, shortReason: run.shortReason ?? full }
}

export interface PlacementAsk {
  templateId: string
  hardware?: { [K in keyof HardwareValue]?: HardwareValue[K] | undefined } | undefined
  network?: NetworkAsked | undefined
  count: number
  priority: Demand['priority']
}

/** Where machines that no pool has would go. @throws HdcsError `not_found`, `invalid`, `template_unavailable`. */
export async function placementDryRun(
  broker: Broker,
  ask: PlacementAsk & Partly<Pick<PoolWish, 'clusterIds' | 'needs' | 'placement'>>,
): Promise<DryRun> {
  const [template] = await templateRows(broker.db, { ids: [ask.templateId] })
  if (!template) throw new HdcsError('not_found', 'There is no such template.')
  const version = await versionCurrent(broker.db, { template_id: template.id, template_version: null })
  if (!version) throw notSealed()
  const pool = {
    id: '',
    cluster_ids: ask.clusterIds ?? [],
    placement: ask.placement ?? null,
    affinity: 'none' as const,
    needs: ask.needs ?? [],
    network: networkChecked(ask.network ?? { mode: 'nat' }),
  }
  const hardware = hardwareOf(template.hardware, defined(ask.hardware ?? {}))
  const demand = demandOf(pool, { hardware, versionId: version.id }, ask.priority)
  return dryRun(broker, { ...demand, poolId: null }, ask.count)
}

export interface DryRun {
  desktops: (Pick<Decision, 'why' | 'hosts'> & { hostId: string; hostName: string })[]
  /** How many find no host. */
  short: number
  /** Why; null when all do. */
  shortReason: string | null
}

async function dryRun(broker: Broker, demand: Demand, count: number): Promise<DryRun> {
  const hosts = await hostsToPlaceOn(broker.db, { poolIds: demand.poolId === null ? [] : [demand.poolId] })
  const { placed, short } = placeOn(hosts, demand, count)
  return {
    desktops: placed.map(decision => ({
      hostId: decision.hostId,
      hostName: decision.hostName ?? '',
      why: decision.why,
      hosts: decision.hosts,
    })),
    short: count - placed.length,
    shortReason: short ? decisionText(short) : null,
  }
}

const notSealed = () =>
  new HdcsError(
    'template_unavailable',
    'The template has no version that is ready. Wait until it is built, or ask an administrator.',
  )
