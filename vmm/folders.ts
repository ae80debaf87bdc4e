/**
 * A host's files: `images/<image>.qcow2` (sealed) with `<image>.json` beside it, `overlays/<machine>.<incarnation>.qcow2`,
 * `machines/` (notes), `cache/`. What came of an image of another host is `images/<image>.qcow2.copy` until all did (image-copy.ts). A file under its final name is whole: it is written under another name (`….part`), synced and renamed.
 */
import { createHash, randomBytes } from 'node:crypto'
import { chmod, mkdir, open, readdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { storageKeptBytes } from '../lib/capacity.ts'
import { HdcsError } from '../lib/errors.ts'
import { sizeText } from '../lib/sizes.ts'

export interface Folders {
  root: string
  images: string
  overlays: string
  /** Notes for people (machine-notes.ts), made with the first of them. */
  machines: string
  cache: string
}

/**
 * What this process makes is named after the host and the process: a sweep leaves it, and takes what earlier processes of
 * this host left. On shared storage other hosts are at work too.
 */
const hostTag = createHash('sha256').update(hostname()).digest('hex').slice(0, 8)
const ourTag = `${hostTag}-${randomBytes(4).toString('hex')}`
const partName = /\.(?<host>[0-9a-f]{8})-[0-9a-f]{8}-[0-9a-f]{8}\.part$/
/** Of a host that never came back. Shorter: an import of a large image on a slow line is taken away under its maker. */
const strangersPartMs = 24 * 3_600_000

export const foldersOf = (root: string, cache = join(root, 'cache')): Folders => ({
  root,
  images: join(root, 'images'),
  overlays: join(root, 'overlays'),
  machines: join(root, 'machines'),
  cache,
})

/**
 * Makes the folders, enterable but not readable for QEMU's user, and marks them as this installation's.
 * @param cache is the host's own where `root` is shared: whether guests run on KVM is not the same on all.
 * @throws HdcsError `conflict` when they are another's.
 */
export async function foldersMake(root: string, installationId: string, cache?: string): Promise<Folders> {
  const folders = foldersOf(root, cache)
  const { images, overlays } = folders
  for (const folder of [root, images, overlays, folders.cache]) await mkdir(folder, { recursive: true })
  for (const folder of [root, images, overlays]) await chmod(folder, 0o711)
  const mark = join(root, 'installation')
  const owner = await readFile(mark, 'utf8').catch(() => null) // not marked yet
  if (owner === null) await fileWrite(mark, new TextEncoder().encode(installationId))
  else if (owner !== installationId)
    throw new HdcsError('conflict', `${root} holds the desktops of another HDCS installation: choose another folder.`)
  return folders
}

/** @throws HdcsError `invalid` naming the folder on the way that QEMU's user cannot enter. */
export async function foldersReachable(root: string): Promise<void> {
  for (let folder = root; ; folder = dirname(folder)) {
    const { mode } = await stat(folder)
    if ((mode & 0o001) === 0) {
      const text = `QEMU's user cannot enter ${folder}. Put the data folder elsewhere, or allow it: chmod o+x ${folder}`
      throw new HdcsError('invalid', text)
    }
    if (folder === dirname(folder)) return
  }
}

/** Removes what work of an earlier process of this host left half made, and what nobody has touched for a day. */
export async function foldersSweep(folders: Folders): Promise<void> {
  const { root, images, overlays, machines } = folders
  for (const folder of [root, images, overlays, machines])
    for (const name of await readdir(folder).catch(noneYet)) {
      const path = join(folder, name)
      if (name.endsWith('.part') && (await isLeftOver(path))) await rm(path, { recursive: true, force: true })
    }
}

const noneYet = (error: NodeJS.ErrnoException): string[] => {
  if (error.code === 'ENOENT') return []
  throw error
}

async function isLeftOver(path: string): Promise<boolean> {
  if (path.includes(`.${ourTag}-`)) return false
  if (partName.exec(path)?.groups?.host === hostTag) return true
  const made = await stat(path).catch(() => null) // finished or removed by its maker in this moment
  return made !== null && Date.now() - made.mtimeMs > strangersPartMs
}

/** @throws HdcsError `storage_full` when so many more bytes would go into the reserve. */
export async function foldersRoom(folders: Folders, neededBytes: number): Promise<void> {
  const { totalBytes, freeBytes } = await foldersSpace(folders.root)
  const kept = storageKeptBytes(totalBytes)
  if (freeBytes - neededBytes >= kept) return
  const text = `The storage is full: ${sizeText(freeBytes)} of ${sizeText(totalBytes)} are free and ${sizeText(kept)} are kept for running desktops. Remove desktops or templates, or enlarge ${folders.root}.`
  throw new HdcsError('storage_full', text)
}

/**
 * What a guest that was paused for want of room needs to go on with. Lower: it goes on for a moment, and is paused again;
 * higher: room was made, and it still stands.
 */
const roomToGoOnBytes = 64 * 2 ** 20

/** @throws HdcsError `storage_full` naming the folder without room. */
export async function roomToGoOn(roots: readonly string[]): Promise<void> {
  for (const root of roots) {
    const { freeBytes } = await foldersSpace(root)
    if (freeBytes >= roomToGoOnBytes) continue
    const text = `The desktop was paused because its storage is full, and nothing of it is lost: make room in ${root} on its host, and it goes on by itself.`
    throw new HdcsError('storage_full', text)
  }
}

export async function foldersSpace(root: string): Promise<{ totalBytes: number; freeBytes: number }> {
  const { bsize, blocks, bavail } = await statfs(root)
  return { totalBytes: bsize * blocks, freeBytes: bsize * bavail }
}

/** A name beside `path` that no other work uses. */
export const partOf = (path: string) => `${path}.${ourTag}-${randomBytes(4).toString('hex')}.part`

/** Gives a finished part its name: synced before, so that a power cut leaves either nothing or the whole file. */
export async function fileCommit(part: string, path: string): Promise<void> {
  await sync(part)
  await rename(part, path)
  await sync(dirname(path))
}

export async function fileWrite(path: string, bytes: Uint8Array, mode = 0o644): Promise<void> {
  const part = partOf(path)
  try {
    await using file = await open(part, 'w', mode)
    await file.writeFile(bytes)
    await fileCommit(part, path)
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
}

async function sync(path: string): Promise<void> {
  await using file = await open(path, 'r')
  await file.sync()
}
