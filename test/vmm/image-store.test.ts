import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { imagePath, makeDisks } from '../../vmm/disks.ts'
import { type Folders, foldersMake } from '../../vmm/folders.ts'
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
const upload = (facts: { sha256?: string } = {}) =>
  imageSpec({
    source: {
      kind: 'upload',
      format: 'raw',
      sizeBytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      ...facts,
    },
  })

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'hdcs-images-'))
  folders = await foldersMake(join(root, 'host'), installationId)
  bytes = new Uint8Array(2 ** 20).fill(7, 0, 4096)
  const fetchImage = async () => new Blob([bytes as Uint8Array<ArrayBuffer>]).stream() as ReadableStream<Uint8Array>
  store = makeImageStore(folders, disks(), importUpload(folders, fetchImage))
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
    const hosts = [1, 2].map(() => {
      const fetchImage = async () => {
        fetched++
        return new Blob([bytes as Uint8Array<ArrayBuffer>]).stream() as ReadableStream<Uint8Array>
      }
      return makeImageStore(folders, disks(), importUpload(folders, fetchImage))
    })
    const [one, other] = await Promise.all(hosts.map(host => host.imageMake(image, () => {}, never)))
    expect(other).toEqual(one)
    expect(fetched).toBe(1)
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
