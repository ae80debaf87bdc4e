import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { storageKnown, storageMeet } from '../../vmm/storage-identity.ts'

let root: string
let folder: string
let note: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'hdcs-storage-'))
  folder = join(root, 'storage')
  note = join(root, 'host', 'storage-known')
  await mkdir(folder)
})
afterEach(() => rm(root, { recursive: true }))

describe('a storage', () => {
  it('is the same for all hosts that come to its folder, also at the same moment', async () => {
    const met = await Promise.all([1, 2, 3].map(() => storageMeet(folder, null)))
    expect(new Set(met.map(({ id }) => id)).size).toBe(1)
    expect(await readdir(folder)).toEqual(['storage-id'])
  })

  it('that a host knows is missed when its folder is empty or gone, and not made anew', async () => {
    expect(await storageKnown(folder, note)).toBeNull()
    const { id } = await storageMeet(folder, note)
    await rename(folder, `${folder}.away`)
    const known = await storageKnown(folder, note)
    expect(known?.id).toBe(id)
    const missed = { code: 'unreachable', message: expect.stringMatching(/not mounted.*no mark.*storage-known/) }
    await expect(known?.check()).rejects.toMatchObject(missed)
    await mkdir(folder)
    await expect(known?.check()).rejects.toMatchObject(missed)
    expect(await readdir(folder)).toEqual([])
    await rm(folder, { recursive: true })
    await rename(`${folder}.away`, folder)
    await known?.check()
  })

  it('is not another one in its place, until an administrator removes what the host knows', async () => {
    const { id, check } = await storageMeet(folder, note)
    await writeFile(join(folder, 'storage-id'), 'another')
    await expect(check()).rejects.toMatchObject({ message: expect.stringContaining('is the storage another') })
    await expect((await storageKnown(folder, note))?.check()).rejects.toMatchObject({ code: 'unreachable' })
    await rm(note)
    expect(await storageKnown(folder, note)).toBeNull()
    expect((await storageMeet(folder, note)).id).not.toBe(id)
    await (await storageKnown(folder, note))?.check()
  })
})
