/** vCPUs and memory in libvirt's XML: with room to grow when a machine starts, and read back. */
import type { Element } from '@xmldom/xmldom'
import { type Xml, xml } from '../lib/xml.ts'
import { memorySlots, roomOf } from './growing.ts'
import type { GrownHardware } from './host.ts'
import type { RunningHardware } from './report.ts'

const KiB = 1024
const kib = (bytes: number) => Math.ceil(bytes / KiB)

/** Memory that comes later needs a NUMA node to belong to: the one that has all there is. */
export interface HardwareXml {
  memory: Xml
  cpu: Xml | null
}

/** @param mode how the CPU shall be, for KVM; null: QEMU's own. */
export function hardwareXml(hardware: GrownHardware, mode: 'host-model' | null): HardwareXml {
  const { vcpus, memoryBytes } = hardware
  const { maxVcpus, maxMemoryBytes } = roomOf(hardware)
  const grows = maxMemoryBytes > memoryBytes
  const cell = xml`<cell id='0' cpus='0-${maxVcpus - 1}' memory='${kib(memoryBytes)}' unit='KiB'/>`
  const numa = grows ? xml`<numa>${cell}</numa>` : null
  return {
    memory: xml`${grows && xml`<maxMemory slots='${memorySlots}' unit='KiB'>${kib(maxMemoryBytes)}</maxMemory>`}
  <memory unit='KiB'>${kib(memoryBytes)}</memory>
  <vcpu current='${vcpus}'>${maxVcpus}</vcpu>`,
    cpu: mode === null ? numa && xml`<cpu>${numa}</cpu>` : xml`<cpu mode='${mode}'>${numa}</cpu>`,
  }
}

/**
 * Memory that is plugged in. Named by how much there was before: a second one of that name is refused, so an agent that
 * was killed and asks again gives nothing twice.
 */
export const memoryXml = (beforeBytes: number, moreBytes: number): Xml =>
  xml`<memory model='dimm'><target><size unit='KiB'>${kib(moreBytes)}</size><node>0</node></target><alias name='ua-after-${kib(beforeBytes)}'/></memory>`

const elements = (parent: Element, name: string) => [...parent.getElementsByTagName(name)]

/** @param domain of a machine that runs, from an agent of any age. */
export function readHardware(domain: Element): RunningHardware | undefined {
  const [vcpu] = elements(domain, 'vcpu')
  const maxVcpus = Number(vcpu?.textContent)
  // The first is all of it; those that were plugged in follow among its devices.
  const [memory, ...plugged] = elements(domain, 'memory')
  const memoryBytes = Number(memory?.textContent) * KiB
  const [most] = elements(domain, 'maxMemory')
  const slots = Number(most?.getAttribute('slots') ?? 0)
  const read = {
    vcpus: Number(vcpu?.getAttribute('current') || maxVcpus),
    maxVcpus,
    memoryBytes,
    maxMemoryBytes: plugged.length < slots ? Number(most?.textContent) * KiB : memoryBytes,
  }
  return Object.values(read).every(Number.isSafeInteger) ? read : undefined
}
