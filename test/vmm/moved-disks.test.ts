import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { imagePath, makeDisks, overlayPath, qcow2Header } from '../../vmm/disks.ts'
import { type Folders, foldersMake } from '../../vmm/folders.ts'
import { type DiskExchange, makeMovedDisks } from '../../vmm/moved-disks.ts'
import { imageSpec, installationId, machineSpec } from './wishes.ts'

const never = new AbortController().signal
const machine = machineSpec(1)
const overlay = { machineId: machine.id, incarnation: machine.incarnation }
const qemuIo = (path: string, ...commands: string[]) =>
  execFileSync('qemu-io', ['-f', 'qcow2', ...commands.flatMap(command => ['-c', command]), path], { encoding: 'utf8' })

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'hdcs-moved-'))
})
afterEach(() => rm(root, { recursive: true }))

/** Two storages with the same image, and a line between them. */
async function storages() {
  const meet = Promise.withResolvers<{ sizeBytes: number; content: ReadableStream<Uint8Array> }>()
  const line: DiskExchange = {
    async diskSend(_moveId, sizeBytes, content) {
      const [kept, sent] = content.tee()
      meet.resolve({ sizeBytes, content: sent })
      for await (const _chunk of kept); // all of it was taken
    },
    diskFetch: () => meet.promise,
  }
  const at = async (name: string, exchange: DiskExchange | null = line) => {
    const folders: Folders = await foldersMake(join(root, name), installationId)
    const image = imagePath(folders, imageSpec().id)
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', image, '1M'])
    const disks = makeDisks(folders, null)
    return { folders, image, disks, moved: makeMovedDisks(folders, disks, null, exchange) }
  }
  return { source: await at('source'), target: await at('target'), at }
}

describe('a disk that comes from another host', () => {
  it('on shared storage must be there', async () => {
    const { target } = await storages()
    const arrival = { moveId: 'a', shared: true }
    await expect(target.moved.arrivalPrepare(machine, arrival)).rejects.toMatchObject({ code: 'not_found' })
    await target.disks.overlayMake(machine)
    await target.moved.arrivalPrepare(machine, arrival)
    expect(await readdir(target.folders.overlays)).toHaveLength(1)
  })

  it('is an empty one made for this move; what an earlier visit left is never used, what this move brought never lost', async () => {
    const { target } = await storages()
    const path = overlayPath(target.folders, overlay)
    await target.disks.overlayMake(machine)
    qemuIo(path, 'write -P 1 0 64k')
    await target.moved.arrivalPrepare(machine, { moveId: 'a', shared: false })
    // The guest brings the bitmap of its birth along.
    expect(execFileSync('qemu-img', ['info', path], { encoding: 'utf8' })).not.toContain('birth')
    expect(qemuIo(path, 'read -P 0 0 64k')).not.toContain('failed')
    qemuIo(path, 'write -P 2 0 64k')
    await target.moved.arrivalPrepare(machine, { moveId: 'a', shared: false })
    expect(qemuIo(path, 'read -P 2 0 64k')).not.toContain('failed')
    await target.moved.arrivalPrepare(machine, { moveId: 'b', shared: false })
    expect(qemuIo(path, 'read -P 0 0 64k')).not.toContain('failed')
    await target.disks.overlayRemove(overlay)
    expect(await readdir(target.folders.overlays)).toEqual([])
  })

  it('stopped, arrives byte for byte on the image of its new host, and once', async () => {
    const { source, target } = await storages()
    await source.disks.overlayMake(machine)
    qemuIo(overlayPath(source.folders, overlay), 'write -P 3 128k 64k')
    const percents: number[] = []
    const sending = source.moved.overlaySend(overlay, 'a', percent => percents.push(percent), never)
    await target.moved.overlayFetch(machine, 'a', () => {}, never)
    await sending
    const path = overlayPath(target.folders, overlay)
    expect(qemuIo(path, 'read -P 3 128k 64k')).not.toContain('failed')
    expect(await qcow2Header(path)).toMatchObject({ backing: target.image })
    expect(percents.at(-1)).toBe(100)
    // Asked again, nobody sends: it is there.
    await target.moved.overlayFetch(machine, 'a', () => {}, never)
  })

  it('that breaks off on the way leaves what was there before, and nothing half', async () => {
    const { at } = await storages()
    const broken = async () => ({ sizeBytes: 1_000, content: new Blob([new Uint8Array(10)]).stream() })
    const target = await at('other', { diskSend: async () => {}, diskFetch: broken })
    await target.disks.overlayMake(machine)
    const before = await readFile(overlayPath(target.folders, overlay))
    const fetching = target.moved.overlayFetch(machine, 'a', () => {}, never)
    await expect(fetching).rejects.toMatchObject({ code: 'unreachable' })
    expect(await readFile(overlayPath(target.folders, overlay))).toEqual(before)
    expect(await readdir(target.folders.overlays)).toHaveLength(1)
  })

  it('that is no disk is refused', async () => {
    const { at } = await storages()
    const bytes = new Uint8Array(4_096)
    const nonsense = async () => ({ sizeBytes: bytes.length, content: new Blob([bytes]).stream() })
    const target = await at('other', { diskSend: async () => {}, diskFetch: nonsense })
    const fetching = target.moved.overlayFetch(machine, 'a', () => {}, never)
    await expect(fetching).rejects.toMatchObject({ code: 'invalid' })
    expect(await readdir(target.folders.overlays)).toEqual([])
  })
})
