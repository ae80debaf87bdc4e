/** Copies that move no byte: where the file system shares blocks between files (XFS, btrfs), a copy is its metadata. */
import { constants, copyFile, rm } from 'node:fs/promises'

/** A file system that cannot share blocks between these two says so in one of these. */
const unshared = ['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY']

/** @returns false, with nothing left at `to`, where the file system cannot. The copy has the original's mode. */
export async function reflink(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE)
    return true
  } catch (error) {
    await rm(to, { force: true })
    if (unshared.includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}
