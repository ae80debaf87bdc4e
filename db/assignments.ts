import { type Kysely, sql } from 'kysely'
import { machineExtraBytes } from '../lib/capacity.ts'
import type { Tx } from './connect.ts'
import { customising } from './customisation.ts'
import type { Database, HardwareValue, Phase, Power } from './schema.ts'

export interface Claimed {
  id: string
  name: string
  phase: Phase
  /** `stopped` only where nothing starts it yet (`cold: 'unstarted'`). */
  wishedPower: Power
}

/**
 * What a claim may take of those that stand still, whose memory their hosts have not promised yet. Bytes by host: those
 * for which so much is left, which the caller read under `addressLock` and holds; `unstarted`: any, and the caller starts
 * it. Absent: none.
 */
export type ColdClaim = ReadonlyMap<string, number> | 'unstarted'

/**
 * Between the moment a desktop is given back and the reconciler's look at it, its phase still says "ready" while its
 * disk is the last person's. The incarnations tell: nobody gets a disk other than the one that is wished.
 */
const claimable = (poolId: string) => sql<boolean>`
  pool_id = ${poolId} and user_id is null and wished_present and phase in ('ready', 'starting', 'stopped', 'making')
  and (observed_incarnation = wished_incarnation or (observed_incarnation is null and wished_incarnation = 1))`

/** An object, not rows: a key of it is found at once for each of a thousand desktops. */
const startable = (cold: ColdClaim | undefined) =>
  cold === 'unstarted'
    ? sql<boolean>`true`
    : cold === undefined
      ? sql<boolean>`wished_power <> 'stopped'`
      : sql<boolean>`(wished_power <> 'stopped' or memory_bytes + ${machineExtraBytes}::bigint
          <= (${JSON.stringify(Object.fromEntries(cold))}::jsonb ->> host_id::text)::bigint)`

/**
 * Gives the best unclaimed desktop of a pool to a person, in one statement, and notes it.
 * Order: running and ready, still starting, stopped, still being made. `skip locked` lets any number of control
 * processes claim at once without waiting for each other and without giving one desktop twice; without it a class of
 * 30 queues up behind the first row. The unique slot keeps one person from two desktops by two clicks.
 *
 * @returns `busy` when all that it may take is held by somebody for a moment, undefined when there is none. Waiting for such
 *   a row here was tried: claims that wait for each other's rows deadlock.
 */
export async function desktopClaim(
  db: Kysely<Database>,
  claim: { poolId: string; userId: string; slot: number; taskId: string; now: Date; cold?: ColdClaim },
): Promise<Claimed | 'busy' | undefined> {
  const free = db
    .selectFrom('desktop')
    .select('id')
    .where(claimable(claim.poolId))
    .where(startable(claim.cold))
    .orderBy(sql`array_position(array['ready', 'starting', 'stopped', 'making'], phase)`)
    .orderBy('made_at')
    .limit(1)
    .forUpdate()
    .skipLocked()

  const row = await db
    .with('claimed', q =>
      q
        .updateTable('desktop')
        .set({
          user_id: claim.userId,
          user_slot: claim.slot,
          assigned_at: claim.now,
          claim_task_id: claim.taskId,
          ...(claim.cold !== 'unstarted' && { wished_power: 'running' }),
        })
        .where('id', '=', free)
        .returning(['id', 'name', 'phase', 'host_id', 'wished_power', customising.as('customising')]),
    )
    .with('noted', q =>
      q
        .insertInto('transition')
        .columns(['desktop_id', 'pool_id', 'host_id', 'user_id', 'at', 'was', 'became', 'reason'])
        .expression(
          q
            .selectFrom('claimed')
            .select([
              'id',
              sql<string>`${claim.poolId}::uuid`.as('pool_id'),
              'host_id',
              sql<string>`${claim.userId}::uuid`.as('user_id'),
              sql<Date>`${claim.now}::timestamptz`.as('at'),
              'phase',
              sql<string>`'assigned'`.as('became'),
              sql<string>`'claimed'`.as('reason'),
            ]),
        ),
    )
    .selectNoFrom(eb => [
      eb.selectFrom('claimed').select('id').as('id'),
      eb.selectFrom('claimed').select('name').as('name'),
      eb.selectFrom('claimed').select('wished_power').as('wishedPower'),
      // What is run for its person is still to come: it is on its way, however it looks until the next look at it.
      eb
        .selectFrom('claimed')
        .select(sql<Phase>`case when customising then 'starting' else phase end`.as('phase'))
        .as('phase'),
      sql<boolean>`exists (select from desktop where ${claimable(claim.poolId)} and ${startable(claim.cold)})`.as(
        'free',
      ),
    ])
    .executeTakeFirstOrThrow()
  const { id, name, phase, wishedPower } = row
  if (id !== null && name !== null && phase !== null && wishedPower !== null) return { id, name, phase, wishedPower }
  return row.free ? 'busy' : undefined
}

/** Nobody's any more, and its next life begins with a new disk. */
export async function desktopDetach(
  tx: Tx,
  id: string,
  to: { incarnation: number; versionId?: string; hardware?: HardwareValue },
) {
  await tx
    .updateTable('desktop')
    .set({
      user_id: null,
      user_slot: null,
      assigned_at: null,
      claim_task_id: null,
      wished_incarnation: to.incarnation,
      ...(to.versionId !== undefined && { version_id: to.versionId }),
      ...(to.hardware !== undefined && { hardware: JSON.stringify(to.hardware) }),
      wished_power: 'stopped',
      wished_stop_grace_ms: 0,
      wished_graphics: null,
    })
    .where('id', '=', id)
    .execute()
}
