/** What a simulated host says that it is. */
import type { HostFacts } from './report.ts'
import { simUri } from './sim-moves.ts'

export interface SimFacts {
  hostName: string
  cpus: number
  memoryBytes: number
  storageId: string
  /** Networks of the site that it has. */
  bridges?: readonly string[] | undefined
  /** False: it has no UEFI firmware. */
  uefi?: boolean | undefined
}

export const simFacts = ({
  hostName,
  cpus,
  memoryBytes,
  storageId,
  bridges = [],
  uefi = true,
}: SimFacts): HostFacts => ({
  hostName: hostName,
  kernel: 'simulated',
  libvirtVersion: 'simulated',
  qemuVersion: 'simulated',
  cpuModel: 'simulated',
  cpus,
  memoryBytes,
  accelerator: 'kvm',
  acceleratorReason: null,
  simulated: true,
  cpuMhz: 3_000,
  sockets: 1,
  coresPerSocket: cpus,
  threadsPerCore: 1,
  maxVcpus: 255,
  address: '127.0.0.1',
  storageId: storageId,
  fileSystem: storageId,
  diskLocks: true,
  migrationUri: simUri(hostName),
  bridges: [...bridges],
  uefi,
})
