/** What a simulated host says in libvirt's place, as far as anybody can tell the difference. */
import { HdcsError } from '../lib/errors.ts'
import { xml } from '../lib/xml.ts'
import type { Host } from './host.ts'
import type { HostXml } from './report.ts'
import type { MachineSpec } from './spec.ts'

interface SimXmlOptions {
  /** What a machine was started with; undefined: it does not run. */
  running(id: string): MachineSpec | undefined
  node: Pick<HostXml['node'], 'cpus' | 'memoryKib'>
}

export function simXml({ running, node }: SimXmlOptions): Pick<Host, 'machineXml' | 'hostXml'> {
  return {
    async machineXml(id, spec) {
      const shown = running(id) ?? spec
      if (!shown) throw new HdcsError('not_found', 'The machine does not run here.')
      const { xml: text } = xml`<domain type='simulated'>
  <name>${shown.name}</name>
  <uuid>${shown.id}</uuid>
  <memory unit='KiB'>${shown.hardware.memoryBytes / 1024}</memory>
  <vcpu>${shown.hardware.vcpus}</vcpu>
</domain>`
      return { xml: text, live: running(id) !== undefined }
    },
    async hostXml() {
      const { cpus, memoryKib } = node
      const { xml: capabilities } = xml`<capabilities>
  <host><topology><cells num='1'><cell id='0'><memory unit='KiB'>${memoryKib}</memory></cell></cells></topology></host>
</capabilities>`
      return {
        capabilities,
        node: { model: 'simulated', memoryKib, cpus, mhz: 3_000, nodes: 1, sockets: 1, cores: cpus, threads: 1 },
      }
    },
  }
}
