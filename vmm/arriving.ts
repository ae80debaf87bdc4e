/**
 * A file that comes over a line, byte for byte. What came outlives the agent, so that a line that breaks, a killed agent and
 * another host of the storage go on where it broke off. It is whole when its checksum is the one that was wished.
 */
import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { pause } from '../lib/clock.ts'
import { HdcsError } from '../lib/errors.ts'
import { byteLimit, byteMeter } from './byte-rate.ts'
import { isFull } from './disks.ts'
import { type Folders, foldersRoom } from './folders.ts'
import type { CopyBytes, Progress } from './host.ts'

export interface ArrivingFile {
  /** Lower-case hex of all of it. */
  sha256: string
  sizeBytes: number
  /** Of the line; null: as fast as it goes. */
  bytesPerSecond: number | null
  /** Who has it, in the order to be asked. */
  from: readonly Giver[]
}

export interface Giver {
  /** As people know it: `10.0.0.2:16516`. */
  name: string
  /** @throws HdcsError `unreachable`: the next one is asked; all else ends the try. */
  open(fromByte: number, signal: AbortSignal): Promise<CopyBytes>
}

export interface ArrivalWork {
  /** Where it grows: what is there came before. */
  out: string
  progress: Progress
  signal: AbortSignal
}

/** How often a person sees the figures move. */
const tellMs = 1_000
/** Written out so often. Rarer: the host's memory fills, and all guests wait for the disk at the end; more often: it is slow. */
const syncBytes = 64 * 2 ** 20
const nowMs = () => performance.now()

/** What is there of it, and its checksum so far. */
interface Part {
  file: FileHandle
  have: number
  hash: Hash
}

/**
 * Fetches what is still to come. What came stays when it fails.
 * @returns whether it now is what was wished; false: it has to begin anew.
 * @throws HdcsError `unreachable` when nobody gave all of it: it goes on from there the next time; `storage_full`; `cancelled`.
 */
export async function fileArrive(
  folders: Folders,
  wished: ArrivingFile,
  { out, progress, signal }: ArrivalWork,
): Promise<boolean> {
  const hash = createHash('sha256')
  const have = await hashThere(out, hash, signal, () => progress(0, 'reading what came before'))
  const whole = () => hash.copy().digest('hex') === wished.sha256
  if (have > 0 && whole()) return true
  await foldersRoom(folders, wished.sizeBytes - have)
  await using file = await onDisk(open(out, 'a', 0o600))
  const part: Part = { file, have, hash }
  let trouble = new HdcsError('unreachable', 'No host that has the image serves it now.')
  for (const giver of wished.from)
    try {
      using served = await giver.open(part.have, signal)
      if (served.sha256 !== wished.sha256)
        throw new HdcsError('unreachable', `What ${giver.name} has under this name is another image.`)
      await foldersRoom(folders, served.sizeBytes - part.have)
      await receive(served, part, wished.bytesPerSecond, { progress, signal })
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
  { progress, signal }: Omit<ArrivalWork, 'out'>,
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
