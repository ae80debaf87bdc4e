/**
 * USB devices of a simulated host: plugged and unplugged by whoever asks, and given to machines as libvirt does it. Two of
 * them are there from the start. A device fails when its serial asks for it:
 *   …fail-attach…   QEMU refuses it
 *   …in-use…        a machine of somebody else has it
 */
import { HdcsError } from '../lib/errors.ts'
import type { AttachedDongle, Host } from './host.ts'
import type { UsbDevice } from './report.ts'

export interface SimUsb {
  /** Into a port; it gets a new number. What was in that port is out. */
  usbPlug(device: Omit<UsbDevice, 'bus' | 'device'>): UsbDevice
  usbUnplug(port: string): void
}

export interface SimDongles {
  host: Pick<Host, 'usbDevices' | 'dongleAttach' | 'dongleDetach'> & SimUsb
  /** What a machine has, plugged in or dead. */
  of(machineId: string): AttachedDongle[]
  ended(machineId: string): void
}

const usual: Omit<UsbDevice, 'bus' | 'device'>[] = [
  {
    vendor: '0529',
    product: '0001',
    vendorName: 'Simulated',
    productName: 'Licence key',
    serial: 'SIM-0001',
    port: '1-1',
  },
  { vendor: '096e', product: '0006', vendorName: 'Simulated', productName: 'Old dongle', serial: null, port: '1-2' },
]

/** @param runs fails for a machine that does not. */
export function simDongles(runs: (id: string) => { spec: { name: string } }): SimDongles {
  const devices = new Map<string, UsbDevice>()
  const held = new Map<string, { machineId: string; dongle: AttachedDongle }[]>()
  let numbers = 1
  const plug: SimUsb['usbPlug'] = given => {
    const device = { ...given, bus: Number(given.port.split('-')[0]), device: ++numbers }
    devices.set(given.port, device)
    return device
  }
  for (const device of usual) plug(device)
  const all = () => [...held.values()].flat()
  const of = (machineId: string) => (held.get(machineId) ?? []).map(({ dongle }) => dongle)
  const isAt = (one: { bus: number; device: number }, at: { bus: number; device: number }) =>
    one.bus === at.bus && one.device === at.device

  return {
    of,
    ended: machineId => void held.delete(machineId),
    host: {
      usbDevices: async () => [...devices.values()].toSorted((a, b) => a.port.localeCompare(b.port)),
      async dongleAttach(machineId, { id, vendor, product }, at) {
        runs(machineId)
        if (of(machineId).some(one => one.id === id && isAt(one, at))) return
        const device = [...devices.values()].find(one => isAt(one, at))
        if (device?.vendor !== vendor || device.product !== product)
          throw new HdcsError('invalid', `libvirt: Did not find USB device ${vendor}:${product}`)
        const holder = all().find(({ dongle }) => isAt(dongle, at))
        const stranger = device.serial?.includes('in-use') ? 'a-stranger' : undefined
        const name = holder ? runs(holder.machineId).spec.name : stranger
        if (name !== undefined) {
          const place = `${at.bus}:${at.device}`
          throw new HdcsError('conflict', `libvirt: USB device ${place} is in use by driver QEMU, domain ${name}`)
        }
        if (device.serial?.includes('fail-attach'))
          throw new HdcsError('invalid', 'libvirt: QEMU refused the device, as its serial asked.')
        const others = held.get(machineId) ?? []
        held.set(machineId, [...others, { machineId, dongle: { id, bus: at.bus, device: at.device } }])
      },
      async dongleDetach(machineId, dongleId) {
        runs(machineId)
        const left = (held.get(machineId) ?? []).filter(({ dongle }) => dongle.id !== dongleId)
        held.set(machineId, left)
      },
      usbPlug: plug,
      usbUnplug: port => void devices.delete(port),
    },
  }
}
