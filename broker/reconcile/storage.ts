import { hostStorageRows, storagePoolDeleteRow, storagePoolRows } from '../../db/storage-pools.ts'
import { transact } from '../../db/transact.ts'
import { volumesForget, volumesTakeOver } from '../../db/volumes.ts'
import type { Broker } from '../broker.ts'
import { storageKeysKeep } from '../storage-keys.ts'
import type { Reconciler } from './driver.ts'

/**
 * Forgets pools and volumes that are gone from their hosts, gives volumes of hosts that are away to others that have them,
 * and seals keys that an older version wrote as they are.
 */
export function storageReconciler(broker: Broker): Reconciler {
  return {
    name: 'storage',
    everyMs: 30_000,
    restMs: 100,
    async step() {
      await storageKeysKeep(broker)
      await volumesForget(broker.db)
      await volumesTakeOver(broker.db)
      const removing = (await storagePoolRows(broker.db, { limit: 10_000 })).filter(row => !row.wished_present)
      const said = await hostStorageRows(
        broker.db,
        removing.map(({ id }) => id),
      )
      for (const { id } of removing) {
        // One that is lost removes what nobody wishes when it is back.
        const holds = said.some(
          host => host.pool_id === id && host.host_state !== 'lost' && host.observed_state !== 'gone',
        )
        if (!holds) await transact(broker.db, tx => storagePoolDeleteRow(tx, id))
      }
    },
  }
}
