import { describe, expect, it } from 'vitest'
import { type DongleFacts, dongleReports, planDongles } from '../../vmm/dongles.ts'
import type { FoundMachine } from '../../vmm/host.ts'
import { freshMemory } from '../../vmm/memory.ts'
import type { UsbDevice } from '../../vmm/report.ts'
import type { DongleSpec } from '../../vmm/spec.ts'
import { foundMachine, machineSpec } from './wishes.ts'

const key: UsbDevice = {
  vendor: '0529',
  product: '0001',
  vendorName: 'Aladdin',
  productName: 'Key',
  serial: 'A1',
  port: '1-1',
  bus: 1,
  device: 4,
}
const nameless: UsbDevice = { ...key, serial: null, port: '1-2', device: 5 }
const bySerial: DongleSpec = { id: 'd1', vendor: '0529', product: '0001', serial: 'A1', port: null }
const byPort: DongleSpec = { id: 'd2', vendor: '0529', product: '0001', serial: null, port: '1-2' }
const guest = (dongles: FoundMachine['dongles'] = []) => foundMachine({ dongles })
const facts = (some: Partial<DongleFacts> & { dongles?: DongleSpec[] } = {}): DongleFacts => ({
  spec: machineSpec(1, { dongles: some.dongles ?? [bySerial] }),
  found: guest(),
  memory: freshMemory,
  usb: { devices: [key, nameless] },
  ...some,
})
const memory = (inUse: boolean) => ({ ...freshMemory, dongles: { d1: { inUse, text: 'libvirt: no', retryAtMs: 100 } } })

describe('the dongles of a machine that runs', () => {
  it.each<[string, Partial<DongleFacts> & { dongles?: DongleSpec[] }, object | null]>([
    ['one is there: plugged in', {}, { do: 'attach dongle', dongleId: 'd1', at: { bus: 1, device: 4 } }],
    [
      'one without a serial: the one in its port',
      { dongles: [byPort] },
      { do: 'attach dongle', dongleId: 'd2', at: { bus: 1, device: 5 } },
    ],
    ['one is there and plugged in: nothing', { found: guest([{ id: 'd1', bus: 1, device: 4 }]) }, null],
    ['one is not there: nothing', { usb: { devices: [nameless] } }, null],
    ['nobody knows what is there: nothing', { usb: { devices: null } }, null],
    [
      'nobody knows what is there, and it has one: it keeps it',
      { usb: { devices: null }, found: guest([{ id: 'd1', bus: 1, device: 4 }]) },
      null,
    ],
    [
      'one was unplugged: taken out, so that it can come back',
      { usb: { devices: [] }, found: guest([{ id: 'd1', bus: 1, device: 4 }]) },
      { do: 'detach dongle', dongleId: 'd1', at: { bus: 1, device: 4 } },
    ],
    [
      'one was plugged in again: the old one is taken out first',
      { found: guest([{ id: 'd1', bus: 1, device: 3 }]) },
      { do: 'detach dongle', dongleId: 'd1', at: { bus: 1, device: 3 } },
    ],
    [
      'it has one that is not its own any more: taken out',
      { dongles: [], found: guest([{ id: 'd9', bus: 1, device: 4 }]) },
      { do: 'detach dongle', dongleId: 'd9', at: { bus: 1, device: 4 } },
    ],
    ['one was refused a moment ago: later', { memory: memory(true) }, null],
    [
      'one was refused, and the other is there: that one',
      { memory: memory(true), dongles: [bySerial, byPort] },
      { do: 'attach dongle', dongleId: 'd2', at: { bus: 1, device: 5 } },
    ],
    ['two have its serial: neither', { usb: { devices: [key, { ...key, port: '1-3', device: 6 }] } }, null],
  ])('%s', (_title, given, step) => {
    expect(planDongles(facts(given), 50)?.step ?? null).toEqual(step)
  })

  it('are asked for again once their rest is over', () => {
    expect(planDongles(facts({ memory: memory(false) }), 100)?.step).toMatchObject({ do: 'attach dongle' })
  })
})

describe('what is said of a dongle', () => {
  it.each<[string, Partial<DongleFacts>, string, RegExp]>([
    ['attached', { found: guest([{ id: 'd1', bus: 1, device: 4 }]) }, 'attached', /^$/],
    ['waiting while its machine stands still', { found: null }, 'waiting', /^$/],
    [
      'waiting while what is plugged in is an earlier one',
      { found: guest([{ id: 'd1', bus: 1, device: 3 }]) },
      'waiting',
      /^$/,
    ],
    ['missing', { usb: { devices: [nameless] } }, 'missing', /^$/],
    ['missing, whatever was refused before', { usb: { devices: [] }, memory: memory(true) }, 'missing', /^$/],
    ['in use', { memory: memory(true) }, 'inUse', /libvirt: no/],
    ['refused', { memory: memory(false) }, 'refused', /libvirt: no/],
    ['refused where two have its serial', { usb: { devices: [key, { ...key, port: '1-3' }] } }, 'refused', /unplug/],
    ['refused where nobody knows what is there', { usb: { devices: null } }, 'refused', /lists no USB/],
  ])('%s', (_title, given, state, text) => {
    expect(dongleReports(facts(given))).toEqual([{ id: 'd1', state, text: expect.stringMatching(text) }])
  })

  it('is nothing for a machine without any', () => {
    expect(dongleReports({ ...facts(), spec: machineSpec(1) })).toBeUndefined()
  })
})
