/** What processes cost, read from /proc. */
import { readdirSync, readFileSync } from 'node:fs'

/** USER_HZ is 100 on every Linux that Node runs on. */
const ticksPerSecond = 100

/**
 * CPU seconds (user and system) of a process and of its children that have ended; undefined when it has ended itself.
 * Summed over a tree nothing is lost when a child ends.
 */
export function cpuSeconds(pid: number): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? []
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / ticksPerSecond
  } catch {
    return undefined // ended between the listing and the look
  }
}

/** When a process began, in ms since the epoch, to 10 ms; undefined when it has ended. */
export function beganAtMs(pid: number): number | undefined {
  try {
    const ticks = Number(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ')[19])
    const upSeconds = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0])
    return Date.now() - (upSeconds - ticks / ticksPerSecond) * 1000
  } catch {
    return undefined // ended between the listing and the look
  }
}

/** Memory that would be free without it: shared pages counted by share. 0 when it has ended. */
export function memoryBytes(pid: number): number {
  try {
    const pss = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1]
    return Number(pss) * 1024
  } catch {
    return 0 // a connection's process that ended between the listing and the look
  }
}

/** Processes whose command line contains a text: their command line by pid. */
export function processesWith(text: string): Map<number, string> {
  const found = new Map<number, string>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ')
      if (line.includes(text)) found.set(Number(name), line)
    } catch {
      // It ended between the listing and the look.
    }
  }
  return found
}

/** A process and everything it started. */
export function processTree(root: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      parents.set(Number(name), Number(readFileSync(`/proc/${name}/stat`, 'latin1').split(') ').at(-1)?.split(' ')[1]))
    } catch {
      // It ended between the listing and the look.
    }
  }
  const tree = [root]
  for (const pid of tree) for (const [child, parent] of parents) if (parent === pid) tree.push(child)
  return tree
}

/** CPU seconds of the whole machine that were not idle. */
export function machineBusySeconds(): number {
  const fields = (readFileSync('/proc/stat', 'latin1').split('\n')[0] ?? '').trim().split(/\s+/).slice(1, 9).map(Number)
  const [, , , idle = 0, wait = 0] = fields
  return (fields.reduce((sum, value) => sum + value, 0) - idle - wait) / ticksPerSecond
}
