/** What libvirt and the machine say of a host. */
import { cpus, hostname, networkInterfaces, release, totalmem } from 'node:os'
import { DOMParser } from '@xmldom/xmldom'
import { HdcsError } from '../lib/errors.ts'
import type { Acceleration } from './kvm-probe.ts'
import type { LibvirtDaemon } from './libvirt/daemon.ts'
import type { HostFacts } from './report.ts'

/** libvirt answers such questions in milliseconds. */
const askMs = 10_000

/** libvirt's numbers are major × 1,000,000 + minor × 1,000 + release. */
const versionText = (number: bigint) => `${number / 1_000_000n}.${(number / 1_000n) % 1_000n}.${number % 1_000n}`
export const qemuVersion = async (daemon: LibvirtDaemon) =>
  versionText(await daemon.actions.connectGetVersion({}, { timeoutMs: askMs }))

export async function readFacts(
  daemon: LibvirtDaemon,
  probe: () => Promise<Acceleration>,
): Promise<Omit<HostFacts, 'address' | 'storageId' | 'diskLocks' | 'migrationUri' | 'bridges' | 'uefi'>> {
  const [libvirt, qemu, node, { accelerator, reason }] = await Promise.all([
    daemon.actions.connectGetLibVersion({}, { timeoutMs: askMs }),
    qemuVersion(daemon),
    daemon.actions.nodeGetInfo({}, { timeoutMs: askMs }),
    probe(),
  ])
  return {
    hostName: hostname(),
    kernel: release(),
    libvirtVersion: versionText(libvirt),
    qemuVersion: qemu,
    cpuModel: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    memoryBytes: totalmem(),
    accelerator,
    acceleratorReason: reason,
    simulated: false,
    cpuMhz: node.mhz || (cpus()[0]?.speed ?? 0),
    sockets: node.nodes * node.sockets,
    coresPerSocket: node.cores,
    threadsPerCore: node.threads,
    maxVcpus,
  }
}

/** The MAC of the card with an address, for Wake-on-LAN; null: none has it, or it is no card. */
export function cardOf(address: string): string | null {
  const cards = Object.values(networkInterfaces()).flatMap(found => found ?? [])
  const mac = cards.find(card => card.address === address && !card.internal)?.mac
  return mac && !/^[0:]+$/.test(mac) ? mac : null
}

/** What QEMU's q35 machine takes without an interrupt remapper. */
const maxVcpus = 255

/** Which QEMU libvirt runs, and as whom. */
export async function readHypervisor(
  daemon: LibvirtDaemon,
): Promise<{ emulator: string; owner: { uid: number; gid: number } }> {
  // The first answer of a libvirtd that has just started may take minutes: it tries every QEMU of the machine.
  const slow = { timeoutMs: 240_000 }
  const [capabilities, domain] = await Promise.all([
    daemon.actions.connectGetCapabilities({}, slow),
    daemon.actions.connectGetDomainCapabilities({ virtType: 'qemu', arch: 'x86_64' }, slow),
  ])
  const parse = (text: string) => new DOMParser().parseFromString(text, 'text/xml')
  const emulator = parse(domain).getElementsByTagName('path')[0]?.textContent
  if (!emulator) throw new HdcsError('unsupported', 'libvirt knows no QEMU for x86_64 here: install qemu-system-x86.')
  const label = [...parse(capabilities).getElementsByTagName('baselabel')].find(
    found => found.getAttribute('type') === 'qemu' && /^\+\d+:\+\d+$/.test(found.textContent ?? ''),
  )
  const [uid = 0, gid = 0] = (label?.textContent ?? '+0:+0').split(':').map(Number)
  return { emulator, owner: { uid, gid } }
}
