/**
 * An image from outside becomes a sealed qcow2 of ours: checked, rewritten block by block (the uploaded file itself is
 * never adopted: what its header claims later does not matter then), checked again, read-only. qemu-img runs without a
 * shell, with bounds on memory, processor time and file size, behind everything else that wants the disk.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, open, rm, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { HdcsError } from '../lib/errors.ts'
import type { Progress } from './host.ts'
import { type ImageFormat, imageCheck, isoMarkAt, isoMarked } from './image-check.ts'
import { type ProgramResult, runProgram } from './programs.ts'

export interface ImageConversion {
  /** An uploaded file; nobody writes to it any more. */
  source: string
  /** Made new, sealed (0444); does not exist after any failure. */
  target: string
  format: ImageFormat
  maxVirtualBytes: number
  signal: AbortSignal
  progress: Progress
}

export interface ConvertedImage {
  virtualBytes: number
  storedBytes: number
  /** Of the sealed file. */
  sha256: string
  notes: string[]
}

const mib = 2 ** 20
const gib = 2 ** 30
/** Reading a header takes milliseconds; an image that needs longer was made to. */
const infoMs = 20_000
/**
 * Address space, most of it only reserved: each of qemu-img's up to 64 threads takes a stack, and with a heap of its own
 * 64 MiB more, so that honest images would fail at random: they share one heap and have small stacks.
 */
const memoryBytes = gib
const stackBytes = mib
const oneHeap = { MALLOC_ARENA_MAX: '1' }
/** 0.6 s for 200 GiB fully mapped; a table made to be slow must not hold the host's queue for ever. */
const checkMs = 10 * 60_000
/** How often a person sees the percentage move. */
const lookMs = 1000

/** Compressed formats need about 10 s of processor and 30 s of a slow disk per GiB: too little refuses honest images. */
export function convertLimits(sourceBytes: number, maxVirtualBytes: number) {
  const sourceGib = Math.ceil(sourceBytes / gib)
  return {
    cpuSeconds: 120 + 60 * sourceGib,
    timeoutMs: 10 * 60_000 + 3 * 60_000 * sourceGib,
    // qcow2's own tables take a thousandth; a file that grows beyond was lied about.
    fileBytes: maxVirtualBytes + Math.ceil(maxVirtualBytes / 64) + 64 * mib,
  }
}

/** `qemu-img` under limits. */
export function qemuImg(
  { cpuSeconds, fileBytes }: { cpuSeconds: number; fileBytes: number },
  args: string[],
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<ProgramResult> {
  const space = [`--as=${memoryBytes}`, `--stack=${stackBytes}`]
  const prlimit = [...space, `--cpu=${cpuSeconds}`, `--fsize=${fileBytes}`, '--core=0']
  const behind = ['-n', '10', 'ionice', '-c', '3', 'prlimit', ...prlimit, '--', 'qemu-img', ...args]
  return runProgram('nice', behind, { ...options, env: oneHeap, endsWithUs: true })
}

/**
 * Checks an uploaded file without converting it.
 * @throws HdcsError `invalid`, `unsupported`, `too_large` with what to do about it
 */
export async function imageInspect(
  source: string,
  format: ImageFormat,
  maxVirtualBytes: number,
  signal: AbortSignal,
): Promise<{ virtualBytes: number; notes: string[] }> {
  // An absolute name is never taken for a protocol (`nbd:…`, `json:…`). Probing is safe here: no guest wrote this file.
  const ask = ['info', '--output=json', resolve(source)]
  const result = await qemuImg({ cpuSeconds: 30, fileBytes: 0 }, ask, { timeoutMs: infoMs, signal })
  const verdict = imageCheck(result.code === 0 ? parsed(result.output) : null, { format, maxVirtualBytes })
  if (!verdict.accepted) throw new HdcsError(verdict.code, verdict.reason, { cause: result.errors })
  if (format === 'iso' && !isoMarked(await bytesAt(source, isoMarkAt, 5)))
    throw new HdcsError('invalid', 'The file is no ISO 9660 image.')
  return { virtualBytes: verdict.virtualBytes, notes: verdict.notes }
}

/**
 * Converts, checks, seals. An ISO becomes a disk too (its bytes at the start of a raw disk, in qcow2): firmware boots
 * hybrid ISOs from it.
 * @throws HdcsError as {@link imageInspect}; `storage_full`; `invalid` when it cannot be read to its end; `timeout`; `cancelled`
 */
export async function imageConvert(conversion: ImageConversion): Promise<ConvertedImage> {
  const { source, target, format, maxVirtualBytes, signal, progress } = conversion
  progress(0, 'checking the image')
  const { virtualBytes, notes } = await imageInspect(source, format, maxVirtualBytes, signal)
  const from = format === 'iso' ? 'raw' : format
  await imageSound(resolve(source), from, 'The image is damaged or was cut off. Check it where it was made.', signal)
  const { size: sourceBytes } = await stat(source)
  const limits = convertLimits(sourceBytes, maxVirtualBytes)
  const path = resolve(target)
  try {
    progress(5, 'converting the image')
    const watch = setInterval(() => void share(path, sourceBytes, progress), lookMs)
    try {
      const convert = ['convert', '-f', from, '-O', 'qcow2', '-m', '2', resolve(source), path]
      const result = await qemuImg(limits, convert, { timeoutMs: limits.timeoutMs, signal })
      if (result.code !== 0) throw conversionError(result.errors)
    } finally {
      clearInterval(watch)
    }
    progress(85, 'checking the result')
    const madeBytes = await imageProve(path, virtualBytes, signal)
    await chmod(path, 0o444)
    progress(90, 'taking its checksum')
    const sha256 = await fileSha256(path, signal)
    const { blocks } = await stat(path)
    progress(100, 'sealed')
    return { virtualBytes: madeBytes, storedBytes: blocks * 512, sha256, notes }
  } catch (error) {
    await rm(path, { force: true })
    throw error
  }
}

/**
 * The way out: a sealed image in a format of others, under the same limits. Nothing is left of one that fails.
 * @param share is told how many bytes are written.
 * @throws HdcsError `storage_full`, `timeout`, `cancelled`, `invalid`.
 */
export async function convertOut(out: {
  path: string
  target: string
  format: 'raw' | 'vmdk'
  options: string[]
  virtualBytes: number
  share: (writtenBytes: number) => void
  signal: AbortSignal
}): Promise<void> {
  const { path, target, format, options, virtualBytes, share, signal } = out
  const limits = convertLimits(virtualBytes, virtualBytes)
  const look = () =>
    stat(target).then(
      ({ blocks }) => share(blocks * 512),
      () => {}, // qemu-img has not made it yet
    )
  const watch = setInterval(look, lookMs)
  try {
    const convert = ['convert', '-f', 'qcow2', '-O', format, ...options, '-m', '2', path, target]
    const { code, errors } = await qemuImg(limits, convert, { timeoutMs: limits.timeoutMs, signal })
    if (code !== 0) throw conversionError(errors)
  } catch (error) {
    await rm(target, { force: true })
    throw error
  } finally {
    clearInterval(watch)
  }
}

/** What `qemu-img check` answers for a file that can be taken: no errors, only leaks, a format without a check. */
const soundCodes = [0, 3, 63]

/** @throws HdcsError `invalid` when the tables inside the image contradict each other or point behind its end */
async function imageSound(path: string, format: string, text: string, signal: AbortSignal): Promise<void> {
  const check = ['check', '-q', '-f', format, path]
  const checked = await qemuImg({ cpuSeconds: 300, fileBytes: 0 }, check, { timeoutMs: checkMs, signal })
  if (!soundCodes.includes(checked.code ?? -1)) throw new HdcsError('invalid', text, { cause: checked.errors })
}

/** The result is a whole qcow2 that stands on nothing; its virtual size. @throws HdcsError `invalid` */
async function imageProve(path: string, virtualBytes: number, signal: AbortSignal): Promise<number> {
  await imageSound(path, 'qcow2', 'The converted image is damaged.', signal)
  const { virtualBytes: made } = await imageInspect(path, 'qcow2', Number.MAX_SAFE_INTEGER, signal)
  // Some formats round their size up to whole cylinders, none down.
  if (made < virtualBytes) throw new HdcsError('invalid', 'The converted image is shorter than the original.')
  return made
}

/** QEMU's words, told apart by the system's own error texts (LC_ALL=C); nothing else names the cause. */
function conversionError(errors: string): HdcsError {
  const cause = { cause: errors }
  if (errors.includes('No space left on device'))
    return new HdcsError('storage_full', 'The host’s storage is full: free space or import a smaller image.', cause)
  if (errors.includes('File too large'))
    return new HdcsError('too_large', 'The image holds more than it may: allow a larger disk or shrink it.', cause)
  if (/Resource temporarily unavailable|Cannot allocate memory/.test(errors))
    return new HdcsError('internal', 'The host had no memory or threads left for the conversion: try again.', cause)
  return new HdcsError('invalid', 'The image cannot be read to its end: it is damaged or was cut off.', cause)
}

/** Roughly how far: what is written of what was uploaded. */
async function share(path: string, sourceBytes: number, progress: Progress): Promise<void> {
  const found = await stat(path).catch(() => null) // qemu-img has not made it yet
  if (found)
    progress(5 + Math.min(79, Math.floor((found.blocks * 512 * 80) / Math.max(1, sourceBytes))), 'converting the image')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null // a cut answer is as good as none: imageCheck refuses it
  }
}

async function bytesAt(path: string, position: number, length: number): Promise<Uint8Array> {
  await using file = await open(path, 'r')
  const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, position)
  return buffer.subarray(0, bytesRead)
}

/** @throws HdcsError `cancelled` */
export async function fileSha256(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: mib })) {
    if (signal.aborted) throw new HdcsError('cancelled', 'The import was cancelled.')
    hash.update(chunk as Buffer)
  }
  return hash.digest('hex')
}
