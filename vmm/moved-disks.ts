/**
 * Disks on their way between hosts that share no storage. Beside an overlay that came or comes with a move lies a note of
 * which (`<machine>.<incarnation>.move`): what an earlier visit of the machine left here is older and must never be used.
 */
import { chown, open, readFile, rm, stat } from 'node:fs/promises'
import { HdcsError } from '../lib/errors.ts'
import { birthBitmap, type DiskOwner, type Disks, exists, imagePath, overlayPath, qcow2Header } from './disks.ts'
import { type Folders, fileCommit, fileWrite, foldersRoom, partOf } from './folders.ts'
import type { FoundOverlay, Host, Progress } from './host.ts'
import { runOrThrow } from './programs.ts'

/** How a stopped disk gets from one host to the other; the agent supplies it (it has the address and the key). */
export interface DiskExchange {
  /** Resolves when the other side has taken all of it; also when it had before. */
  diskSend(moveId: string, sizeBytes: number, content: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<void>
  /** Waits for the other side to send. */
  diskFetch(moveId: string, signal: AbortSignal): Promise<{ sizeBytes: number; content: ReadableStream<Uint8Array> }>
}

/** qemu-img works for milliseconds; this is for a storage that hangs. */
const qemuImgMs = 30_000

export const movePath = (folders: Folders, overlay: FoundOverlay) =>
  overlayPath(folders, overlay).replace(/\.qcow2$/, '.move')

export function makeMovedDisks(
  folders: Folders,
  disks: Pick<Disks, 'overlayMake' | 'overlayRemove'>,
  owner: DiskOwner | null,
  exchange: DiskExchange | null,
): Pick<Host, 'arrivalPrepare' | 'overlaySend' | 'overlayFetch'> {
  const noteOf = (overlay: FoundOverlay) => readFile(movePath(folders, overlay), 'utf8').catch(() => null) // none yet
  const noteWrite = (overlay: FoundOverlay, moveId: string) =>
    fileWrite(movePath(folders, overlay), new TextEncoder().encode(moveId))
  const needed = (): DiskExchange => {
    if (exchange) return exchange
    throw new HdcsError('unsupported', 'This host cannot exchange disks with others.')
  }

  return {
    async arrivalPrepare(machine, { moveId, shared }) {
      const overlay = { machineId: machine.id, incarnation: machine.incarnation }
      const there = await exists(overlayPath(folders, overlay))
      if (shared && !there)
        throw new HdcsError(
          'not_found',
          'The desktop’s disk is not on this host’s storage: look whether it is mounted.',
        )
      if (shared) return
      if (there && (await noteOf(overlay)) === moveId) return
      // The note comes last: killed in between, the next call begins anew.
      await disks.overlayRemove(overlay)
      await disks.overlayMake(machine)
      // The guest brings its own, with all that was marked since its birth; QEMU takes no second one of that name.
      const path = overlayPath(folders, overlay)
      await runOrThrow('qemu-img', ['bitmap', '--remove', path, birthBitmap], { timeoutMs: qemuImgMs })
      await noteWrite(overlay, moveId)
    },

    async overlaySend(overlay, moveId, progress, signal) {
      const path = overlayPath(folders, overlay)
      if (!(await exists(path))) throw new HdcsError('not_found', 'The machine’s disk is not there.')
      const { size } = await stat(path)
      await using file = await open(path, 'r')
      const content = file.readableWebStream() as ReadableStream<Uint8Array>
      await needed().diskSend(moveId, size, counted(content, size, 'sending its disk', progress), signal)
    },

    async overlayFetch({ id, incarnation, imageId }, moveId, progress, signal) {
      const overlay = { machineId: id, incarnation }
      const path = overlayPath(folders, overlay)
      if ((await noteOf(overlay)) === moveId && (await exists(path))) return
      const { sizeBytes, content } = await needed().diskFetch(moveId, signal)
      await foldersRoom(folders, sizeBytes)
      const part = partOf(path)
      try {
        await receive(part, counted(content, sizeBytes, 'fetching its disk', progress), sizeBytes, signal)
        const { backing } = await qcow2Header(part)
        // Where the image lies here, not where it lay there.
        const image = imagePath(folders, imageId)
        if (!(await exists(image))) throw new HdcsError('not_found', 'The template’s image is not on this host.')
        // One that stands on nothing (clones.ts) would show the image wherever it holds zeros.
        if (backing !== null)
          await runOrThrow('qemu-img', ['rebase', '-q', '-u', '-f', 'qcow2', '-b', image, '-F', 'qcow2', part], {
            timeoutMs: qemuImgMs,
          })
        if (owner) await chown(part, owner.uid, owner.gid)
        // The old goes first, and with it its note: a note always speaks of the disk beside it.
        await disks.overlayRemove(overlay)
        await fileCommit(part, path)
        await noteWrite(overlay, moveId)
      } finally {
        await rm(part, { force: true })
      }
    },
  }
}

function counted(
  content: ReadableStream<Uint8Array>,
  sizeBytes: number,
  text: string,
  progress: Progress,
): ReadableStream<Uint8Array> {
  let passed = 0
  let told = -1
  const count = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      passed += chunk.byteLength
      const percent = Math.floor((passed * 100) / Math.max(1, sizeBytes))
      if (percent !== told) progress(percent, text)
      told = percent
      controller.enqueue(chunk)
    },
  })
  return content.pipeThrough(count)
}

async function receive(
  path: string,
  content: ReadableStream<Uint8Array>,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<void> {
  await using file = await open(path, 'wx', 0o600)
  let received = 0
  for await (const chunk of content) {
    if (signal.aborted) throw new HdcsError('cancelled', 'The move was cancelled.')
    received += chunk.length
    if (received > sizeBytes) throw new HdcsError('invalid', 'More of the disk came than there is.')
    await file.write(chunk)
  }
  if (received !== sizeBytes)
    throw new HdcsError('unreachable', 'The disk’s bytes ended too early: it is fetched again.')
}
