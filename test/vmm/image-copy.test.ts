import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openAuthority } from '../../auth/authority.ts'
import { newId } from '../../lib/ids.ts'
import { imagePath } from '../../vmm/disks.ts'
import { type Folders, foldersSweep } from '../../vmm/folders.ts'
import type { FoundImage } from '../../vmm/host.ts'
import { copyPath } from '../../vmm/image-copy.ts'
import { copyFetcher } from '../../vmm/image-fetch.ts'
import type { ImageStore } from '../../vmm/image-store.ts'
import {
  cable,
  copyingHost,
  copySpec,
  imageBytes,
  imagePut,
  type ServingHost,
  servingHost,
  sha256Of,
} from './image-hosts.ts'

const mib = 2 ** 20
const root = mkdtempSync(join(tmpdir(), 'hdcs-copying-'))
const bytes = imageBytes(8 * mib)
const never = new AbortController().signal
const silent = () => {}
/** Handshakes, heads, and what TLS adds to each 16 KiB. */
const besidesBytes = 64 * 2 ** 10
let source: ServingHost
let folder: string
let folders: Folders
let store: ImageStore
let image: FoundImage

beforeAll(async () => {
  source = await servingHost(join(root, 'source'), await openAuthority(join(root, 'authority'), 'ours'))
})
afterAll(async () => {
  await source.server[Symbol.asyncDispose]()
  rmSync(root, { recursive: true })
})
beforeEach(async () => {
  folder = mkdtempSync(join(root, 'host-'))
  ;({ folders, store } = await copyingHost(folder, copyFetcher(source.stateFolder)))
  image = await imagePut(source.folders, newId(), bytes)
  source.logged.length = 0
})

const copied = async () => (await readFile(imagePath(folders, image.id))).equals(bytes)
const came = async () => (await stat(copyPath(folders, image.id))).size
const left = () => readdir(folders.images)
/** From which byte on the host that has it sent, each time. */
const began = () => expect.poll(() => source.logged.map(({ from }) => from))

describe('an image of another host', () => {
  it('is sealed here as it is there, byte for byte', async () => {
    const texts: string[] = []
    const made = await store.imageMake(copySpec(image, [source.url(image.id)]), (_, text) => texts.push(text), never)
    expect(made).toMatchObject({ id: image.id, virtualBytes: 2 ** 30, sha256: image.sha256 })
    expect(made.storedBytes).toBeGreaterThanOrEqual(bytes.length)
    expect((await stat(imagePath(folders, image.id))).mode & 0o777).toBe(0o444)
    expect([await copied(), await store.images()]).toEqual([true, [made]])
    expect(await left()).toHaveLength(2)
    expect(texts).toContain('copying')
  })

  it('goes on after a cut where it was, and nothing that came is sent again', async () => {
    await using line = await cable(source.url(image.id), 3 * mib)
    const spec = copySpec(image, [line.through(source.url(image.id))])
    await expect(store.imageMake(spec, silent, never)).rejects.toMatchObject({ code: 'unreachable' })
    const before = await came()
    expect(before).toBeGreaterThan(3 * mib - besidesBytes)
    await store.imageMake(spec, silent, never)
    expect(await copied()).toBe(true)
    await began().toContain(before)
    expect(line.counted.bytes).toBeGreaterThan(bytes.length)
    expect(line.counted.bytes).toBeLessThan(bytes.length + besidesBytes)
  })

  it('goes on at another host that has it, in the same breath', async () => {
    await using line = await cable(source.url(image.id), 3 * mib)
    const urls = ['https://127.0.0.1:1/images/x', line.through(source.url(image.id)), source.url(image.id)]
    await store.imageMake(copySpec(image, urls), silent, never)
    expect([await copied(), line.counted.connections]).toEqual([true, 1])
  })

  it('goes on after its agent was killed, past the sweep of half-made work', async () => {
    const slow = copySpec(image, [source.url(image.id)], { bytesPerSecond: 2 * mib })
    const script = new URL('copying-process.ts', import.meta.url).pathname
    const agent = spawn(process.execPath, [script, folder, source.stateFolder, JSON.stringify(slow)])
    await expect.poll(() => came().catch(() => 0), { timeout: 20_000 }).toBeGreaterThan(mib)
    agent.kill('SIGKILL')
    await once(agent, 'exit')
    const before = await came()
    await foldersSweep(folders)
    await store.leftSweep(new Set([image.id]))
    await store.imageMake(copySpec(image, [source.url(image.id)]), silent, never)
    expect(await copied()).toBe(true)
    await began().toContain(before)
    expect(await left()).toHaveLength(2)
  })

  it('that came whole and was not sealed yet is not asked for again', async () => {
    await writeFile(copyPath(folders, image.id), bytes)
    await store.imageMake(copySpec(image, ['https://127.0.0.1:1/images/x']), silent, never)
    expect(await copied()).toBe(true)
  })

  it.each([
    ['damaged', 100_000],
    ['longer than the image', bytes.length + 1],
  ])('is begun anew when what came before is %s', async (_title, length) => {
    await writeFile(copyPath(folders, image.id), Buffer.alloc(length, 7))
    await store.imageMake(copySpec(image, [source.url(image.id)]), silent, never)
    expect(await copied()).toBe(true)
  })

  it('whose file changed there is refused, once from its beginning too, and leaves nothing', async () => {
    await writeFile(imagePath(source.folders, image.id), Buffer.concat([bytes.subarray(0, -1), Buffer.of(0)]))
    await writeFile(copyPath(folders, image.id), bytes.subarray(0, mib))
    const copying = store.imageMake(copySpec(image, [source.url(image.id)]), silent, never)
    await expect(copying).rejects.toMatchObject({ code: 'invalid' })
    await began().toEqual([mib, 0])
    expect(await left()).toEqual([])
  })

  it('is not taken from a host that built it to other bytes', async () => {
    const other = { ...image, sha256: sha256Of(Buffer.from('another')) }
    await writeFile(copyPath(folders, image.id), bytes.subarray(0, mib))
    const copying = store.imageMake(copySpec(other, [source.url(image.id)]), silent, never)
    await expect(copying).rejects.toMatchObject({ code: 'unreachable' })
    expect(await came()).toBe(mib)
  })

  it('goes when it is not wished any more, unless it is being made', async () => {
    const given = new AbortController()
    const slow = copySpec(image, [source.url(image.id)], { bytesPerSecond: mib })
    const making = store.imageMake(slow, silent, given.signal)
    making.catch(() => {}) // awaited below
    await expect.poll(() => came().catch(() => 0)).toBeGreaterThan(0)
    await store.leftSweep(new Set())
    const before = await came()
    given.abort()
    await expect(making).rejects.toMatchObject({ code: 'cancelled' })
    expect(await came()).toBeGreaterThanOrEqual(before)
    await store.leftSweep(new Set([image.id]))
    expect(await left()).toHaveLength(1)
    await store.leftSweep(new Set())
    expect(await left()).toEqual([])
  })

  it('comes no faster than it may', async () => {
    let pulled = 0
    const line = (async function* () {
      for (;;) {
        pulled += 16_384
        yield Buffer.alloc(16_384)
      }
    })()
    const endless = { sizeBytes: 2 ** 30, sha256: image.sha256, bytes: line, [Symbol.dispose]: silent }
    const limit = mib
    const given = new AbortController()
    const limited = (await copyingHost(folder, async () => endless)).store
    const beganMs = performance.now()
    const making = limited.imageMake(
      copySpec(image, ['https://there/'], { bytesPerSecond: limit }),
      silent,
      given.signal,
    )
    making.catch(() => {}) // awaited below
    await expect.poll(() => came().catch(() => 0), { interval: 5 }).toBeGreaterThan(limit)
    const seconds = (performance.now() - beganMs) / 1000
    given.abort()
    await expect(making).rejects.toMatchObject({ code: 'cancelled' })
    // A burst, what is held for the disk, and what the stream itself holds.
    expect(pulled).toBeLessThan(limit * (seconds + 1))
  })

  it('with a larger disk than is allowed is refused and leaves nothing', async () => {
    const spec = { ...copySpec(image, [source.url(image.id)]), maxVirtualBytes: 2 ** 20 }
    await expect(store.imageMake(spec, silent, never)).rejects.toMatchObject({ code: 'too_large' })
    expect(await left()).toEqual([])
  })

  it('comes whole whatever its length was told to be', async () => {
    await store.imageMake(copySpec(image, [source.url(image.id)], { sizeBytes: 4096 }), silent, never)
    expect(await copied()).toBe(true)
  })

  it('is not begun where there is no room for it', async () => {
    const copying = store.imageMake(copySpec(image, [source.url(image.id)], { sizeBytes: 2 ** 60 }), silent, never)
    await expect(copying).rejects.toMatchObject({ code: 'storage_full' })
    expect([await left(), source.logged]).toEqual([[], []])
  })

  it('cannot come to a host without a certificate', async () => {
    const { store: bare } = await copyingHost(folder)
    const copying = bare.imageMake(copySpec(image, [source.url(image.id)]), silent, never)
    await expect(copying).rejects.toMatchObject({ code: 'unsupported' })
  })
})
