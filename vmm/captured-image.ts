/** An image made of the disk of a machine that stands still: flattened, and sealed where that is asked for. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { HdcsError } from '../lib/errors.ts'
import { exists, imagePath, overlayPath } from './disks.ts'
import { type Folders, foldersRoom } from './folders.ts'
import type { Progress } from './host.ts'
import { runProgram } from './programs.ts'
import { recipeBuild } from './recipes.ts'
import { diskSeal } from './seal.ts'
import { guestSeal, type SealingHost } from './seal-guest.ts'
import type { ImageSource } from './spec.ts'

/** 500 GiB on a slow disk. Shorter: large machines never become templates; longer: a hung storage holds the host's images. */
const convertMs = 12 * 3_600_000
/** How often a person sees the percentage move. */
const lookMs = 1_000

interface Work {
  folder: string
  out: string
  progress: Progress
  signal: AbortSignal
}

/**
 * @throws HdcsError `not_found` when the disk is not on this storage; `disk_in_use` while the machine runs; `storage_full`;
 *   `template_unavailable` for one that was made before and is gone; as `diskSeal`, `guestSeal`.
 */
export const captureImage =
  (folders: Folders, sealing: SealingHost) =>
  async (source: Extract<ImageSource, { kind: 'desktop' }>, { folder, out, progress, signal }: Work): Promise<void> => {
    // The machine went on since: what its disk holds today is another version.
    if (source.sha256 !== null)
      throw new HdcsError(
        'template_unavailable',
        'The image that was made of the desktop is not on this storage any more. Restore the storage from its backup, or make a new version.',
      )
    const disk = overlayPath(folders, source)
    if (!(await exists(disk)))
      throw new HdcsError(
        'not_found',
        'The desktop’s disk is not on this storage any more: make the version of another one.',
      )
    const bytes = (await allocated(disk)) + (await allocated(imagePath(folders, source.imageId)))
    await foldersRoom(folders, source.seal ? 2 * bytes : bytes)
    const flattened = (to: Disk, share: number) =>
      convert({ path: disk, format: 'qcow2' }, to, signal, written =>
        progress(percent(written, bytes) * share, 'copying its disk'),
      )
    const image: Disk = { path: out, format: 'qcow2' }
    if (!source.seal) return flattened(image, 1)
    const raw: Disk = { path: join(folder, 'disk.raw'), format: 'raw' }
    await flattened(raw, 0.5)
    progress(50, 'taking out what makes it this machine')
    await diskSeal(raw.path, signal, async path => {
      const guest = join(folder, 'sealer.qcow2')
      await recipeBuild(folders, 'sealer', guest, (_, text) => progress(50, text), signal)
      progress(50, 'a guest of its own takes out what makes it this machine')
      return guestSeal(path, { ...sealing, image: guest }, signal)
    })
    await convert(raw, image, signal, written => progress(50 + percent(written, bytes) / 2, 'writing the image'))
  }

export interface Disk {
  path: string
  format: 'raw' | 'qcow2'
}

const percent = (part: number, of: number) => Math.min(97, (part * 100) / Math.max(1, of))
export const allocated = async (path: string) => (await stat(path)).blocks * 512

export async function convert(
  from: Disk,
  to: Disk,
  signal: AbortSignal,
  written: (bytes: number) => void,
): Promise<void> {
  const look = () => allocated(to.path).then(written, () => {}) // qemu-img has not made it yet
  const watch = setInterval(look, lookMs)
  try {
    const formats = ['-f', from.format, '-O', to.format, '-m', '2']
    const behind = ['-n', '10', 'ionice', '-c', '3']
    const args = [...behind, 'qemu-img', 'convert', ...formats, from.path, to.path]
    const { code, errors } = await runProgram('nice', args, { timeoutMs: convertMs, signal, endsWithUs: true })
    if (code !== 0) throw convertError(errors)
  } finally {
    clearInterval(watch)
  }
}

/** QEMU's words, told apart by what it always says of a lock and of a full disk (LC_ALL=C). */
function convertError(errors: string): HdcsError {
  const cause = { cause: errors }
  if (errors.includes('Failed to get'))
    return new HdcsError('disk_in_use', 'The desktop runs: shut it down, then try again.', cause)
  if (errors.includes('No space left on device'))
    return new HdcsError('storage_full', 'The host’s storage is full: free space, then try again.', cause)
  return new HdcsError('internal', `The desktop’s disk cannot be copied: ${errors.split('\n').at(-1)}`, cause)
}
