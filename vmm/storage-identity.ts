/**
 * Which storage a host works on. Hosts that read the same identity in their folder share it. A folder whose storage is not
 * mounted looks like an empty storage: so a host keeps in its own folder which one it knows, and works on no other.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HdcsError } from '../lib/errors.ts'
import { fileWrite } from './folders.ts'

export interface Storage {
  id: string
  /** @throws HdcsError `unreachable` while the folder is not this storage's. */
  check(): Promise<void>
}

const read = async (file: string) => (await readFile(file, 'utf8').catch(() => null))?.trim() ?? null // not made yet
const identityOf = (root: string) => join(root, 'storage-id')

/**
 * The storage that this host knows, mounted or not; null for a host that knows none yet.
 * @param note where it is kept; null: nowhere.
 */
export async function storageKnown(root: string, note: string | null): Promise<Storage | null> {
  const id = note && (await read(note))
  return id ? storageOf(root, id, note) : null
}

/** Marks the folder when no other host has, and keeps which storage it is. */
export async function storageMeet(root: string, note: string | null): Promise<Storage> {
  const id = await storageIdentity(root)
  if (note) {
    await mkdir(dirname(note), { recursive: true })
    await fileWrite(note, new TextEncoder().encode(id))
  }
  return storageOf(root, id, note)
}

/** The storage in this folder: the one that is known, else what is met there. @throws HdcsError `unreachable` for any other. */
export async function storageHere(root: string, note: string | null): Promise<string> {
  const known = await storageKnown(root, note)
  if (!known) return (await storageMeet(root, note)).id
  await known.check()
  return known.id
}

function storageOf(root: string, id: string, note: string | null): Storage {
  return {
    id,
    async check() {
      const seen = await read(identityOf(root))
      if (seen === id) return
      const what = seen === null ? 'bears no mark of a storage' : `is the storage ${seen}`
      const wayOut = note ? ` If it was replaced for good, remove ${note} and start the agent again.` : ''
      const text = `The storage of ${root} is not mounted: it ${what}, and this host works on the storage ${id} there. Mount it.${wayOut}`
      throw new HdcsError('unreachable', text)
    },
  }
}

/** Of two hosts that make it at the same moment one wins, because the file is linked into place and never replaced. */
async function storageIdentity(root: string): Promise<string> {
  const file = identityOf(root)
  const known = await read(file)
  if (known) return known
  const part = `${file}.${randomBytes(8).toString('hex')}.part`
  await writeFile(part, randomUUID())
  await link(part, file).catch(error => {
    if (error.code !== 'EEXIST') throw error // another host was first: its word counts
  })
  await rm(part)
  return (await readFile(file, 'utf8')).trim()
}
