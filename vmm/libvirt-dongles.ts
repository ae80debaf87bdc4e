/** USB devices of a real host: libvirt lists them, and plugs them into machines that run. */
import { readFile } from 'node:fs/promises'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import { dongleAwayXml, dongleXml, readUsbNode } from './dongle-xml.ts'
import type { FoundMachine, Host } from './host.ts'
import type { LibvirtCalls } from './libvirt/calls.ts'
import { isLibvirt } from './libvirt/errors.ts'
import { affectFlags } from './libvirt/flags.ts'
import { refOf } from './libvirt-events.ts'
import type { UsbDevice } from './report.ts'

/** libvirt answers such questions in milliseconds. */
const askMs = 10_000
/** VIR_CONNECT_LIST_NODE_DEVICES_CAP_USB_DEV */
const usbDevices = 4
/** More than that on one host are told of no more. */
const maxUsbDevices = 100
/** bDeviceClass of a hub: what others are plugged into is nobody's. */
const hubClass = '09'

/** libvirt's and the kernel's ways to say that somebody else has it. */
const inUseWords = /in use by|already exists|busy/i

export function libvirtDongles(
  actions: LibvirtCalls,
  domains: { get(id: string): Promise<Pick<FoundMachine, 'dongles'>> },
): Pick<Host, 'usbDevices' | 'dongleAttach' | 'dongleDetach'> {
  async function look(name: string): Promise<UsbDevice | null> {
    try {
      const node = readUsbNode(await actions.nodeDeviceGetXmlDesc({ name }, { timeoutMs: askMs }))
      if (!node) return null
      const { path, ...device } = node
      if ((await attribute(path, 'bDeviceClass')) === hubClass) return null
      return { ...device, serial: (await attribute(path, 'serial')) || null }
    } catch (error) {
      if (isLibvirt(error, 'noNodeDevice')) return null // unplugged in this moment
      throw error
    }
  }

  return {
    async usbDevices() {
      try {
        const nodes = await actions.connectListAllNodeDevices({ flags: usbDevices }, { timeoutMs: askMs })
        const seen = await Promise.all(nodes.map(({ name }) => look(name)))
        const devices = seen.filter(device => device !== null)
        return devices.toSorted((a, b) => a.port.localeCompare(b.port)).slice(0, maxUsbDevices)
      } catch (error) {
        // A libvirt without its driver for node devices.
        if (isLibvirt(error, 'noSupport')) return null
        throw error
      }
    },
    async dongleAttach(id, dongle, at) {
      const { dongles = [] } = await domains.get(id)
      if (dongles.some(one => one.id === dongle.id && one.bus === at.bus && one.device === at.device)) return
      const given = { domain: refOf(id), xml: dongleXml(dongle, at), flags: affectFlags.live }
      await actions.domainAttachDeviceFlags(given, { timeoutMs: askMs, lane: id }).catch(thrown => {
        const { code, message } = asHdcsError(thrown)
        if (code === 'unreachable' || code === 'timeout') throw thrown
        throw new HdcsError(inUseWords.test(message) ? 'conflict' : 'invalid', message, { cause: thrown })
      })
    },
    async dongleDetach(id, dongleId, at) {
      const { dongles = [] } = await domains.get(id)
      if (!dongles.some(one => one.id === dongleId)) return
      const given = { domain: refOf(id), xml: dongleAwayXml(dongleId, at), flags: affectFlags.live }
      await actions.domainDetachDeviceFlags(given, { timeoutMs: askMs, lane: id }).catch(thrown => {
        if (!isLibvirt(thrown, 'deviceMissing')) throw thrown
      })
    },
  }
}

/** Of a device in sysfs; what is not there is empty: many devices have no serial. */
async function attribute(path: string, name: string): Promise<string> {
  const text = await readFile(`${path}/${name}`, 'utf8').catch(() => '')
  return text.replaceAll('\0', '').trim().slice(0, 126).toWellFormed()
}
