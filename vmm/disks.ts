/** Overlays: the disk of one life of one machine, a qcow2 file on a sealed image. */
import { createHash } from 'node:crypto'
import { chown, open, readdir, readFile, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { HdcsError } from '../lib/errors.ts'
import { type Folders, fileCommit, foldersRoom, partOf } from './folders.ts'
import type { FoundOverlay } from './host.ts'
import { runOrThrow } from './programs.ts'
import type { MachineSpec } from './spec.ts'

/** qemu-img works for milliseconds; this is for a storage that hangs. */
const qemuImgMs = 30_000
/** Blocks that hold only zeros are left as holes: an overlay then begins with 16 KiB instead of 320. */
const blockBytes = 4096
/** A new overlay's bytes, rounded up: what the space check asks for. */
const overlayBytes = 1024 * 1024

/** Marks what was written since the disk was made. */
export const birthBitmap = 'birth'

const idForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const overlayName = /^([0-9a-f-]{36})\.(\d+)\.qcow2$/

export const imagePath = (folders: Folders, imageId: string) => join(folders.images, `${checkedId(imageId)}.qcow2`)
export const overlayPath = (folders: Folders, { machineId, incarnation }: FoundOverlay) =>
  join(folders.overlays, `${checkedId(machineId)}.${checkedNumber(incarnation)}.qcow2`)

function checkedId(id: string): string {
  if (!idForm.test(id)) throw new HdcsError('invalid', `“${id}” is no UUID and cannot name a file.`)
  return id
}
function checkedNumber(incarnation: number): number {
  if (!Number.isSafeInteger(incarnation) || incarnation < 0)
    throw new HdcsError('invalid', 'An incarnation is a whole number from 0.')
  return incarnation
}

export interface Qcow2Header {
  virtualBytes: number
  /** As written in the file; null without one. */
  backing: string | null
}

/**
 * What a qcow2 file that we made says of itself (qcow2 specification: magic, then at 8 the backing name's offset, at 16
 * its length, at 24 the virtual size, all big-endian).
 */
export async function qcow2Header(path: string): Promise<Qcow2Header> {
  await using file = await open(path, 'r')
  const { buffer, bytesRead } = await file.read(Buffer.alloc(blockBytes), 0, blockBytes, 0)
  if (bytesRead < 72 || buffer.readUInt32BE(0) !== 0x514649fb)
    throw new HdcsError('invalid', `${path} is no qcow2 image.`)
  const offset = Number(buffer.readBigUInt64BE(8))
  const length = buffer.readUInt32BE(16)
  const backing = offset === 0 || offset + length > bytesRead ? null : buffer.toString('utf8', offset, offset + length)
  return { virtualBytes: Number(buffer.readBigUInt64BE(24)), backing }
}

/** @throws HdcsError `not_found`. */
export async function isAsLarge(path: string, sizeBytes: number): Promise<boolean> {
  if (!(await exists(path))) throw new HdcsError('not_found', 'The machine’s disk is not there.')
  return (await qcow2Header(path)).virtualBytes >= sizeBytes
}

export interface DiskOwner {
  uid: number
  gid: number
}

export interface Disks {
  overlays(): Promise<FoundOverlay[]>
  overlayMake(machine: Pick<MachineSpec, 'id' | 'incarnation' | 'imageId' | 'hardware'>): Promise<void>
  /** Of a machine that stands still. Never smaller. */
  overlayGrow(overlay: FoundOverlay, sizeBytes: number): Promise<void>
  overlayRemove(overlay: FoundOverlay): Promise<void>
  /** Whether any overlay of this folder stands on the image: read from the overlays themselves. */
  imageUsed(imageId: string): Promise<boolean>
  /** Forgets the blank of an image that is gone. */
  blankForget(imageId: string): void
}

/**
 * @param owner QEMU's user, to whom overlays are given; null leaves that to libvirt.
 * @param locks where libvirt's lock manager has a file for each disk (host-place.ts).
 */
export function makeDisks(folders: Folders, owner: DiskOwner | null, locks: string | null = null): Disks {
  /**
   * All new overlays of one image and size are the same bytes: qemu-img makes them once (two processes of 10 ms CPU
   * and more under load), the rest is a small file written.
   */
  const blanks = new Map<string, Promise<Uint8Array>>()

  async function blankMake(image: string, sizeBytes: number): Promise<Uint8Array> {
    const blank = partOf(join(folders.overlays, 'blank'))
    try {
      await runOrThrow('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', image, '-F', 'qcow2', blank, `${sizeBytes}`], {
        timeoutMs: qemuImgMs,
      })
      // Incremental backup counts from this bitmap: it must be there before the first write of the guest.
      await runOrThrow('qemu-img', ['bitmap', '--add', blank, birthBitmap], { timeoutMs: qemuImgMs })
      return await readFile(blank)
    } finally {
      await rm(blank, { force: true })
    }
  }

  function blankOf(image: string, sizeBytes: number): Promise<Uint8Array> {
    const key = `${image} ${sizeBytes}`
    const known = blanks.get(key)
    if (known) return known
    const made = blankMake(image, sizeBytes)
    blanks.set(key, made)
    made.catch(() => blanks.delete(key)) // its caller hears of it; the next one tries again
    return made
  }

  return {
    async overlays() {
      return (await readdir(folders.overlays)).flatMap(name => {
        const [, machineId, incarnation] = overlayName.exec(name) ?? []
        return machineId ? [{ machineId, incarnation: Number(incarnation) }] : []
      })
    },

    async overlayMake({ id, incarnation, imageId, hardware }) {
      const path = overlayPath(folders, { machineId: id, incarnation })
      if (await exists(path)) return
      const image = imagePath(folders, imageId)
      if (!(await exists(image))) throw new HdcsError('not_found', 'The template’s image is not on this host.')
      const { virtualBytes: imageBytes } = await qcow2Header(image)
      const sizeBytes = hardware.diskBytes ?? imageBytes
      if (sizeBytes < imageBytes) throw new HdcsError('invalid', 'The disk is wished smaller than its template.')
      await foldersRoom(folders, overlayBytes)
      const blank = await blankOf(image, sizeBytes)
      const part = partOf(path)
      try {
        await writeSparse(part, blank)
        if (owner) await chown(part, owner.uid, owner.gid)
        await fileCommit(part, path)
      } catch (error) {
        await rm(part, { force: true })
        throw fullOr(error)
      }
    },

    async overlayGrow(overlay, sizeBytes) {
      const path = overlayPath(folders, overlay)
      if (await isAsLarge(path, sizeBytes)) return
      const resize = ['resize', '-q', '-f', 'qcow2', path, `${sizeBytes}`]
      await runOrThrow('qemu-img', resize, { timeoutMs: qemuImgMs })
    },

    async overlayRemove(overlay) {
      const path = overlayPath(folders, overlay)
      // The note of the move it came with (moved-disks.ts) goes first: killed in between, the disk is still seen and told.
      await rm(path.replace(/\.qcow2$/, '.move'), { force: true })
      await rm(path, { force: true })
      // A power cut leaves it behind. No disk is ever made under this path again, so nobody's lock is lost.
      if (locks) await rm(join(locks, createHash('sha256').update(path).digest('hex')), { force: true })
    },

    async imageUsed(imageId) {
      const image = imagePath(folders, imageId)
      for (const name of await readdir(folders.overlays)) {
        if (!overlayName.test(name)) continue
        if ((await qcow2Header(join(folders.overlays, name))).backing === image) return true
      }
      return false
    },

    blankForget(imageId) {
      const image = imagePath(folders, imageId)
      for (const key of blanks.keys()) if (key.startsWith(`${image} `)) blanks.delete(key)
    },
  }
}

export const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false, // whatever the reason, it cannot be used
  )

async function writeSparse(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, 'wx', 0o600)
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const block = bytes.subarray(at, at + blockBytes)
    if (block.some(byte => byte !== 0)) await file.write(block, 0, block.length, at)
  }
  await truncate(path, bytes.length)
}

/** The disk said it is full, in its own words. */
export function isFull(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : null
  return code === 'ENOSPC' || code === 'EDQUOT'
}

function fullOr(error: unknown): unknown {
  return isFull(error)
    ? new HdcsError('storage_full', 'The host’s storage is full: free space on it.', { cause: error })
    : error
}
