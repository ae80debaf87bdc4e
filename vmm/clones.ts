/** Disks that are copies of other machines' disks: as they are, or with what is under them. */
import { chmod, chown, open, rm, stat } from 'node:fs/promises'
import { HdcsError } from '../lib/errors.ts'
import { allocated } from './captured-image.ts'
import { birthBitmap, type DiskOwner, exists, isFull, overlayPath, qcow2Header } from './disks.ts'
import { type Folders, fileCommit, foldersRoom, partOf } from './folders.ts'
import type { Host, Progress } from './host.ts'
import { runOrThrow, runProgram } from './programs.ts'
import { reflink } from './reflink.ts'

/** 500 GiB on a slow disk. Shorter: large disks are never copied; longer: a hung storage holds a place among the moves. */
const copyMs = 12 * 3_600_000
/** How often a person sees the percentage move. */
const lookMs = 1_000
/** qemu-img works for milliseconds; this is for a storage that hangs. */
const qemuImgMs = 30_000

/**
 * A linked copy takes what its source wrote since it was made, and stands on the same image. A full one also takes the
 * image, and stands on nothing. Where the file system shares blocks between files, neither moves a byte.
 * @param owner QEMU's user, to whom disks are given; null leaves that to libvirt.
 */
export function makeClones(folders: Folders, owner: DiskOwner | null): Host['overlayClone'] {
  return async ({ id, incarnation }, source, progress, signal) => {
    const path = overlayPath(folders, { machineId: id, incarnation })
    if (await exists(path)) return
    const from = overlayPath(folders, source)
    if (!(await exists(from)))
      throw new HdcsError('not_found', 'The disk that it shall be a copy of is not on this storage any more.')
    const part = partOf(path)
    try {
      if (source.full) await copyWhole(folders, from, part, progress, signal)
      else await copyOf(folders, from, part, progress, signal)
      await chmod(part, 0o600)
      if (owner) await chown(part, owner.uid, owner.gid)
      await fileCommit(part, path)
    } catch (error) {
      await rm(part, { force: true })
      throw fullOr(error)
    }
  }
}

/** The image with what the overlay has over it written into it. */
async function copyWhole(folders: Folders, from: string, to: string, progress: Progress, signal: AbortSignal) {
  const { backing, virtualBytes } = await qcow2Header(from)
  if (backing === null) return copyOf(folders, from, to, progress, signal)
  await copyOf(folders, backing, to, progress, signal)
  await chmod(to, 0o600)
  const qemuImg = (...args: string[]) => runOrThrow('qemu-img', args, { timeoutMs: copyMs, signal, endsWithUs: true })
  if (!(await isEmpty(from))) {
    const over = partOf(to)
    try {
      await copyOf(folders, from, over, () => {}, signal)
      await qemuImg('rebase', '-q', '-u', '-f', 'qcow2', '-b', to, '-F', 'qcow2', over)
      await qemuImg('commit', '-q', '-d', '-f', 'qcow2', over)
    } finally {
      await rm(over, { force: true })
    }
  }
  if ((await qcow2Header(to)).virtualBytes < virtualBytes)
    await qemuImg('resize', '-q', '-f', 'qcow2', to, `${virtualBytes}`)
  // Flushed when it gets its name: qemu-img does so four times, which is most of what a copy of shared blocks takes.
  const unflushed = `driver=qcow2,cache.no-flush=on,file.filename=${to.replaceAll(',', ',,')}`
  const bitmap = ['bitmap', '--add', '--image-opts', unflushed, birthBitmap]
  await runOrThrow('qemu-img', bitmap, { timeoutMs: qemuImgMs, signal })
}

/** Nothing was written on it yet: its table of tables (qcow2 specification: size at 36, place at 40) holds only zeros. */
async function isEmpty(path: string): Promise<boolean> {
  await using file = await open(path, 'r')
  const { buffer: header } = await file.read(Buffer.alloc(48), 0, 48, 0)
  const table = Buffer.alloc(8 * header.readUInt32BE(36))
  await file.read(table, 0, table.length, Number(header.readBigUInt64BE(40)))
  return table.every(byte => byte === 0)
}

async function copyOf(folders: Folders, from: string, to: string, progress: Progress, signal: AbortSignal) {
  progress(0, 'copying its disk')
  if (await reflink(from, to)) return
  const bytes = await allocated(from)
  await foldersRoom(folders, bytes)
  const look = () =>
    stat(to).then(
      ({ blocks }) => progress(Math.min(99, (blocks * 512 * 100) / Math.max(1, bytes)), 'copying its disk'),
      () => {}, // cp has not made it yet
    )
  const watch = setInterval(look, lookMs)
  try {
    // No gentler than that: behind every desktop's own reads, a copy of a busy host's disk never ends.
    const args = ['-c', '2', '-n', '7', 'cp', '--sparse=auto', '--reflink=never', '--', from, to]
    const { code, errors } = await runProgram('ionice', args, { timeoutMs: copyMs, signal, endsWithUs: true })
    if (code !== 0) throw copyError(errors)
  } finally {
    clearInterval(watch)
  }
}

/** cp's words, told apart by what it always says of a full disk (LC_ALL=C). */
const copyError = (errors: string) =>
  errors.includes('No space left on device')
    ? new HdcsError('storage_full', 'The host’s storage is full: free space, then it goes on.', { cause: errors })
    : new HdcsError('internal', `The disk cannot be copied: ${errors.split('\n').at(-1)}`, { cause: errors })

const fullOr = (error: unknown) =>
  isFull(error)
    ? new HdcsError('storage_full', 'The host’s storage is full: free space, then it goes on.', { cause: error })
    : error
