import { talliesFold } from '../../db/tallies.ts'
import type { Broker } from '../broker.ts'
import type { Reconciler } from './driver.ts'

/** Folds the sums of desktops: without it they stay right and lists become slow. */
export function talliesReconciler(broker: Broker): Reconciler {
  return {
    name: 'tallies',
    // Longer: a storm's changes are added up by every list meanwhile; shorter: the table is written over and over.
    everyMs: 2_000,
    async step() {
      await talliesFold(broker.db)
    },
  }
}
