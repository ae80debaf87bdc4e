import type { FoundMachine } from '../../vmm/host.ts'
import { macOf } from '../../vmm/networks.ts'
import type { HostSpec, ImageSpec, MachineSpec, NicSpec } from '../../vmm/spec.ts'

export const installationId = '018f0000-0000-7000-8000-00000000000a'

export const imageSpec = (facts: Partial<ImageSpec> = {}): ImageSpec => ({
  id: '018f0000-0000-7000-8000-0000000000f1',
  name: 'tiny',
  source: { kind: 'recipe', recipe: 'tiny' },
  maxVirtualBytes: 2 ** 40,
  attempt: 1,
  ...facts,
})

export const nicSpec = (address: string, facts: Partial<NicSpec> = {}): NicSpec => ({
  mac: macOf(address),
  address,
  mode: 'nat',
  interface: null,
  neighbourGroup: null,
  allow: null,
  ...facts,
})

export const machineSpec = (number: number, facts: Partial<MachineSpec> = {}): MachineSpec => ({
  id: `018f0000-0000-7000-8000-${String(number).padStart(12, '0')}`,
  name: `desktop-${number}`,
  generation: 1,
  power: 'running',
  stopGraceMs: 0,
  incarnation: 1,
  imageId: imageSpec().id,
  hardware: { vcpus: 1, memoryBytes: 128 * 2 ** 20, video: 'vga', diskBytes: null, sound: false },
  nic: null,
  screenPort: null,
  move: null,
  graphics: null,
  priority: 'prewarm',
  readyWhen: 'agent',
  bootTimeoutMs: 60_000,
  ...facts,
})

/** `machineSpec(1)` as its host finds it: it runs. */
export const foundMachine = (facts: Partial<FoundMachine> = {}): FoundMachine => ({
  id: machineSpec(1).id,
  name: 'desktop-1',
  incarnation: 1,
  power: 'running',
  graphics: null,
  agentConnected: true,
  clients: 0,
  arriving: false,
  ...facts,
})

export const hostSpec = (machines: MachineSpec[], facts: Partial<HostSpec> = {}): HostSpec => ({
  installationId,
  hostId: '018f0000-0000-7000-8000-00000000000b',
  network: { supernet: '10.200.0.0/16', subnet: '10.200.0.0/24' },
  images: [imageSpec()],
  machines,
  remove: [],
  ...facts,
})
