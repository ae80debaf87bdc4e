/** A desktop that came from another cluster bears an address of a network that its new host does not have. */
import type { Tx } from '../db/connect.ts'
import { addressesFree, addressLock } from '../db/hosts.ts'
import { desktopAddressForeign, desktopAddressSet } from '../db/migrations.ts'

/**
 * Gives a desktop that does not run an address of its host's own subnet, if it has none of its cluster's network. With
 * the address its card changes: a guest that runs keeps both until it is started anew.
 */
export async function addressAtHome(tx: Tx, desktopId: string): Promise<void> {
  const hostId = await desktopAddressForeign(tx, desktopId)
  if (hostId === undefined) return
  await addressLock(tx)
  const [address] = (await addressesFree(tx, new Map([[hostId, 1]]))).get(hostId) ?? []
  if (address !== undefined) await desktopAddressSet(tx, desktopId, address)
}
