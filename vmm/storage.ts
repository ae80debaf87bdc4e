/** What a host is and what it uses, as Linux tells it. */
import { readFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { foldersSpace } from './folders.ts'
import type { HostUsage } from './report.ts'

interface CpuTimes {
  busyMs: number
  allMs: number
}

function cpuTimes(): CpuTimes {
  let busyMs = 0
  let allMs = 0
  for (const { times } of cpus()) {
    const busy = times.user + times.nice + times.sys + times.irq
    busyMs += busy
    allMs += busy + times.idle
  }
  return { busyMs, allMs }
}

/**
 * @param check fails while the storage is not mounted: what lies under it then is not its space.
 * @returns asks for the usage since it was asked last (at first: since now).
 */
export function makeUsage(folder: string, check: () => Promise<void>): () => Promise<HostUsage> {
  let last = cpuTimes()
  return async () => {
    const now = cpuTimes()
    const passedMs = now.allMs - last.allMs
    const cpu = passedMs > 0 ? (now.busyMs - last.busyMs) / passedMs : 0
    last = now
    const { totalBytes, freeBytes } = await check().then(
      () => foldersSpace(folder),
      () => ({ totalBytes: 0, freeBytes: 0 }), // the host's trouble says why
    )
    return {
      cpu: Math.min(1, Math.max(0, cpu)),
      memoryUsedBytes: totalmem() - (await memoryAvailableBytes()),
      storageTotalBytes: totalBytes,
      storageFreeBytes: freeBytes,
    }
  }
}

/** libvirt's own figures miss hot-added memory; the kernel's do not. */
async function memoryAvailableBytes(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8')
  return Number(/^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024
}
