/** The hardware of one desktop, changed by an administrator; and what of it its guest has at once. */
import type { Principal } from '../auth/principal.ts'
import { desktopLock, desktopWish, transitionNote } from '../db/desktops.ts'
import type { HardwareValue } from '../db/schema.ts'
import { versionBytes } from '../db/templates.ts'
import { transact } from '../db/transact.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Broker } from './broker.ts'
import { type DesktopView, desktopGet } from './desktops.ts'

/** What a guest that runs sees at once; everything else is its next start's. */
const live: readonly (keyof HardwareValue)[] = ['diskBytes']

export interface HardwareChange {
  desktop: DesktopView
  /** Names of what changed, by when the guest has it. */
  applies: { now: (keyof HardwareValue)[]; nextStart: (keyof HardwareValue)[] }
}

/**
 * Changes what is given. The desktop keeps it until it is given back.
 * @throws HdcsError `not_found`; `conflict` while it is being removed; `invalid` for a disk that would shrink or be too large.
 */
export async function desktopHardwareSet(
  broker: Broker,
  principal: Principal,
  id: string,
  given: { [K in keyof HardwareValue]?: HardwareValue[K] | undefined },
): Promise<HardwareChange> {
  const before = await desktopGet(broker, principal, id)
  const changed = await transact(broker.db, async tx => {
    const row = await desktopLock(tx, id)
    if (!row) throw new HdcsError('not_found', 'There is no such desktop.')
    if (!row.wished_present) throw new HdcsError('conflict', `${row.name} is being removed.`)
    const names = (Object.keys(given) as (keyof HardwareValue)[]).filter(
      name => given[name] !== undefined && given[name] !== row.hardware[name],
    )
    if (names.length === 0) return names
    const hardware = { ...row.hardware, ...Object.fromEntries(names.map(name => [name, given[name]])) }
    if (names.includes('diskBytes')) {
      const bytes = row.hardware.diskBytes ?? (await versionBytes(tx, row.version_id))
      diskChecked(hardware.diskBytes, bytes, broker.maxVirtualBytes)
    }
    await desktopWish(tx, id, { hardware: JSON.stringify(hardware) })
    const became = names.map(name => `${name} ${given[name]}`).join(', ')
    const reason = `hardware changed by ${principal.name}: ${became}`
    await transitionNote(tx, [{ ...row, was: row.phase, became: 'hardware changed', reason }], broker.clock.now())
    return names
  })
  // A guest that stands still has all of it when it starts; its disk has grown by then.
  const runs = before.power === 'running' || before.power === 'paused'
  const atOnce = (name: keyof HardwareValue) => live.includes(name) && runs
  return {
    desktop: await desktopGet(broker, principal, id),
    applies: { now: changed.filter(atOnce), nextStart: changed.filter(name => !atOnce(name)) },
  }
}

/** @param bytes as the disk is by now. */
function diskChecked(wished: number | null, bytes: number, most: number) {
  const wrong =
    wished === null || wished < bytes
      ? `A disk only grows: it has ${bytes} bytes.`
      : wished > most
        ? `A disk has ${most} bytes at most here.`
        : undefined
  if (wrong === undefined) return
  throw new HdcsError('invalid', wrong, { fields: [{ field: 'body.hardware.diskBytes', message: wrong }] })
}
