import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Disks, imagePath, makeDisks, overlayPath, qcow2Header } from '../../vmm/disks.ts'
import { type Folders, foldersMake, foldersReachable, foldersRoom, foldersSweep, partOf } from '../../vmm/folders.ts'
import { imageSpec, installationId, machineSpec } from './wishes.ts'

const MiB = 2 ** 20
let root: string
let folders: Folders
let disks: Disks
const spec = machineSpec(1)
const overlay = { machineId: spec.id, incarnation: 1 }
const code = (name: string) => expect.objectContaining({ code: name })

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'hdcs-disks-'))
  folders = await foldersMake(join(root, 'host'), installationId)
  disks = makeDisks(folders, null)
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', imagePath(folders, imageSpec().id), '64M'])
})
afterAll(() => rm(root, { recursive: true }))

describe('an overlay', () => {
  it('is small, sound, stands on its image by an absolute name, and carries the bitmap of its birth', async () => {
    await disks.overlayMake(spec)
    const path = overlayPath(folders, overlay)
    expect((await stat(path)).blocks * 512).toBeLessThanOrEqual(64 * 1024)
    expect(await qcow2Header(path)).toEqual({ virtualBytes: 64 * MiB, backing: imagePath(folders, imageSpec().id) })
    execFileSync('qemu-img', ['check', '-q', path])
    const info = JSON.parse(execFileSync('qemu-img', ['info', '--output=json', path], { encoding: 'utf8' }))
    expect(info).toMatchObject({
      'backing-filename-format': 'qcow2',
      'format-specific': { data: { bitmaps: [{ name: 'birth', flags: ['auto'] }] } },
    })
  })

  it('grows while its machine stands still, never shrinks, and stays sound', async () => {
    const machine = { ...spec, incarnation: 31 }
    const grown = { machineId: spec.id, incarnation: 31 }
    await disks.overlayMake(machine)
    const path = overlayPath(folders, grown)
    for (const [wished, size] of [
      [96, 96],
      [80, 96],
      [96, 96],
    ] as const) {
      await disks.overlayGrow(grown, wished * MiB)
      expect((await qcow2Header(path)).virtualBytes).toBe(size * MiB)
    }
    execFileSync('qemu-img', ['check', '-q', path])
    await disks.overlayRemove(grown)
    await expect(disks.overlayGrow(grown, MiB)).rejects.toEqual(code('not_found'))
  })

  it('takes its lock’s file along when it goes', async () => {
    const locks = join(root, 'locks')
    await mkdir(locks)
    const guarded = makeDisks(folders, null, locks)
    const machine = { ...spec, incarnation: 30 }
    await guarded.overlayMake(machine)
    const mine = { machineId: spec.id, incarnation: 30 }
    const lockOf = (of: typeof mine) => createHash('sha256').update(overlayPath(folders, of)).digest('hex')
    // As virtlockd leaves them after a power cut.
    for (const name of [lockOf(mine), lockOf(overlay)]) await writeFile(join(locks, name), '')
    await guarded.overlayRemove(mine)
    expect(await readdir(locks)).toEqual([lockOf(overlay)])
  })

  it('of a larger disk is larger, of a smaller one is refused', async () => {
    const larger = { ...spec, incarnation: 2, hardware: { ...spec.hardware, diskBytes: 128 * MiB } }
    await disks.overlayMake(larger)
    const path = overlayPath(folders, { machineId: spec.id, incarnation: 2 })
    expect((await qcow2Header(path)).virtualBytes).toBe(128 * MiB)
    const smaller = { ...spec, incarnation: 3, hardware: { ...spec.hardware, diskBytes: MiB } }
    await expect(disks.overlayMake(smaller)).rejects.toEqual(code('invalid'))
  })

  it('that was half made when its agent was killed is not there, and is swept away', async () => {
    const ours = partOf(overlayPath(folders, { machineId: spec.id, incarnation: 8 }))
    await writeFile(ours, 'being written by this process')
    await writeFile(ours.replace(/-[0-9a-f]{8}-/, '-0badcafe-'), 'half, by an earlier process of this host')
    expect((await disks.overlays()).map(({ incarnation }) => incarnation).toSorted()).toEqual([1, 2])
    await foldersSweep(folders)
    expect((await readdir(folders.overlays)).filter(name => name.endsWith('.part'))).toHaveLength(1)
    await rm(ours)
    // Of the notes beside them, and what the root itself holds, just so.
    await mkdir(folders.machines)
    for (const path of [join(folders.machines, 'box.xml'), join(folders.root, 'README.txt')])
      await writeFile(partOf(path).replace(/-[0-9a-f]{8}-/, '-0badcafe-'), 'half')
    await foldersSweep(folders)
    const left = await readdir(folders.root, { recursive: true })
    expect(left.filter(name => name.endsWith('.part'))).toEqual([])
  })

  it('that another host of the storage is making is left to it, until nobody has touched it for a day', async () => {
    const theirs = join(folders.overlays, `${spec.id}.9.qcow2.00000000-0badcafe-00000000.part`)
    await writeFile(theirs, 'half')
    await foldersSweep(folders)
    expect(await readdir(folders.overlays)).toContain(basename(theirs))
    const longAgo = new Date(Date.now() - 25 * 3_600_000)
    await utimes(theirs, longAgo, longAgo)
    await foldersSweep(folders)
    expect(await readdir(folders.overlays)).not.toContain(basename(theirs))
  })

  it('never names a file outside its folder', async () => {
    await expect(disks.overlayMake({ ...spec, id: '../../../etc/passwd' })).rejects.toEqual(code('invalid'))
    await expect(disks.overlayRemove({ machineId: spec.id, incarnation: 1.5 })).rejects.toEqual(code('invalid'))
  })

  it('keeps its image from being called unused', async () => {
    expect(await disks.imageUsed(imageSpec().id)).toBe(true)
    for (const found of await disks.overlays()) await disks.overlayRemove(found)
    expect(await disks.imageUsed(imageSpec().id)).toBe(false)
  })
})

describe('a host’s folder', () => {
  it('of another installation is refused, not touched', async () => {
    await expect(foldersMake(folders.root, crypto.randomUUID())).rejects.toEqual(code('conflict'))
  })

  it('gives nothing from the space that is kept for running desktops', async () => {
    await foldersRoom(folders, 0)
    await expect(foldersRoom(folders, 2 ** 60)).rejects.toEqual(code('storage_full'))
  })

  it('that QEMU’s user cannot enter is named with what to do', async () => {
    const closed = join(root, 'closed')
    await mkdir(join(closed, 'host'), { recursive: true })
    await chmod(closed, 0o700)
    await expect(foldersReachable(join(closed, 'host'))).rejects.toThrow(`chmod o+x ${closed}`)
  })

  it('can be entered, but not listed, by QEMU’s user', async () => {
    for (const folder of [folders.root, folders.images, folders.overlays])
      expect((await stat(folder)).mode & 0o777).toBe(0o711)
  })
})
