import { screenPortsReclaim } from '../../db/screen-ports.ts'
import type { Broker } from '../broker.ts'
import type { Reconciler } from './driver.ts'

/** Gives screen ports back where nothing of their desktop is left: nobody waits for one, so a timer is enough. */
export function screenPortsReconciler(broker: Broker): Reconciler {
  return {
    name: 'screen-ports',
    // Longer: an evacuated host’s ports look taken; shorter: the table is read for nothing.
    everyMs: 10_000,
    async step() {
      const count = await screenPortsReclaim(broker.db)
      if (count > 0) broker.log.debug({ count }, 'screen ports were given back')
    },
  }
}
