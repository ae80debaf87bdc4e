/**
 * Machines on a simulated host that are not ours. One fails to be taken over when its name asks for it (`…fail-adopt…`).
 * Nothing of them is kept: that one was taken over is told by the disk that came of it.
 */
import { createHash } from 'node:crypto'
import { HdcsError } from '../lib/errors.ts'
import type { Host } from './host.ts'
import type { ForeignMachine } from './report.ts'
import { newOverlay, overlayKey, type SimStorage } from './sim-storage.ts'

const MiB = 2 ** 20
const GiB = 2 ** 30

/** What stands for the bytes on its disk. */
export const foreignContent = (foreignId: string) => `of ${foreignId}`

/** The same id for the same name on the same host, in the form of a UUID. */
function idOf(hostName: string, name: string): string {
  const hex = createHash('sha256').update(`${hostName} ${name}`).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

export const simForeign = (hostName: string, name: string, facts: Partial<ForeignMachine> = {}): ForeignMachine => ({
  id: idOf(hostName, name),
  name,
  power: 'stopped',
  vcpus: 2,
  memoryBytes: 512 * MiB,
  video: 'qxl',
  disks: [
    {
      path: `/var/lib/libvirt/images/${name}.qcow2`,
      format: 'qcow2',
      bus: 'virtio',
      sizeBytes: 8 * GiB,
      usedBytes: 700 * MiB,
      backing: null,
    },
  ],
  nics: [{ mac: '52:54:00:12:34:56', network: 'default' }],
  obstacles: [],
  ...facts,
})

/** As they stand on a host that somebody used before. */
export const simStrangers = (hostName: string): ForeignMachine[] => [
  simForeign(hostName, 'accounts-2019', { firmware: 'uefi', diskBus: 'virtio' }),
  simForeign(hostName, 'mail', { power: 'running', obstacles: ['it runs: shut it down first'] }),
  simForeign(hostName, 'router', { obstacles: ['it has 2 disks; a desktop has one: detach the others first'] }),
]

interface SimForeignOptions {
  storage: SimStorage
  foreign: readonly ForeignMachine[] | undefined
  delay(signal: AbortSignal): Promise<void>
}

export function simForeignMachines({
  storage: { images, overlays, keep },
  foreign = [],
  delay,
}: SimForeignOptions): Pick<Host, 'foreignMachines' | 'foreignAdopt'> {
  const taken = ({ id }: ForeignMachine) => [...overlays.values()].some(({ content }) => content === foreignContent(id))
  return {
    foreignMachines: async () => foreign.filter(machine => !taken(machine)),
    async foreignAdopt({ id: machineId, incarnation, imageId }, foreignId, progress, signal) {
      const key = overlayKey({ machineId, incarnation })
      if (overlays.has(key)) return keep()
      if (!images.has(imageId)) throw new HdcsError('not_found', 'The empty image is not on this host.')
      const machine = foreign.find(({ id }) => id === foreignId)
      if (!machine || taken(machine))
        throw new HdcsError('not_found', 'The machine that should be taken over is not on this host any more.')
      if (machine.obstacles[0] !== undefined)
        throw new HdcsError('conflict', `${machine.name} cannot be taken over: ${machine.obstacles[0]}.`)
      for (const percent of [0, 50]) {
        progress(percent, 'copying its disk')
        await delay(signal)
      }
      if (machine.name.includes('fail-adopt'))
        throw new HdcsError('storage_full', 'No space for the copy of its disk, as its name asked.')
      overlays.set(key, { ...newOverlay({ machineId, incarnation, imageId }), content: foreignContent(foreignId) })
      await keep()
    },
  }
}
