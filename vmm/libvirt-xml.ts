/** What libvirt says of machines and of its host, word for word, for people and programs: without passwords. */
import { DOMParser, XMLSerializer } from '@xmldom/xmldom'
import { HdcsError } from '../lib/errors.ts'
import type { Host } from './host.ts'
import type { LibvirtDaemon } from './libvirt/daemon.ts'
import type { LibvirtDomains } from './libvirt-domains.ts'
import { refOf } from './libvirt-events.ts'
import type { HostXml, MachineXml } from './report.ts'
import type { MachineSpec } from './spec.ts'

/** libvirt answers such questions in milliseconds. */
const askMs = 10_000

/** Passwords stand in attributes (`<graphics passwd=…>`); libvirt leaves them out itself, what we write has them. */
const secrets = ['passwd', 'passwdValidTo']

export function withoutSecrets(text: string): string {
  const domain = new DOMParser().parseFromString(text, 'text/xml').documentElement
  if (!domain) throw new HdcsError('protocol', 'libvirt’s description of the domain is no XML.')
  for (const element of domain.getElementsByTagName('*')) for (const name of secrets) element.removeAttribute(name)
  return new XMLSerializer().serializeToString(domain)
}

/** @param xmlOf what a machine would be started with. */
export function libvirtXml(
  daemon: LibvirtDaemon,
  domains: Pick<LibvirtDomains, 'find'>,
  xmlOf: (spec: MachineSpec) => Promise<string>,
): Pick<Host, 'machineXml' | 'hostXml'> {
  return {
    async machineXml(id, spec): Promise<MachineXml> {
      if (await domains.find(id)) {
        const xml = await daemon.actions.domainGetXmlDesc({ domain: refOf(id) }, { timeoutMs: askMs })
        return { xml: withoutSecrets(xml), live: true }
      }
      if (!spec) throw new HdcsError('not_found', 'The machine does not run here.')
      return { xml: withoutSecrets(await xmlOf(spec)), live: false }
    },
    async hostXml(): Promise<HostXml> {
      const [capabilities, node] = await Promise.all([
        daemon.actions.connectGetCapabilities({}, { timeoutMs: askMs }),
        daemon.actions.nodeGetInfo({}, { timeoutMs: askMs }),
      ])
      const { cpuModel: model, memoryKib, ...rest } = node
      return { capabilities, node: { ...rest, model, memoryKib: Number(memoryKib) } }
    },
  }
}
