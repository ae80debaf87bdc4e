/** What a machine is made of, as options of commands. */
import type { Command } from 'commander'
import { HdcsError } from '../lib/errors.ts'
import { diskBuses, firmwares, videos } from '../lib/hardware.ts'
import type { Pool } from './nouns.ts'
import { bytes } from './print.ts'

export interface HardwareOptions {
  vcpus?: string
  /** MiB. */
  memory?: string
  /** GiB. */
  disk?: string
  video?: string
  /** `on` or `off`. */
  sound?: string
  firmware?: string
  diskBus?: string
}

const MiB = 2 ** 20
const GiB = 2 ** 30

/** @throws HdcsError `invalid` for what is no number, or none of what there is to choose from. */
export function hardwareOf({ vcpus, memory, disk, video, sound, firmware, diskBus }: HardwareOptions) {
  const number = (name: string, text: string) => {
    const value = Number(text)
    if (Number.isFinite(value) && value > 0) return value
    throw new HdcsError('invalid', `--${name} takes a number, not “${text}”.`)
  }
  const choice = <T extends string>(name: string, text: string, of: readonly T[]): T => {
    const value = of.find(known => known === text)
    if (value !== undefined) return value
    throw new HdcsError('invalid', `--${name} takes ${of.join(', ')}, not “${text}”.`)
  }
  return {
    ...(vcpus !== undefined && { vcpus: number('vcpus', vcpus) }),
    ...(memory !== undefined && { memoryBytes: Math.round(number('memory', memory) * MiB) }),
    ...(disk !== undefined && { diskBytes: Math.round(number('disk', disk) * GiB) }),
    ...(video !== undefined && { video: choice('video', video, videos) }),
    ...(sound !== undefined && { sound: choice('sound', sound, ['on', 'off']) === 'on' }),
    ...(firmware !== undefined && { firmware: choice('firmware', firmware, firmwares) }),
    ...(diskBus !== undefined && { diskBus: choice('disk-bus', diskBus, diskBuses) }),
  }
}

/** `2 vCPU, 2.0 GiB, disk of 20 GiB on virtio, virtio, sound off, bios` */
export function hardwareText(hardware: Pool['hardware']): string {
  const { vcpus, memoryBytes, diskBytes, video, sound, firmware, diskBus } = hardware
  const disk = `disk${diskBytes === null ? '' : ` of ${bytes(diskBytes)}`} on ${diskBus}`
  return `${vcpus} vCPU, ${bytes(memoryBytes)}, ${disk}, ${video}, sound ${sound ? 'on' : 'off'}, ${firmware}`
}

/** @throws HdcsError `invalid` also where nothing is said. */
export function hardwareWanted(options: HardwareOptions) {
  const hardware = hardwareOf(options)
  if (Object.keys(hardware).length > 0) return hardware
  const all = '--vcpus, --memory, --disk, --video, --sound, --firmware, --disk-bus'
  throw new HdcsError('invalid', `What shall change? Say one of ${all}.`)
}

export const hardwareOptions = (command: Command): Command =>
  command
    .option('--vcpus <count>', 'processors')
    .option('--memory <mib>', 'memory in MiB')
    .option('--disk <gib>', 'disk in GiB; it only grows')
    .option('--video <card>', videos.join(', '))
    .option('--sound <on|off>', 'a sound card')
    .option('--firmware <kind>', `${firmwares.join(' or ')}, whichever its system was installed for`)
    .option('--disk-bus <bus>', `${diskBuses.join(', ')}: its system must have a driver for it`)
