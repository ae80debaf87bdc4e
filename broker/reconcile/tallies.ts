import { talliesFold } from '../../db/tallies.ts'
import type { Broker } from '../broker.ts'
import type { Reconciler } from './driver.ts'

/** While there is much to fold. Longer: a storm's changes are added up by every list meanwhile; shorter: the table is written over and over. */
const stormMs = 2_000
/** Otherwise. Longer: a storm's first changes are added up by every list; shorter: idle queries. */
const calmMs = 10_000

/** Folds the sums of desktops: without it they stay right and lists become slow. */
export function talliesReconciler(broker: Broker): Reconciler {
  let storm = false
  return {
    name: 'tallies',
    everyMs: () => (storm ? stormMs : calmMs),
    async step() {
      storm = await talliesFold(broker.db)
    },
  }
}
