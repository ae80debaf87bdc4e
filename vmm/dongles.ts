/**
 * USB devices of the host that belong to one machine each: which of them is plugged into its machine next, and what is
 * said of them. Pure. One way for all: a machine starts without them, so that a dongle that is not there keeps nobody from
 * a desktop, and they are plugged in as soon as it runs; the same step brings them back after a restart and a replug.
 */
import { type MachineDecision, type MachineFacts, take } from './decision.ts'
import type { AttachedDongle } from './host.ts'
import type { MachineMemory } from './memory.ts'
import type { DongleReport, UsbDevice } from './report.ts'
import type { DongleSpec } from './spec.ts'

/** What went wrong when one was last plugged in or out, and when that is tried again. */
export interface DongleMemory {
  inUse: boolean
  text: string
  retryAtMs: number
}

/** Shorter: a device that others use is asked for in vain; longer: one that came free is noticed late. */
export const dongleRetryMs = 5_000

/** Where a device sits now: it gets another number whenever it is plugged in. */
export type UsbPlace = Pick<UsbDevice, 'bus' | 'device'>

export type DongleStep = { do: 'attach dongle' | 'detach dongle'; dongleId: string; at: UsbPlace }

export type DongleFacts = Pick<MachineFacts, 'spec' | 'found' | 'memory' | 'usb'>

/** By its serial; one without, or with one that is not its own alone, by the port it is in. */
export const dongleMatches = (dongle: Omit<DongleSpec, 'id'>, device: UsbDevice): boolean =>
  device.vendor === dongle.vendor &&
  device.product === dongle.product &&
  (dongle.serial === null ? device.port === dongle.port : device.serial === dongle.serial)

/** `several`: nobody can tell which of them is meant. */
function deviceOf(dongle: DongleSpec, devices: readonly UsbDevice[]): UsbDevice | 'several' | undefined {
  const [device, ...more] = devices.filter(one => dongleMatches(dongle, one))
  return more.length > 0 ? 'several' : device
}

const sits = (at: UsbPlace, device: UsbDevice | 'several' | undefined): boolean =>
  typeof device === 'object' && device.bus === at.bus && device.device === at.device

const placeOf = ({ bus, device }: UsbPlace): UsbPlace => ({ bus, device })

/** @returns null when nothing is to be done now. */
export function planDongles({ spec, found, memory, usb }: DongleFacts, nowMs: number): MachineDecision | null {
  const wished = spec?.dongles ?? []
  const devices = usb?.devices ?? null
  const rests = (id: string) => nowMs < (memory.dongles[id]?.retryAtMs ?? 0)
  const attached = found?.dongles ?? []
  for (const { id, ...at } of attached) {
    const dongle = wished.find(one => one.id === id)
    if (rests(id) || (dongle && (devices === null || sits(at, deviceOf(dongle, devices))))) continue
    const because = dongle ? 'its dongle is not where it was' : 'the dongle is not its own any more'
    return take({ do: 'detach dongle', dongleId: id, at: placeOf(at) }, because)
  }
  for (const dongle of wished) {
    const device = deviceOf(dongle, devices ?? [])
    if (typeof device !== 'object' || rests(dongle.id) || attached.some(({ id }) => id === dongle.id)) continue
    return take({ do: 'attach dongle', dongleId: dongle.id, at: placeOf(device) }, 'its dongle is there')
  }
  return null
}

/** When a dongle that was refused is tried again; null: none was. */
export function dongleRetryAtMs({ dongles }: MachineMemory, nowMs: number): number | null {
  const later = Object.values(dongles).flatMap(({ retryAtMs }) => (retryAtMs > nowMs ? [retryAtMs] : []))
  return later.length > 0 ? Math.min(...later) : null
}

/** @returns undefined for a machine without any. */
export function dongleReports(facts: DongleFacts): DongleReport[] | undefined {
  const wished = facts.spec?.dongles
  return wished && wished.length > 0 ? wished.map(dongle => reportOf(dongle, facts)) : undefined
}

function reportOf(dongle: DongleSpec, { found, memory, usb }: DongleFacts): DongleReport {
  const { id } = dongle
  const say = (state: DongleReport['state'], text = ''): DongleReport => ({ id, state, text })
  const devices = usb?.devices ?? null
  if (devices === null) return say('refused', 'libvirt lists no USB devices on this host.')
  const device = deviceOf(dongle, devices)
  if (device === undefined) return say('missing')
  if (device === 'several')
    return say('refused', 'Several devices have this serial number: unplug all but one of them.')
  const refused = memory.dongles[id]
  if (refused) return say(refused.inUse ? 'inUse' : 'refused', refused.text)
  const attached: readonly AttachedDongle[] = found?.dongles ?? []
  return say(attached.some(one => one.id === id && sits(one, device)) ? 'attached' : 'waiting')
}
