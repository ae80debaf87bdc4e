/** File systems of our own in files, which the kernel of this machine mounts. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }
export const run = (program: string, ...args: string[]) =>
  execFileSync(program, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

/** Why a file system of this kind cannot be mounted here; null: it can. */
export function mountRefusal(kind: string): string | null {
  if (process.getuid?.() !== 0) return 'only root mounts'
  const known = () => new RegExp(`\\t${kind}$`, 'm').test(readFileSync('/proc/filesystems', 'utf8'))
  if (known()) return null
  try {
    run('modprobe', kind)
  } catch {
    return `this kernel has no ${kind}`
  }
  return known() ? null : `this kernel has no ${kind}`
}

/** Mounted until it is disposed of. @param offset where in the file it begins. */
export function mounted(file: string, offset = 0, options = 'rw'): { folder: string } & Disposable {
  const folder = mkdtempSync(`${file}.mount-`)
  run('mount', '-o', `loop,offset=${offset},${options}`, file, folder)
  return {
    folder,
    [Symbol.dispose]() {
      run('umount', folder)
      rmSync(folder, { recursive: true })
    },
  }
}

/** An empty file system of this size, mounted. */
export function loopDisk(folder: string, kind: string, bytes: number): ReturnType<typeof mounted> {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${kind}.img`)
  diskMake(file, kind, bytes)
  return mounted(file)
}

/** An empty file system of this size in a file, which takes no room before it is written to. */
export function diskMake(file: string, kind: string, bytes: number): void {
  writeFileSync(file, '')
  truncateSync(file, bytes)
  run(`mkfs.${kind}`, '-q', file)
}
