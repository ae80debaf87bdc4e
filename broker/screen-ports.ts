import type { Tx } from '../db/connect.ts'
import { addressLock } from '../db/hosts.ts'
import { screenPortInsert } from '../db/screen-ports.ts'
import { HdcsError } from '../lib/errors.ts'

/**
 * A screen port for a desktop on the host it moves to, taken in the transaction that opens the move; the one it has
 * there already if it has one.
 * @throws HdcsError `conflict` when the range of the host's cluster is used up.
 */
export async function screenPortTake(tx: Tx, hostId: string, desktopId: string): Promise<number> {
  // Two who look for the lowest free port at once would find the same.
  await addressLock(tx)
  const port = await screenPortInsert(tx, hostId, desktopId)
  if (port === undefined)
    throw new HdcsError(
      'conflict',
      'The range of screen ports of the host’s cluster is used up: widen it on the cluster’s page, or free desktops there.',
    )
  return port
}
