/** USB devices of hosts, and those of them that one desktop alone has: it stays on that host as long as it has them. */
import type { Principal } from '../auth/principal.ts'
import { desktopLock, desktopRows, transitionNote } from '../db/desktops.ts'
import { type DongleRow, dongleDelete, dongleInsert, dongleRows } from '../db/dongles.ts'
import { hostRows } from '../db/hosts.ts'
import { transact } from '../db/transact.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { UsbDevice } from '../vmm/report.ts'
import type { Broker } from './broker.ts'
import { memoryRefused } from './desktop-state.ts'
import { pageOf } from './pages.ts'
import { actionsFrom, conflictWhen } from './refusals.ts'

/** Ports of a machine's USB controller, less those that its pointer and the devices of its person take. */
const mostOfDesktop = 4

const refusedFor = (principal: Principal) =>
  principal.permissions.has('desktop.write') ? undefined : 'only administrators may do this'

const dongleView = (principal: Principal) => (row: DongleRow) => ({
  id: row.id,
  name: row.name,
  hostId: row.host_id,
  hostName: row.host_name,
  desktopId: row.desktop_id,
  desktopName: row.desktop_name,
  vendor: row.vendor,
  product: row.product,
  serial: row.serial,
  port: row.port,
  // What a host said that is not heard any more is of before.
  state: row.host_state === 'lost' ? null : row.observed_state,
  text: row.observed_text,
  boundAt: row.created_at.toISOString(),
  actions: actionsFrom({ unbind: refusedFor(principal) }),
})

export async function dongleList(
  broker: Broker,
  principal: Principal,
  query: { limit: number; cursor?: string | undefined; hostId?: string | undefined; desktopId?: string | undefined },
) {
  const { limit, cursor, ...filter } = query
  const rows = await dongleRows(broker.db, { ...filter, after: cursor, limit: limit + 1 })
  return pageOf(rows, limit, row => row.id, dongleView(principal))
}

async function dongleGet(broker: Broker, principal: Principal, id: string) {
  const [row] = await dongleRows(broker.db, { ids: [id] })
  if (!row) throw new HdcsError('not_found', 'There is no such dongle: it is bound to nothing (any more).')
  return dongleView(principal)(row)
}

/** `Feitian ePass 2003`; devices without names are called by their numbers. */
const nameOf = ({ vendorName, productName, vendor, product }: UsbDevice) =>
  [vendorName, productName].filter(name => name !== '').join(' ') || `${vendor}:${product}`

const sameKind = (a: { vendor: string; product: string }, b: { vendor: string; product: string }) =>
  a.vendor === b.vendor && a.product === b.product

/** What tells it from others of its kind on this host: its serial, or the port it is in. */
export function deviceKey(
  device: UsbDevice,
  devices: readonly UsbDevice[],
): { serial: string | null; port: string | null } {
  const { serial, port } = device
  const alike = devices.filter(other => sameKind(other, device) && other.serial === serial)
  return serial !== null && alike.length === 1 ? { serial, port: null } : { serial: null, port }
}

const isOf = (row: DongleRow, device: UsbDevice) =>
  sameKind(row, device) && (row.serial === null ? row.port === device.port : row.serial === device.serial)

/** What is plugged in, whose it is, and what may be done with it. @throws HdcsError `not_found`. */
export async function usbDevices(broker: Broker, principal: Principal, hostId: string) {
  const [host] = await hostRows(broker.db, { ids: [hostId] })
  if (!host) throw new HdcsError('not_found', 'There is no such host.')
  const bound = await dongleRows(broker.db, { hostId })
  const view = dongleView(principal)
  const listed = host.observed_facts?.usbDevices ?? null
  const items = (listed ?? []).map(device => {
    const row = bound.find(one => isOf(one, device))
    const refused = row ? `it is bound to ${row.desktop_name}` : undefined
    const bind = refusedFor(principal) ?? refused
    return { ...device, dongle: row ? view(row) : null, actions: actionsFrom({ bind }) }
  })
  const absent = bound.filter(row => !(listed ?? []).some(device => isOf(row, device)))
  return { known: listed !== null, items, absent: absent.map(view) }
}

export interface DongleAsk {
  hostId: string
  desktopId: string
  vendor: string
  product: string
  serial?: string | undefined
  port?: string | undefined
}

/** @throws HdcsError `not_found`: nothing like that is plugged in; `conflict`: more than one thing. */
function deviceAsked(devices: readonly UsbDevice[], ask: DongleAsk, hostName: string): UsbDevice {
  const { serial, port } = ask
  const [device, ...more] = devices.filter(
    one =>
      sameKind(one, ask) &&
      (serial === undefined || one.serial === serial) &&
      (port === undefined || one.port === port),
  )
  const what = [ask.vendor, ask.product, ...(serial === undefined ? [] : [serial])].join(':')
  if (!device)
    throw new HdcsError(
      'not_found',
      `No device ${what} is plugged into ${hostName}${port ? `, port ${port}` : ''}: plug it in first.`,
    )
  if (more.length === 0) return device
  const ports = [device, ...more].map(one => one.port).join(', ')
  throw new HdcsError(
    'conflict',
    `Several devices ${what} are plugged into ${hostName}: say which by its port (${ports}).`,
  )
}

/**
 * Gives a device to one desktop and to no other; it is plugged into it as soon as it runs.
 * @throws HdcsError `not_found`; `conflict` when it is another's, the desktop is on another host, moves, or may be anybody's.
 */
export async function dongleBind(broker: Broker, principal: Principal, ask: DongleAsk) {
  const [host] = await hostRows(broker.db, { ids: [ask.hostId] })
  if (!host) throw new HdcsError('not_found', 'There is no such host.')
  const devices = host.observed_facts?.usbDevices
  if (!devices)
    throw new HdcsError(
      'conflict',
      `${host.name} does not tell of its USB devices: update its agent, or install libvirt’s driver for node devices.`,
    )
  const device = deviceAsked(devices, ask, host.name)
  const name = nameOf(device)
  const id = newId()
  await transact(broker.db, async tx => {
    await desktopLock(tx, ask.desktopId)
    const [row] = await desktopRows(tx, { ids: [ask.desktopId] })
    if (!row) throw new HdcsError('not_found', 'There is no such desktop.')
    const refuse = (text: string) => new HdcsError('conflict', `${row.name} cannot have ${name}: ${text}`)
    if (row.pool_kind !== 'persistent')
      throw refuse(
        'its pool is floating, so that it is somebody else’s every time. Take a desktop of a persistent pool.',
      )
    if (!row.wished_present) throw refuse('it is being removed.')
    if (row.binned_at !== null) throw refuse('it is in the recycle bin. Restore it first.')
    const kept = memoryRefused(row)
    if (kept !== undefined) throw refuse(`${kept}.`)
    if (row.host_id !== host.id) throw refuse(`it is not on ${host.name}. Move it there first.`)
    if (row.move_id !== null) throw refuse('it is on its way to another host. Wait until it is there.')
    const mine = await dongleRows(tx, { hostId: host.id })
    const holder = mine.find(one => isOf(one, device))
    if (holder) throw refuse(`${holder.desktop_name} has it. Unbind it there first.`)
    if (mine.filter(one => one.desktop_id === row.id).length >= mostOfDesktop)
      throw refuse(`a desktop has ${mostOfDesktop} at most.`)
    const { vendor, product } = device
    const dongle = { id, host_id: host.id, desktop_id: row.id, vendor, product, ...deviceKey(device, devices), name }
    // Two who bind one device to two desktops at once meet here.
    await dongleInsert(tx, dongle).catch(
      conflictWhen('taken', `${row.name} cannot have ${name}: another desktop got it in this moment.`),
    )
    const reason = `${name} of ${host.name} bound by ${principal.name}`
    await transitionNote(tx, [{ ...row, was: row.phase, became: 'dongle bound', reason }], broker.clock.now())
  })
  return dongleGet(broker, principal, id)
}

/** Nobody's any more: it is taken out of its desktop at once. @throws HdcsError `not_found`. */
export async function dongleUnbind(broker: Broker, principal: Principal, id: string): Promise<void> {
  const { desktopId, name, hostName } = await dongleGet(broker, principal, id)
  await transact(broker.db, async tx => {
    const row = await desktopLock(tx, desktopId)
    await dongleDelete(tx, id)
    if (!row) return
    const reason = `${name} of ${hostName} unbound by ${principal.name}`
    await transitionNote(tx, [{ ...row, was: row.phase, became: 'dongle unbound', reason }], broker.clock.now())
  })
}
