import { desktopDetach } from '../db/assignments.ts'
import type { Tx } from '../db/connect.ts'
import { desktopWish, transitionNote } from '../db/desktops.ts'
import { hostsWithImage } from '../db/hosts.ts'
import { poolMakes } from '../db/pools.ts'
import { sessionsEnd } from '../db/sessions.ts'

/** A persistent desktop is asked politely before its power is cut; a floating one has nothing to save. */
const persistentGraceMs = 60_000

/**
 * A desktop is given back. Floating: it is nobody's at once, and its next life (incarnation) begins with a new
 * overlay; until its host reports that life, no claim finds it. Persistent: it stays its person's, and shuts down.
 *
 * @returns the goal of the task that waits for it.
 */
export async function releaseWish(
  tx: Tx,
  desktop: {
    id: string
    pool_id: string
    host_id: string
    user_id: string | null
    phase: string
    wished_incarnation: number
  },
  kind: 'floating' | 'persistent',
  why: { because: string; now: Date; became?: 'released' | 'claim undone' },
): Promise<Record<string, unknown>> {
  await transitionNote(
    tx,
    [{ ...desktop, was: desktop.phase, became: why.became ?? 'released', reason: why.because }],
    why.now,
  )
  await sessionsEnd(tx, [desktop.id], why.now)
  if (kind === 'persistent') {
    await desktopWish(tx, desktop.id, {
      wished_power: 'stopped',
      wished_stop_grace_ms: persistentGraceMs,
      wished_graphics: null,
    })
    return {}
  }
  const incarnation = desktop.wished_incarnation + 1
  // Its next life is what the pool is made of today, if that image is on its host.
  const makes = await poolMakes(tx, desktop.pool_id)
  const there = makes !== null && (await hostsWithImage(tx, makes.versionId)).has(desktop.host_id)
  await desktopDetach(tx, desktop.id, { incarnation, ...(there && makes) })
  return { incarnation }
}
