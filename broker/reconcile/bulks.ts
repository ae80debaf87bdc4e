import type { Broker } from '../broker.ts'
import { bulksGoOn } from '../desktop-bulk.ts'
import type { Reconciler } from './driver.ts'

/** Goes on with actions for many desktops whose process ended in the middle. */
export function bulksReconciler(broker: Broker): Reconciler {
  return {
    name: 'bulks',
    // Shorter: a table is looked at for nothing; longer: the rest waits.
    everyMs: 5_000,
    step: signal => bulksGoOn(broker, signal),
  }
}
