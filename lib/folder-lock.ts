/**
 * One process per folder. The lock is the kernel's own (flock(2)), taken by util-linux's `flock` on a file that we
 * hold open: it belongs to the open file, so it stays with us when that program has ended, and is gone with us however
 * we end. A file with our pid in it would outlive `kill -9` and mistake a stranger with that pid for us; a socket's name
 * is another one in every container. Needs nothing removed: the file stays, the lock does not.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { HdcsError } from './errors.ts'

/** What `flock -n` ends with when somebody else has it. */
const heldByAnother = 1

/**
 * Makes the folder, if it must, and keeps it for this process until disposed. Programs we start do not inherit it.
 * @throws HdcsError `conflict` naming the process that has it; `invalid` when this is no folder we can write in.
 */
export function lockFolder(folder: string): Disposable {
  const file = join(folder, 'lock')
  const opened = openLock(folder, file)
  try {
    const { status, error } = spawnSync('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', opened] })
    if (status === heldByAnother) throw inUse(folder, file)
    if (status !== 0)
      throw new HdcsError('unsupported', `${folder} cannot be locked: flock (util-linux) is missing or fails there.`, {
        cause: error ?? `flock ended with ${status}`,
      })
    ftruncateSync(opened)
    writeSync(opened, `${process.pid}\n`, 0)
  } catch (error) {
    closeSync(opened)
    throw error
  }
  let held = true
  return {
    [Symbol.dispose]() {
      // Twice would close whatever has this number by then.
      if (held) closeSync(opened)
      held = false
    },
  }
}

function openLock(folder: string, file: string): number {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o711 })
    // Appending: opening must not empty what the holder wrote.
    return openSync(file, 'a', 0o600)
  } catch (cause) {
    const reason = reasons[(cause as NodeJS.ErrnoException).code ?? ''] ?? (cause as Error).message
    const text = `${folder} cannot hold our data: ${reason}. Set HDCS_DATA_DIR to a folder that this user can write in.`
    throw new HdcsError('invalid', text, { cause })
  }
}

const reasons: Record<string, string> = {
  EEXIST: 'it is not a folder',
  ENOTDIR: 'it is not a folder',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'it is read-only',
  ENOSPC: 'the disk is full',
}

function inUse(folder: string, file: string): HdcsError {
  // Empty for the moment between its lock and its writing.
  const pid = readFileSync(file, 'utf8').trim()
  const who = /^\d+$/.test(pid) ? `process ${pid}` : 'another process'
  return new HdcsError('conflict', `${folder} is in use by ${who}: end it, or set HDCS_DATA_DIR.`)
}
