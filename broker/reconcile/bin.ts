import { transitionNote } from '../../db/desktops.ts'
import { binEmpty } from '../../db/recycle-bin.ts'
import type { Broker } from '../broker.ts'
import type { Reconciler } from './driver.ts'

/** Removes what was in the recycle bin for as long as its cluster keeps it. */
export function binReconciler(broker: Broker): Reconciler {
  return {
    name: 'bin',
    // Shorter: a table is looked at for nothing; longer: what nobody wants any more fills the storage.
    everyMs: 60_000,
    async step() {
      const now = broker.clock.now()
      await broker.db.transaction().execute(async tx => {
        const gone = await binEmpty(tx, now)
        const reason = 'its time in the recycle bin is over'
        await transitionNote(
          tx,
          gone.map(row => ({ ...row, was: row.phase, became: 'delete asked', reason })),
          now,
        )
      })
    },
  }
}
