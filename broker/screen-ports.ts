import type { Tx } from '../db/connect.ts'
import { addressLock } from '../db/hosts.ts'
import { type PortWanted, screenPortsInsert, screenPortsMost } from '../db/screen-ports.ts'
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

/**
 * Whether a cluster's range may become narrower: with none left, nothing would start or come to a host that is in use.
 * Ports that desktops have stay theirs, also out of the new range. The caller holds `addressLock`.
 * @throws HdcsError `conflict` with the numbers.
 */
export async function screenPortsNarrow(tx: Tx, clusterId: string, { from, to }: { from: number; to: number }) {
  const size = to - from + 1
  const most = await screenPortsMost(tx, clusterId)
  if (!most || size > most.taken) return
  throw new HdcsError(
    'conflict',
    `Ports ${from} to ${to} are ${size}, and ${most.taken} are in use on ${most.name} alone: none would be left for desktops that start or move there. Give it more than ${most.taken}, better twice as many, or remove desktops first.`,
  )
}
