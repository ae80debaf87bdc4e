/** Which changes of vCPUs and memory a guest that runs gets at once, and why others wait for its next start. Pure. */
import { memoryStepBytes } from '../lib/capacity.ts'
import type { MachineReport } from '../vmm/report.ts'
import type { LiveHardware } from '../vmm/spec.ts'
import type { Resources } from './placement.ts'

/** A desktop that runs, or is suspended. */
export interface GuestFacts {
  power: 'running' | 'paused'
  /** What it has; null: its host's agent is older and does not say. */
  has: NonNullable<MachineReport['hardware']> | null
  moving: boolean
  /** What it takes of its host by now: what was wished before, or what it has. */
  counted: Resources
  /** What is left of its host; null: nothing more is placed there, for that reason. */
  left: Resources | string
}

/** @returns why not at once; undefined: at once. */
export function waitsForStart(name: LiveHardware, wished: number, guest: GuestFacts): string | undefined {
  const { has, power, moving, counted, left } = guest
  if (power === 'paused') return 'it is suspended, and a guest takes more only while it runs'
  if (!has) return 'its host runs an older agent, which gives a guest that runs no more than it has'
  if (wished < has[name]) return 'a guest keeps what it has while it runs'
  if (wished === has[name]) return undefined
  const most = name === 'vcpus' ? has.maxVcpus : has.maxMemoryBytes
  if (most === has[name]) return `it was started without room for more than ${said(name, most)}`
  if (wished > most) return `it was started with room for ${said(name, most)} at most`
  if (name === 'memoryBytes' && (wished - has.memoryBytes) % memoryStepBytes !== 0)
    return `memory is added to a guest that runs in steps of ${said(name, memoryStepBytes)}`
  if (moving) return 'it is on its way to another host'
  if (typeof left === 'string') return left
  const free = Math.max(0, left[name] + counted[name] - has[name])
  const more = wished - has[name]
  return more <= free ? undefined : `its host has ${said(name, free)} left, ${said(name, more)} more wanted`
}

const said = (name: LiveHardware, amount: number) =>
  name === 'vcpus' ? `${amount} vCPU` : `${Math.floor(amount / 2 ** 20)} MiB`
