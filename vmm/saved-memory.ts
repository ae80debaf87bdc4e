/**
 * The memory of a guest that was saved: `<machine>.<incarnation>.<host>.memory` beside its disk, in libvirt's format
 * (libvirt: qemu_saveimage.h): 16 bytes tell whether it is whole. It is a guest's memory only as long as nobody wrote to
 * the disk after it: over another disk it would break the file system.
 */
import { createHash } from 'node:crypto'
import { open, readdir, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, join } from 'node:path'
import { overlayPath } from './disks.ts'
import type { Folders } from './folders.ts'
import type { FoundOverlay } from './host.ts'
import type { SavedMemory } from './report.ts'

/** Restored by this host alone: on shared storage others see the file too, and may have other processors. */
const hostTag = createHash('sha256').update(hostname()).digest('hex').slice(0, 8)
const wholeMark = 'LibvirtQemudSave'
const memoryName = /^([0-9a-f-]{36})\.(\d+)\.([0-9a-f]{8})\.memory$/

export const memoryPath = (folders: Folders, overlay: FoundOverlay) =>
  overlayPath(folders, overlay).replace(/\.qcow2$/, `.${hostTag}.memory`)

async function isWhole(path: string): Promise<boolean> {
  await using file = await open(path, 'r')
  const { buffer, bytesRead } = await file.read(Buffer.alloc(16), 0, 16, 0)
  return buffer.toString('latin1', 0, bytesRead) === wholeMark
}

const statOf = (path: string) => stat(path).catch(() => null) // not there

/** Null: none, or half of one, or the disk was written to since. */
export async function memoryOf(folders: Folders, overlay: FoundOverlay): Promise<SavedMemory | null> {
  const path = memoryPath(folders, overlay)
  const [memory, disk] = await Promise.all([statOf(path), statOf(overlayPath(folders, overlay))])
  if (!memory || !disk || disk.mtimeMs > memory.mtimeMs || !(await isWhole(path))) return null
  return { bytes: memory.blocks * 512, savedAt: memory.mtime.toISOString() }
}

/** Adds to each disk the memory that waits beside it. */
export async function withMemories(folders: Folders, overlays: FoundOverlay[]): Promise<FoundOverlay[]> {
  const names = (await readdir(folders.overlays)).filter(name => name.endsWith(`.${hostTag}.memory`))
  if (names.length === 0) return overlays
  const waiting = new Set(names)
  return Promise.all(
    overlays.map(async overlay => {
      if (!waiting.has(basename(memoryPath(folders, overlay)))) return overlay
      const memory = await memoryOf(folders, overlay)
      return memory ? { ...overlay, memory } : overlay
    }),
  )
}

export const memoryForget = (folders: Folders, overlay: FoundOverlay) =>
  rm(memoryPath(folders, overlay), { force: true })

/**
 * Removes what no machine can be started from: of disks that are gone, halves, and what is older than its disk.
 * @param busy whether a machine runs here: its memory may just be written.
 */
export async function memoriesSweep(folders: Folders, busy: (machineId: string) => Promise<boolean>): Promise<void> {
  for (const name of await readdir(folders.overlays)) {
    const [, machineId = '', incarnation, tag] = memoryName.exec(name) ?? []
    if (tag === undefined) continue
    const overlay = { machineId, incarnation: Number(incarnation) }
    const orphan = (await statOf(overlayPath(folders, overlay))) === null
    const dead = tag === hostTag && !(await busy(machineId)) && (await memoryOf(folders, overlay)) === null
    if (orphan || dead) await rm(join(folders.overlays, name), { force: true })
  }
}
