/** USB devices of a real host, with a libvirt in the test's hand: most machines that test have none. */
import { expect, it } from 'vitest'
import { openClient } from '../../vmm/libvirt/client.ts'
import { libvirtCodes } from '../../vmm/libvirt/errors.ts'
import { libvirtDongles } from '../../vmm/libvirt-dongles.ts'
import { fakeLibvirt } from '../support/fake-libvirt.ts'

const id = '018f0000-0000-7000-8000-0000000000d1'
const dongle = { id, vendor: '0529', product: '0001', serial: null, port: '1-1' }
const machineId = '018f0000-0000-7000-8000-000000000001'
const node = (port: string, product: string) => `<device><name>usb</name>
  <path>/sys/devices/pci0000:00/usb1/${port}</path>
  <capability type='usb_device'><bus>1</bus><device>4</device>
    <product id='${product}'>Key</product><vendor id='0x0529'>Aladdin</vendor></capability></device>`

async function opened(attached: { id: string; bus: number; device: number }[] = []) {
  const daemon = fakeLibvirt()
  const client = await openClient(daemon.dial, { uri: 'test:///default', keepalive: null })
  const get = async () => ({ dongles: attached })
  const call = async () => {
    await daemon.until(() => daemon.calls.length > 0)
    const [next] = daemon.calls.splice(0, 1)
    if (!next) throw new Error('nothing was called')
    return next
  }
  return { client, call, daemon, dongles: libvirtDongles(client, { get }) }
}

it('are listed by their ports; a hub’s root and what is unplugged meanwhile are left out', async () => {
  const { client, daemon, call, dongles } = await opened()
  await using _client = client
  const listed = dongles.usbDevices()
  ;(await call()).answer(['usb_1_2', 'usb_usb1', 'usb_gone', 'usb_1_1'].map(name => ({ name })))
  await daemon.until(() => daemon.calls.length === 4)
  for (const { given, answer, refuse } of daemon.calls.splice(0)) {
    if (given.name === 'usb_gone') refuse(libvirtCodes.noNodeDevice, 'Node device not found')
    else if (given.name === 'usb_usb1') answer(node('usb1', '0x0002').replace('/usb1/usb1', '/usb1'))
    else answer(node(given.name === 'usb_1_1' ? '1-1' : '1-2', '0x0001'))
  }
  expect(await listed).toMatchObject([
    { port: '1-1', vendor: '0529', product: '0001', serial: null },
    { port: '1-2', vendorName: 'Aladdin' },
  ])
})

it('are not known where libvirt has no driver for them', async () => {
  const { client, call, dongles } = await opened()
  await using _client = client
  const listed = dongles.usbDevices()
  ;(await call()).refuse(libvirtCodes.noSupport, 'this function is not supported by the connection driver')
  expect(await listed).toBeNull()
})

it('that another machine has are told apart from other refusals, in libvirt’s words', async () => {
  const { client, call, dongles } = await opened()
  await using _client = client
  for (const [code, words] of [
    ['conflict', 'Requested operation is not valid: USB device 001:004 is in use by driver QEMU, domain theirs'],
    ['invalid', 'internal error: Did not find USB device 0529:0001 bus:1 device:4'],
  ] as const) {
    const asked = dongles.dongleAttach(machineId, dongle, { bus: 1, device: 4 })
    ;(await call()).refuse(libvirtCodes.operationInvalid, words)
    await expect(asked).rejects.toMatchObject({ code, message: `libvirt: ${words}` })
  }
})

it('are neither plugged in twice nor taken out twice', async () => {
  const at = { bus: 1, device: 4 }
  const { client, daemon, dongles } = await opened([{ id, ...at }])
  await using _client = client
  await dongles.dongleAttach(machineId, dongle, at)
  await dongles.dongleDetach(machineId, crypto.randomUUID(), at)
  expect(daemon.calls).toEqual([])
})
