/** The name of one desktop, and the disc in its drive. */
import type { Principal } from '../auth/principal.ts'
import type { Db, Tx } from '../db/connect.ts'
import { type DesktopRow, desktopRows, desktopWish, transitionNote } from '../db/desktops.ts'
import { versionDisc } from '../db/templates.ts'
import { HdcsError, nameTaken } from '../lib/errors.ts'
import { nameRefusal } from './desktop-names.ts'
import { desktopActions } from './desktops.ts'

export interface DesktopChange {
  name?: string | undefined
  /** A version made of an ISO file; null: an empty drive. */
  cdrom?: string | null | undefined
  /** It starts from that disc before its disk. */
  bootDisc?: boolean | undefined
}

/**
 * Within the caller's transaction, which holds the desktop's row.
 * @returns what of its drive is wished otherwise by now.
 * @throws HdcsError `conflict` (it runs, the name is taken), `invalid` (no disc).
 */
export async function desktopChangeIn(tx: Tx, principal: Principal, id: string, change: DesktopChange, now: Date) {
  const [row] = await desktopRows(tx, { ids: [id] })
  if (!row) throw new HdcsError('not_found', 'There is no such desktop.')
  if (change.name !== undefined && change.name !== row.name) await rename(tx, principal, row, change.name, now)
  const { wished_cdrom, boot_disc } = row
  const { cdrom = wished_cdrom, bootDisc = boot_disc && cdrom !== null } = change
  if (bootDisc && cdrom === null) {
    const text = 'There is no disc in its drive to start from: put one in.'
    throw new HdcsError('invalid', text, { fields: [{ field: 'body.bootDisc', message: text }] })
  }
  const noted = (reason: string) =>
    transitionNote(
      tx,
      [{ ...row, was: row.phase, became: 'disc changed', reason: `${reason} by ${principal.name}` }],
      now,
    )
  if (cdrom !== wished_cdrom) {
    const disc = cdrom === null ? null : await discFound(tx, cdrom)
    await desktopWish(tx, id, { wished_cdrom: cdrom })
    await noted(disc ? `${disc.name} ${disc.number} was put into its drive` : 'its drive was emptied')
  }
  if (bootDisc !== boot_disc) {
    await desktopWish(tx, id, { boot_disc: bootDisc })
    // Of an emptied drive that goes without saying.
    if (cdrom !== null) await noted(bootDisc ? 'told to start from its disc' : 'told to start from its disk')
  }
  return { cdrom: cdrom !== wished_cdrom, bootDisc: bootDisc !== boot_disc }
}

/** It is its domain's and its guest's name too, which neither changes while it runs. */
async function rename(tx: Tx, principal: Principal, row: DesktopRow, name: string, now: Date) {
  const refused = desktopActions(row, principal).find(action => action.name === 'rename')?.reason
  const field = (message: string) => ({ fields: [{ field: 'body.name', message }] })
  if (refused !== undefined) {
    const text = `${row.name}: ${refused}.`
    throw new HdcsError('conflict', text, field(text))
  }
  const taken = await nameRefusal(tx, name)
  if (taken !== undefined) throw nameTaken(taken)
  await desktopWish(tx, row.id, { name })
  const reason = `${row.name} was named ${name} by ${principal.name}`
  await transitionNote(tx, [{ ...row, was: row.phase, became: 'renamed', reason }], now)
}

async function discFound(tx: Tx, versionId: string) {
  const { disc, refused } = await discAsked(tx, versionId)
  if (disc) return disc
  throw new HdcsError('invalid', refused, { fields: [{ field: 'body.cdrom', message: refused }] })
}

type Disc = NonNullable<Awaited<ReturnType<typeof versionDisc>>>
type DiscAsked = { disc: Disc; refused?: undefined } | { disc?: undefined; refused: string }

/** A version that may be put into a drive, or why it may not. */
export async function discAsked(db: Db | Tx, versionId: string): Promise<DiscAsked> {
  const disc = await versionDisc(db, versionId)
  if (!disc) return { refused: 'This is no template version that was made of an ISO file.' }
  if (disc.state === 'sealed') return { disc }
  return { refused: `${disc.name} ${disc.number} is not ready yet: wait until its hosts have made it.` }
}
