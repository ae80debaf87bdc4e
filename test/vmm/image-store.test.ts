import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { imagePath, makeDisks } from '../../vmm/disks.ts'
import { type Folders, foldersMake } from '../../vmm/folders.ts'
import type { HostOptions } from '../../vmm/host.ts'
import { copyPath } from '../../vmm/image-copy.ts'
import { type ImageStore, makeImageStore } from '../../vmm/image-store.ts'
import { importUpload } from '../../vmm/upload.ts'
import { imageSpec, installationId, machineSpec } from './wishes.ts'

let root: string
let folders: Folders
let bytes: Uint8Array
let store: ImageStore
const disks = () => makeDisks(folders, null)
const code = (name: string) => expect.objectContaining({ code: name })
const never = new AbortController().signal
const upload = (facts: { sha256?: string; bytesPerSecond?: number } = {}) =>
  imageSpec({
    source: {
      kind: 'upload',
      format: 'raw',
      sizeBytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      bytesPerSecond: null,
      ...facts,
    },
  })

const streamFrom = async (_id: string, fromByte: number) =>
  new Blob([bytes.subarray(fromByte) as Uint8Array<ArrayBuffer>]).stream() as ReadableStream<Uint8Array>
const storeOf = (fetchImage: HostOptions['fetchImage']) =>
  makeImageStore(folders, disks(), importUpload(folders, fetchImage))

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'hdcs-images-'))
  folders = await foldersMake(join(root, 'host'), installationId)
  bytes = new Uint8Array(2 ** 20).fill(7, 0, 4096)
  store = storeOf(streamFrom)
})
afterAll(() => rm(root, { recursive: true }))

describe('an uploaded image', () => {
  it('whose bytes are not those that were uploaded is refused and leaves nothing behind', async () => {
    await expect(store.imageMake(upload({ sha256: '0'.repeat(64) }), () => {}, never)).rejects.toEqual(code('invalid'))
    expect(await readdir(folders.images)).toEqual([])
  })

  it('larger than allowed is refused and leaves nothing behind', async () => {
    const image = { ...upload(), maxVirtualBytes: 1024 }
    await expect(store.imageMake(image, () => {}, never)).rejects.toEqual(code('too_large'))
    expect(await readdir(folders.images)).toEqual([])
  })

  it('is converted, sealed and found, with growing progress', async () => {
    const percents: number[] = []
    const made = await store.imageMake(upload(), percent => percents.push(percent), never)
    expect(percents).toEqual(percents.toSorted((a, b) => a - b))
    expect(made).toMatchObject({ id: imageSpec().id, virtualBytes: bytes.length })
    const path = imagePath(folders, imageSpec().id)
    expect((await stat(path)).mode & 0o777).toBe(0o444)
    expect(made.sha256).toBe(
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex'),
    )
    expect(await store.images()).toEqual([made])
    const raw = join(root, 'back.raw')
    execFileSync('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', path, raw])
    expect(Buffer.compare(await readFile(raw), bytes)).toBe(0)
  })

  it('is made once when the hosts of a storage are asked for it at the same moment', async () => {
    const image = { ...upload(), id: crypto.randomUUID() }
    let fetched = 0
    const hosts = [1, 2].map(() =>
      storeOf((id, fromByte) => {
        fetched++
        return streamFrom(id, fromByte)
      }),
    )
    const [one, other] = await Promise.all(hosts.map(host => host.imageMake(image, () => {}, never)))
    expect(other).toEqual(one)
    expect(fetched).toBe(1)
    await store.imageRemove(image.id)
  })

  it('goes on after a cut where it was, also past a restart of its agent, and leaves nothing but the image', async () => {
    const image = { ...upload(), id: crypto.randomUUID() }
    const asked: number[] = []
    const cutAt = 400_000
    const cut = storeOf(async (_id, fromByte) => {
      asked.push(fromByte)
      return new Blob([bytes.subarray(fromByte, cutAt) as Uint8Array<ArrayBuffer>]).stream()
    })
    await expect(cut.imageMake(image, () => {}, never)).rejects.toEqual(code('unreachable'))
    await store.leftSweep(new Set([image.id]))
    const whole = storeOf((id, fromByte) => {
      asked.push(fromByte)
      return streamFrom(id, fromByte)
    })
    const made = await whole.imageMake(image, () => {}, never)
    expect(asked).toEqual([0, cutAt])
    expect(made).toMatchObject({ virtualBytes: bytes.length })
    const its = async () => (await readdir(folders.images)).filter(name => name.startsWith(image.id))
    expect(await its()).toHaveLength(2)
    // What a killed agent left beside an image that is here, or of one that nobody wishes.
    await writeFile(copyPath(folders, image.id), 'left')
    await store.leftSweep(new Set([image.id]))
    expect(await its()).toHaveLength(2)
    await store.imageRemove(image.id)
  })

  it('leaves nothing of what was called off while its agent was killed, and the rest to the next one', async () => {
    const id = crypto.randomUUID()
    await mkdir(join(folders.images, `${id}.qcow2.making`))
    await writeFile(join(folders.images, `${id}.json`), '{}')
    const its = async () => (await readdir(folders.images)).filter(name => name.startsWith(id))
    await store.leftSweep(new Set([id]))
    expect(await its()).toHaveLength(2)
    await store.leftSweep(new Set())
    expect(await its()).toEqual([])
  })

  it('comes no faster than it may', async () => {
    const image = { ...upload({ bytesPerSecond: 2 ** 20 }), id: crypto.randomUUID() }
    const began = performance.now()
    await store.imageMake(image, () => {}, never)
    // A burst of a quarter of a second comes at once.
    expect(performance.now() - began).toBeGreaterThan(700)
    await store.imageRemove(image.id)
  })

  it('that a desktop stands on cannot be removed', async () => {
    await disks().overlayMake(machineSpec(1))
    await expect(store.imageRemove(imageSpec().id)).rejects.toEqual(code('conflict'))
    await disks().overlayRemove({ machineId: machineSpec(1).id, incarnation: 1 })
    await store.imageRemove(imageSpec().id)
    expect(await readdir(folders.images)).toEqual([])
  })
})
