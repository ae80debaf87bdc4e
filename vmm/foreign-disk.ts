/** The disk of a machine that is not ours: looked at without being opened by QEMU, and copied to be one of ours. */
import { chmod, chown, open, rm, stat, writeFile } from 'node:fs/promises'
import { HdcsError } from '../lib/errors.ts'
import { convert } from './captured-image.ts'
import { birthBitmap, type DiskOwner } from './disks.ts'
import { type Folders, foldersRoom, partOf } from './folders.ts'
import type { ForeignFile } from './foreign-domain.ts'
import type { Progress } from './host.ts'
import { imageCheck } from './image-check.ts'
import { runOrThrow, runProgram } from './programs.ts'
import { reflink } from './reflink.ts'

export interface SourceDisk {
  path: string
  format: 'qcow2' | 'raw'
}

/** qemu-img reads a header or writes one; longer: a storage that hangs holds the adoption. */
const qemuImgMs = 30_000
const magic = 0x514649fb
const externalDataFile = 4n

/** @returns null when it cannot be read, or is not what its format says. */
export async function foreignFile({ path, format }: { path: string; format: string }): Promise<ForeignFile | null> {
  try {
    const { size, blocks } = await stat(path)
    const usedBytes = blocks * 512
    if (format !== 'qcow2') return { sizeBytes: size, usedBytes, backing: null, whole: true }
    await using file = await open(path, 'r')
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, 0)
    if (bytesRead < 80 || buffer.readUInt32BE(0) !== magic) return null
    const at = Number(buffer.readBigUInt64BE(8))
    const end = at + buffer.readUInt32BE(16)
    const features = buffer.readUInt32BE(4) >= 3 ? buffer.readBigUInt64BE(72) : 0n
    return {
      sizeBytes: Number(buffer.readBigUInt64BE(24)),
      usedBytes,
      // A name that stands elsewhere in the file is a name all the same.
      backing: at === 0 ? null : end > bytesRead ? '?' : buffer.toString('utf8', at, end),
      whole: (features & externalDataFile) === 0n && buffer.readUInt32BE(32) === 0,
    }
  } catch {
    return null // told as an obstacle, with its path
  }
}

/**
 * Copies it to a part beside `path`, which stands on `image` then; the original is only read. Asked to dispose, the part
 * goes unless it got its name.
 * @throws HdcsError `disk_in_use`, `storage_full`, `cancelled`; `invalid` for a disk that names other files.
 */
export async function foreignCopy(
  folders: Folders,
  source: SourceDisk,
  to: { path: string; image: string; owner: DiskOwner | null },
  progress: Progress,
  signal: AbortSignal,
): Promise<{ part: string } & AsyncDisposable> {
  await checked(source)
  const part = partOf(to.path)
  const remove = () => rm(part, { force: true })
  try {
    // Readable by nobody else from its first byte: qemu-img keeps the mode of a file that is there.
    await writeFile(part, '', { mode: 0o600 })
    if (source.format !== 'qcow2' || !(await reflink(source.path, part))) {
      const { usedBytes = 0 } = (await foreignFile(source)) ?? {}
      await foldersRoom(folders, usedBytes)
      const percent = (written: number) => Math.min(97, (written * 100) / Math.max(1, usedBytes))
      await convert(source, { path: part, format: 'qcow2' }, signal, written =>
        progress(percent(written), 'copying its disk'),
      )
    }
    await chmod(part, 0o600)
    const quick = { timeoutMs: qemuImgMs, signal }
    // Only the header is written: what was never written reads as zeros, with the empty image under it as without.
    await runOrThrow('qemu-img', ['amend', '-q', '-f', 'qcow2', '-o', 'compat=1.1', part], quick)
    await runOrThrow('qemu-img', ['rebase', '-q', '-u', '-f', 'qcow2', '-b', to.image, '-F', 'qcow2', part], quick)
    await runOrThrow('qemu-img', ['bitmap', '--add', part, birthBitmap], quick)
    if (to.owner) await chown(part, to.owner.uid, to.owner.gid)
    return { part, [Symbol.asyncDispose]: remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/** What the header says of other files is believed to the letter, and refused. */
async function checked({ path, format }: SourceDisk): Promise<void> {
  const args = ['info', '--output=json', '-U', '-f', format, path]
  const { code, output } = await runProgram('qemu-img', args, { timeoutMs: qemuImgMs })
  const verdict = imageCheck(code === 0 ? JSON.parse(output) : null, {
    format,
    maxVirtualBytes: Number.MAX_SAFE_INTEGER,
  })
  if (!verdict.accepted) throw new HdcsError(verdict.code, `${path} cannot be taken over. ${verdict.reason}`)
}
