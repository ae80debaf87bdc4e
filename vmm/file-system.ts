/** Which file system of this host a folder lies on: what lies on one shares its space. */
import { readFile, realpath } from 'node:fs/promises'

/** The kernel writes blanks and the like in octal. */
const unescaped = (text: string) =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

/**
 * Of a table of mounts (proc_pid_mountinfo(5)) the device, as `8:1`, of the file system that this path is on: that of the
 * last mount over the longest part of it. Subvolumes of one btrfs, which `stat` tells apart, have the same.
 * Undefined: the table tells nothing of it.
 */
export function deviceOf(mounts: string, path: string): string | undefined {
  let found: { point: string; device: string } | undefined
  for (const line of mounts.split('\n')) {
    const [, , device, , escaped] = line.split(' ')
    if (device === undefined || escaped === undefined) continue
    const point = unescaped(escaped)
    const within = point === '/' || path === point || path.startsWith(`${point}/`)
    if (within && point.length >= (found?.point.length ?? 0)) found = { point, device }
  }
  return found?.device
}

/** Good until this host is started anew; null: not known. */
export async function fileSystemOf(folder: string): Promise<string | null> {
  const path = await realpath(folder).catch(() => null) // it is not there yet
  if (path === null) return null
  return deviceOf(await readFile('/proc/self/mountinfo', 'utf8'), path) ?? null
}
