/**
 * A sealed image of another host, byte for byte. What came lies beside the image's place (`<id>.qcow2.copy`) and outlives
 * the agent, so that a line that breaks, a killed agent and another host of the storage go on where it broke off. It gets
 * the image's name only when its checksum is the one that was wished.
 */
import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open, readdir, rm, stat } from 'node:fs/promises'
import { pause } from '../lib/clock.ts'
import { HdcsError } from '../lib/errors.ts'
import { byteLimit, byteMeter } from './byte-rate.ts'
import { imagePath, isFull } from './disks.ts'
import { type Folders, foldersRoom } from './folders.ts'
import type { CopyBytes, HostOptions, Progress } from './host.ts'
import type { ImageSource } from './spec.ts'

type Copy = Extract<ImageSource, { kind: 'copy' }>

interface CopyWork {
  /** Where it grows: what is there came before. */
  out: string
  progress: Progress
  signal: AbortSignal
}

/** How often a person sees the figures move. */
const tellMs = 1_000
/** Written out so often. Rarer: the host's memory fills, and all guests wait for the disk at the end; more often: it is slow. */
const syncBytes = 64 * 2 ** 20
const copyName = /^(?<id>[0-9a-f-]{36})\.qcow2\.copy$/
const nowMs = () => performance.now()

export const copyPath = (folders: Folders, imageId: string) => `${imagePath(folders, imageId)}.copy`

/** Images of which something came and that are not wished any more. */
export async function copiesUnwished(folders: Folders, wished: ReadonlySet<string>): Promise<string[]> {
  const ids = (await readdir(folders.images)).flatMap(name => copyName.exec(name)?.groups?.id ?? [])
  return ids.filter(id => !wished.has(id))
}

/**
 * Fetches what is still to come. What came stays when it fails, except when it cannot be the image.
 * @throws HdcsError `unreachable` when nobody gave all of it: it goes on from there the next time; `storage_full`;
 *   `cancelled`; `unsupported` on a host without a certificate; `invalid` when the checksum was wrong twice.
 */
export const copyImage =
  (folders: Folders, fetchCopy: HostOptions['fetchCopy']) =>
  async (source: Copy, work: CopyWork): Promise<void> => {
    if (!fetchCopy)
      throw new HdcsError(
        'unsupported',
        'This host has no certificate of the installation: no other host sends it images.',
      )
    // What came may be damaged, or one of the hosts may be: once more from the beginning, from another one if there is one.
    const [first, ...others] = source.urls
    for (const urls of [source.urls, first === undefined ? [] : [...others, first]]) {
      if (await complete(folders, fetchCopy, { ...source, urls }, work)) return
      await rm(work.out, { force: true })
    }
    throw new HdcsError(
      'invalid',
      'The image’s checksum is not the one it was made with, twice: look at the storage of the host it comes from.',
    )
  }

/** What is there of it, and its checksum so far. */
interface Part {
  file: FileHandle
  have: number
  hash: Hash
}

/** @returns whether it now is what was wished. */
async function complete(
  folders: Folders,
  fetchCopy: NonNullable<HostOptions['fetchCopy']>,
  source: Copy,
  { out, progress, signal }: CopyWork,
): Promise<boolean> {
  const hash = createHash('sha256')
  const have = await hashThere(out, hash, signal, () => progress(0, 'reading what came before'))
  const whole = () => hash.copy().digest('hex') === source.sha256
  if (have > 0 && whole()) return true
  await foldersRoom(folders, source.sizeBytes - have)
  await using file = await onDisk(open(out, 'a', 0o600))
  const part: Part = { file, have, hash }
  let trouble = new HdcsError('unreachable', 'No host that has the image serves it now.')
  for (const url of source.urls)
    try {
      using served = await fetchCopy(url, part.have, signal)
      if (served.sha256 !== source.sha256)
        throw new HdcsError('unreachable', `What ${new URL(url).host} has under this name is another image.`)
      await foldersRoom(folders, served.sizeBytes - part.have)
      await receive(served, part, source.bytesPerSecond, { progress, signal })
      return whole()
    } catch (thrown) {
      trouble = brokenOff(thrown, signal)
      if (trouble.code !== 'unreachable') throw trouble
    }
  throw trouble
}

/** All that comes, to its end. */
async function receive(
  { bytes: line, sizeBytes }: CopyBytes,
  part: Part,
  bytesPerSecond: number | null,
  { progress, signal }: Omit<CopyWork, 'out'>,
): Promise<void> {
  const limit = bytesPerSecond === null ? null : byteLimit(bytesPerSecond, nowMs())
  const meter = byteMeter(tellMs, nowMs())
  const tell = (text: string) => progress(Math.min(98, Math.floor((part.have * 98) / Math.max(1, sizeBytes))), text)
  let unsynced = 0
  let syncing = Promise.resolve()
  tell('copying')
  try {
    for await (const piece of line) {
      if (signal.aborted) throw cancelled()
      const writing = onDisk(part.file.write(piece))
      part.hash.update(piece)
      const { bytesWritten } = await writing
      if (bytesWritten !== piece.length) throw full()
      part.have += bytesWritten
      unsynced += bytesWritten
      const rate = meter.took(bytesWritten, nowMs())
      if (rate !== null) tell(`copying, ${rate.toFixed(1)} MiB/s`)
      if (unsynced >= syncBytes) {
        await syncing
        syncing = onDisk(part.file.datasync())
        syncing.catch(() => {}) // awaited at the next turn, or at the end
        unsynced = 0
      }
      if (limit) await pause(limit.took(bytesWritten, nowMs()), signal)
    }
  } finally {
    await syncing
  }
  if (part.have < sizeBytes) throw new HdcsError('unreachable', 'The line ended before the image did.')
}

/** What came before, into the hash. @returns its length, 0 when nothing did. */
async function hashThere(path: string, hash: Hash, signal: AbortSignal, begins: () => void): Promise<number> {
  const found = await stat(path).catch(() => null) // nothing came yet
  if (!found) return 0
  begins()
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) {
    if (signal.aborted) throw cancelled()
    hash.update(chunk as Buffer)
  }
  return found.size
}

const cancelled = () => new HdcsError('cancelled', 'The image is not wished any more.')
const full = (cause?: unknown) =>
  new HdcsError('storage_full', 'The host’s storage is full: free space on it.', { cause })

/** @throws HdcsError what the disk says. */
async function onDisk<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    if (isFull(cause)) throw full(cause)
    throw new HdcsError('internal', 'The host’s storage does not take the image; the agent’s log says why.', { cause })
  }
}

/** A line breaks in many ways, and all of them pass. */
function brokenOff(thrown: unknown, signal: AbortSignal): HdcsError {
  if (signal.aborted) return cancelled()
  if (thrown instanceof HdcsError) return thrown
  return new HdcsError('unreachable', 'The line to the host that has the image broke.', { cause: thrown })
}
