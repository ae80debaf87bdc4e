/** The hardware of one desktop, changed by an administrator; and what of it its guest has at once. */
import type { Principal } from '../auth/principal.ts'
import type { Tx } from '../db/connect.ts'
import { type DesktopRow, desktopLock, desktopRows, desktopWish, transitionNote } from '../db/desktops.ts'
import { hostEnds } from '../db/host-ends.ts'
import { addressLock } from '../db/hosts.ts'
import type { HardwareValue } from '../db/schema.ts'
import { versionBytes } from '../db/templates.ts'
import { rehearse, transact } from '../db/transact.ts'
import { HdcsError } from '../lib/errors.ts'
import { type DiskBus, hardwareFull } from '../lib/hardware.ts'
import { sizeText } from '../lib/sizes.ts'
import type { LiveHardware } from '../vmm/spec.ts'
import type { Broker } from './broker.ts'
import { type DesktopChange, desktopChangeIn } from './desktop-changes.ts'
import { type DesktopView, desktopActions, desktopGet } from './desktops.ts'
import { hardwareTooMuch } from './hardware-limits.ts'
import { type GuestFacts, waitsForStart } from './live-hardware.ts'
import { hardwareRefusal, placementFilters, resourcesLeft } from './placement.ts'
import { hostsToPlaceOn } from './placing.ts'

type Changed = keyof HardwareValue | 'cdrom' | 'bootDisc'
type Given = { [K in keyof HardwareValue]?: HardwareValue[K] | undefined }

export interface HardwareChange {
  desktop: DesktopView
  /** Names of what changed, by when the guest has it. */
  applies: { now: Changed[]; nextStart: Changed[]; why: Partial<Record<Changed, string>> }
}

/**
 * Changes what is given, all of it or nothing. The desktop keeps its hardware until it is given back.
 * @param dryRun only says when it would apply, and refuses what would be refused.
 * @throws HdcsError `not_found`; `conflict` while it is being removed, for a name that is taken or while it runs; `invalid` for no disc, for a disk that would shrink or be too large.
 */
export async function desktopHardwareSet(
  broker: Broker,
  principal: Principal,
  id: string,
  given: Given,
  change: DesktopChange = {},
  dryRun = false,
): Promise<HardwareChange> {
  await desktopGet(broker, principal, id)
  const applies: HardwareChange['applies'] = { now: [], nextStart: [], why: {} }
  await (dryRun ? rehearse : transact)(broker.db, async tx => {
    Object.assign(applies, { now: [], nextStart: [], why: {} })
    // What a host has left is promised to one at a time.
    if (given.vcpus !== undefined || given.memoryBytes !== undefined) await addressLock(tx)
    const locked = await desktopLock(tx, id)
    const [row] = await desktopRows(tx, { ids: [id] })
    if (!locked || !row) throw new HdcsError('not_found', 'There is no such desktop.')
    const refused = desktopActions(row, principal).find(({ name }) => name === 'change')?.reason
    if (refused !== undefined) throw new HdcsError('conflict', `${row.name}: ${refused}.`)
    const names = changedNames(row, given)
    const before = hardwareFull(row.hardware)
    const hardware = { ...before, ...Object.fromEntries(names.map(name => [name, given[name]])) }
    if (names.includes('diskBytes')) {
      const bytes = row.hardware.diskBytes ?? (await versionBytes(tx, row.version_id))
      diskChecked(hardware.diskBytes, bytes, broker.maxVirtualBytes)
    }
    await hostChecked(tx, row, names, hardware)
    const guest = await guestOf(tx, row)
    for (const name of names) {
      const why = waits(name, hardware, before.diskBus, guest)
      applies[why === undefined ? 'now' : 'nextStart'].push(name)
      if (why) applies.why[name] = why
    }
    // A guest has a drive since a start with a disc in it.
    const drive = await desktopChangeIn(tx, principal, id, change, broker.clock.now())
    if (drive.cdrom) applies[row.observed_cdrom && guest ? 'now' : 'nextStart'].push('cdrom')
    if (drive.bootDisc) applies.nextStart.push('bootDisc')
    if (names.length === 0) return
    const grows = (name: Changed): name is LiveHardware => isLive(name) && applies.now.includes(name)
    const wished_grow = [...row.wished_grow.filter(name => !names.includes(name)), ...names.filter(grows)]
    await desktopWish(tx, id, { hardware: JSON.stringify(hardware), wished_grow })
    const became = names.map(name => `${name} ${given[name]}`).join(', ')
    const reason = `hardware changed by ${principal.name}: ${became}`
    await transitionNote(tx, [{ ...row, was: row.phase, became: 'hardware changed', reason }], broker.clock.now())
  })
  return { desktop: await desktopGet(broker, principal, id), applies }
}

const isLive = (name: Changed): name is LiveHardware => name === 'vcpus' || name === 'memoryBytes'

/** What is another than was wished; of what waits for the next start, also what is wished once more: it may be had at once by now. */
function changedNames(row: DesktopRow, given: Given): (keyof HardwareValue)[] {
  const before = hardwareFull(row.hardware)
  const has = row.observed_power === 'running' ? row.observed_hardware : null
  const lacks = (name: Changed) =>
    isLive(name) && has !== null && has[name] < row.hardware[name] && !row.wished_grow.includes(name)
  return (Object.keys(given) as (keyof HardwareValue)[]).filter(
    name => given[name] !== undefined && (given[name] !== before[name] || lacks(name)),
  )
}

/** Null: it stands still, and has all of it when it starts; its disk has grown by then. */
async function guestOf(tx: Tx, row: DesktopRow): Promise<GuestFacts | null> {
  const power = row.observed_power
  if (power !== 'running' && power !== 'paused') return null
  const host = (await hostsToPlaceOn(tx, { poolIds: [] })).find(({ id }) => id === row.host_id)
  const closed = host && (placementFilters.state(host) ?? placementFilters.trouble(host))
  return {
    power,
    has: row.observed_hardware,
    moving: row.move_id !== null,
    counted: { vcpus: row.vcpus, memoryBytes: row.memory_bytes },
    left: !host ? 'its host is gone' : (closed ?? resourcesLeft(host)),
  }
}

/** @param bus what its disk is on. @returns why not at once, in words where there is something to say; undefined: at once. */
function waits(
  name: keyof HardwareValue,
  hardware: HardwareValue,
  bus: DiskBus,
  guest: GuestFacts | null,
): string | undefined {
  if (!guest) return ''
  if (name === 'diskBytes') return bus === 'sata' ? sataGrows : undefined
  return isLive(name) ? waitsForStart(name, hardware[name], guest) : 'a guest gets another one when it starts'
}

/** The disk itself grows at once; SATA has no way to say so. */
const sataGrows = 'a guest sees that a disk on SATA grew when it starts'

/** @throws HdcsError `invalid` at the field whose value its host has nothing for, or no host that could start it has so much of. */
async function hostChecked(tx: Tx, row: DesktopRow, names: (keyof HardwareValue)[], wished: HardwareValue) {
  if (names.length === 0) return
  const hosts = await hostsToPlaceOn(tx, { poolIds: [] })
  const name = (['firmware', 'diskBus'] as const).find(changed => names.includes(changed))
  const host = name && hosts.find(({ id }) => id === row.host_id)
  const refused = host && hardwareRefusal(host, wished)
  if (name && refused) throw atField(name, `${host.name} cannot run it so: ${refused}.`)
  const tooMuch = hardwareTooMuch(row.host_id, row.hardware, wished, hosts, await hostEnds(tx))
  if (tooMuch) throw atField(tooMuch.name, tooMuch.message)
}

const atField = (name: keyof HardwareValue, message: string) =>
  new HdcsError('invalid', message, { fields: [{ field: `body.hardware.${name}`, message }] })

/** @param bytes as the disk is by now. */
function diskChecked(wished: number | null, bytes: number, most: number) {
  const wrong =
    wished === null || wished < bytes
      ? `A disk only grows: it has ${sizeText(bytes)}.`
      : wished > most
        ? `A disk has ${sizeText(most)} at most here.`
        : undefined
  if (wrong !== undefined) throw atField('diskBytes', wrong)
}
