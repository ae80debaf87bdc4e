import type { Tx } from '../db/connect.ts'
import { desktopsInsert } from '../db/making.ts'
import { hardwareOf, poolLock, poolNumbers, poolSize } from '../db/pools.ts'
import type { HardwareValue } from '../db/schema.ts'
import { versionCurrent } from '../db/templates.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import { type Decision, decisionText } from './placement.ts'
import { decisionKept, demandOf, type PoolToPlace, placeDesktops } from './placing.ts'

export interface PoolToGrow extends PoolToPlace {
  name: string
  template_id: string
  template_version: number | null
  template_hardware: HardwareValue
  hardware: Partial<HardwareValue>
  max_size: number
}

export interface MakingAsk {
  count: number
  power: 'running' | 'stopped'
  reason: string
  now: Date
  /** For a person who waits: theirs from the first moment. Absent: prewarming. */
  claim?: { userId: string; slot: number; taskId: string }
}

/**
 * Adds desktops to a pool: places, names, and gives addresses and screen ports in one transaction. Nothing runs yet:
 * the hosts' agents are told by the trigger when this commits.
 *
 * @returns ids of those that were made, and why the rest was not (undefined when all were).
 * @throws HdcsError `template_unavailable` while no version is sealed.
 */
export async function desktopsMake(
  tx: Tx,
  pool: PoolToGrow,
  ask: MakingAsk,
): Promise<{ ids: string[]; short: HdcsError | undefined }> {
  await poolLock(tx, pool.id)
  const version = await versionCurrent(tx, pool)
  if (!version)
    throw new HdcsError(
      'template_unavailable',
      'The template has no version that is ready. Wait until it is built, or ask an administrator.',
    )
  const room = pool.max_size - (await poolSize(tx, pool.id))
  if (room <= 0) return { ids: [], short: new HdcsError('pool_exhausted', poolFull(pool)) }

  const hardware = hardwareOf(pool.template_hardware, pool.hardware)
  const demand = demandOf(pool, { hardware, versionId: version.id }, ask.claim ? 'person' : 'prewarm')
  const { placed, short } = await placeDesktops(tx, { demand, count: Math.min(ask.count, room) })
  const numbers = placed.length > 0 ? await poolNumbers(tx, pool.id, placed.length) : []
  const ids = await desktopsInsert(tx, {
    poolId: pool.id,
    versionId: version.id,
    hardware,
    power: ask.power,
    reason: ask.reason,
    now: ask.now,
    claim: ask.claim ?? null,
    desktops: placed.map((decision, index) => ({
      id: newId(ask.now.getTime()),
      name: `${pool.name}-${String(numbers[index]).padStart(3, '0')}`,
      hostId: decision.hostId,
      why: decision.why,
      hosts: decisionKept(decision),
    })),
  })
  return { ids, short: short && refusal(short) }
}

const refusal = (decision: Decision) =>
  new HdcsError('no_host', `No host can take this desktop now (${decisionText(decision)}).`)

export const poolFull = (pool: { name: string; max_size: number }) =>
  `All ${pool.max_size} desktops of ${pool.name} are in use. Try again later, or ask an administrator for more.`
