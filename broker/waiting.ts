/** For which lost host a desktop waits, and whether it goes on elsewhere once that host is off for certain. */
import type { DesktopRow } from '../db/desktops.ts'
import { type ReturnHostRow, returnHosts } from '../db/returns.ts'
import { planOf } from './bringing-back.ts'
import type { Broker } from './broker.ts'

/** Kept for its person, and nobody knows what its host does. */
const isAway = (row: DesktopRow) =>
  row.phase === 'unknown' && row.host_state === 'lost' && row.pool_kind === 'persistent' && row.user_id !== null

/** All hosts there are, where one of the desktops waits for one: only then are they looked at. */
export const hostsWaitedFor = (broker: Broker, rows: readonly DesktopRow[]): Promise<ReturnHostRow[]> =>
  rows.some(isAway) ? returnHosts(broker.db) : Promise.resolve([])

/**
 * Null: it waits for none. `fence`: to make sure that the host is off is what lets it go on elsewhere; not so where its
 * pool wishes to wait, where no other host has its disk, or where that was done already.
 */
export function waitsForHost(row: DesktopRow, hosts: readonly ReturnHostRow[], now: Date) {
  if (!isAway(row)) return row.old_host
  const host = hosts.find(({ id }) => id === row.host_id)
  const plan = host && planOf({ ...row, kind: row.pool_kind, moving: row.move_id !== null }, host, hosts, now)
  return { id: row.host_id, name: row.host_name, fence: plan?.do === 'wait' && plan.fence === true }
}
