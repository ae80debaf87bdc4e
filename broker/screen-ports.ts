import type { Tx } from '../db/connect.ts'
import { addressLock } from '../db/hosts.ts'
import { type PortWanted, screenPortsInsert } from '../db/screen-ports.ts'
import { HdcsError } from '../lib/errors.ts'

/**
 * Screen ports for desktops on the hosts they come to, taken in the transaction that sends them there; those they have
 * there already if they have some.
 * @returns by desktop.
 * @throws HdcsError `conflict` when the range of a host's cluster is used up.
 */
export async function screenPortsTake(tx: Tx, wanted: PortWanted[]): Promise<Map<string, number>> {
  // Two who look for the lowest free port at once would find the same.
  await addressLock(tx)
  const ports = await screenPortsInsert(tx, wanted)
  if (ports.size < wanted.length)
    throw new HdcsError(
      'conflict',
      'The range of screen ports of the host’s cluster is used up: widen it on the cluster’s page, or free desktops there.',
    )
  return ports
}

/** The same for one desktop. @returns its port. */
export async function screenPortTake(tx: Tx, hostId: string, desktopId: string): Promise<number | undefined> {
  return (await screenPortsTake(tx, [{ host_id: hostId, desktop_id: desktopId }])).get(desktopId)
}
