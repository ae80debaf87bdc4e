import type { Tx } from '../db/connect.ts'
import { desktopsInsert } from '../db/making.ts'
import { hardwareOf, poolGrowLock } from '../db/pools.ts'
import type { HardwareValue } from '../db/schema.ts'
import { versionIsBlank } from '../db/templates.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import { type Decision, decisionText } from './placement.ts'
import { decisionKept, demandOf, hostsToPlaceOn, type PoolToPlace, placeOn } from './placing.ts'
import { defined, diskMissing, type Partly } from './pool-wish.ts'

export interface PoolToGrow extends PoolToPlace {
  name: string
  /** What new desktops are made from; null while no version is sealed. */
  version_id: string | null
  template_hardware: HardwareValue
  hardware: Partial<HardwareValue>
  max_size: number
  /** Desktops it has, as last seen: a full pool is refused before anything is locked. */
  size?: number
  /** `poolGrowLock` is held already. */
  locked?: boolean
}

export interface MakingAsk {
  count: number
  power: 'running' | 'stopped'
  reason: string
  now: Date
  /** For a person who waits: theirs from the first moment. Absent: prewarming. */
  claim?: { userId: string; slot: number; taskId: string }
  /** What an administrator wishes otherwise than the pool has it, for one. */
  own?: OwnWish
}

export interface OwnWish {
  name?: string | undefined
  hardware?: Partly<HardwareValue> | undefined
}

/**
 * Adds desktops to a pool: places, names, and gives addresses and screen ports in one transaction. Nothing runs yet:
 * the hosts' agents are told by the trigger when this commits.
 *
 * @returns those that were made, and why the rest was not (undefined when all were).
 * @throws HdcsError `template_unavailable` while no version is sealed.
 */
export async function desktopsMake(
  tx: Tx,
  pool: PoolToGrow,
  ask: MakingAsk,
): Promise<{ made: { id: string; name: string }[]; short: HdcsError | undefined }> {
  if (pool.version_id === null)
    throw new HdcsError(
      'template_unavailable',
      'The template has no version that is ready. Wait until it is built, or ask an administrator.',
    )
  const full = () => ({ made: [], short: new HdcsError('pool_exhausted', poolFull(pool)) })
  if (pool.size !== undefined && pool.size >= pool.max_size) return full()
  if (!pool.locked) await poolGrowLock(tx, pool.id)
  const hosts = await hostsToPlaceOn(tx, { poolIds: [pool.id] })
  const size = hosts.reduce((sum, host) => sum + (host.poolDesktops.get(pool.id) ?? 0), 0)
  const room = pool.max_size - size
  if (room <= 0) return full()

  const hardware = { ...hardwareOf(pool.template_hardware, pool.hardware), ...defined(ask.own?.hardware ?? {}) }
  if (hardware.diskBytes === null && (await versionIsBlank(tx, pool.version_id)))
    return { made: [], short: new HdcsError('template_unavailable', diskMissing, atDisk) }
  const demand = demandOf(pool, { hardware, versionId: pool.version_id }, ask.claim ? 'person' : 'prewarm')
  const { placed, short } = placeOn(hosts, demand, Math.min(ask.count, room))
  const made = await desktopsInsert(tx, {
    poolId: pool.id,
    poolName: pool.name,
    name: ask.own?.name,
    versionId: pool.version_id,
    hardware,
    power: ask.power,
    reason: ask.reason,
    now: ask.now,
    claim: ask.claim ?? null,
    desktops: placed.map(decision => ({
      id: newId(ask.now.getTime()),
      hostId: decision.hostId,
      why: decision.why,
      hosts: decisionKept(decision),
    })),
  })
  return { made, short: short && refusal(short) }
}

const atDisk = { fields: [{ field: 'body.hardware.diskBytes', message: diskMissing }] }

const refusal = (decision: Decision) =>
  new HdcsError('no_host', `No host can take this desktop now (${decisionText(decision)}).`)

export const poolFull = (pool: { name: string; max_size: number }) =>
  `All ${pool.max_size} desktops of ${pool.name} are in use. Try again later, or ask an administrator for more.`
