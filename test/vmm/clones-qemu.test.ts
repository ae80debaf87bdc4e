/** Copies of disks on file systems that share blocks between files, each in a file of its own. */
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeClones } from '../../vmm/clones.ts'
import { makeDisks, overlayPath, qcow2Header } from '../../vmm/disks.ts'
import { type Folders, foldersMake } from '../../vmm/folders.ts'
import { foreignCopy } from '../../vmm/foreign-disk.ts'
import { loopDisk, mountRefusal, run } from '../support/loop-disk.ts'
import { machineSpec } from './wishes.ts'

const MiB = 2 ** 20
const signal = new AbortController().signal
const silent = () => {}

for (const kind of ['xfs', 'btrfs']) {
  const refused = mountRefusal(kind)
  // Its reason stands in the title: not root, or a kernel without it.
  describe.skipIf(refused)(`a copy of a disk on ${kind} (${refused ?? 'mounted here'})`, () => {
    const imageId = crypto.randomUUID()
    const source = machineSpec(1, { id: crypto.randomUUID(), imageId })
    const from = { machineId: source.id, incarnation: source.incarnation }
    const stack = new DisposableStack()
    let base: string
    let folders: Folders
    let image: string
    /** What a file has of its own. XFS keeps room behind the end of a file that grows, for a while. */
    const ownBytes = (path: string) =>
      run('filefrag', '-v', '-b4096', path)
        .split('\n')
        .filter(line => /^ +\d+:/.test(line) && !/shared|unwritten/.test(line))
        .reduce((sum, line) => sum + 4096 * Number(line.split(':')[3]), 0)
    const copied = async (full: boolean) => {
      const machine = { ...source, id: crypto.randomUUID() }
      await makeClones(folders, null)(machine, { ...from, full }, silent, signal)
      return overlayPath(folders, { machineId: machine.id, incarnation: machine.incarnation })
    }

    beforeAll(async () => {
      base = await mkdtemp('/var/tmp/hdcs-clones-')
      await chmod(base, 0o711)
      const { folder } = stack.use(loopDisk(base, kind, 4096 * MiB))
      folders = await foldersMake(join(folder, 'host'), crypto.randomUUID())
      image = join(folders.images, `${imageId}.qcow2`)
      const raw = join(base, 'raw')
      run('dd', 'if=/dev/urandom', `of=${raw}`, 'bs=1M', 'count=64', 'status=none')
      run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, image)
      await makeDisks(folders, null).overlayMake({ ...source, hardware: { ...source.hardware, diskBytes: null } })
      run('qemu-io', '-f', 'qcow2', '-c', 'write -P 7 8M 4M', overlayPath(folders, from))
    })
    afterAll(async () => {
      stack.dispose()
      await rm(base, { recursive: true, force: true })
    })

    it('takes no room but for what the disk has over its image, and is the same', async () => {
      const linked = await copied(false)
      expect((await qcow2Header(linked)).backing).toBe(image)
      expect(ownBytes(linked)).toBeLessThan(MiB)
      const full = await copied(true)
      expect((await qcow2Header(full)).backing).toBeNull()
      // 4 MiB were written over the image, and some tables.
      expect(ownBytes(full)).toBeLessThan(8 * MiB)
      for (const copy of [linked, full])
        expect(run('qemu-img', 'compare', '-f', 'qcow2', '-F', 'qcow2', overlayPath(folders, from), copy)).toContain(
          'Images are identical.',
        )
      expect(run('qemu-img', 'info', full)).toContain('name: birth')
      expect(run('qemu-img', 'check', full)).toContain('No errors')
    })

    it('leaves the original alone whatever is written on either', async () => {
      const full = await copied(true)
      run('qemu-io', '-f', 'qcow2', '-c', 'write -P 9 32M 1M', full)
      run('qemu-io', '-f', 'qcow2', '-c', 'write -P 8 33M 1M', overlayPath(folders, from))
      run('qemu-io', '-f', 'qcow2', '-c', 'read -P 9 32M 1M', full)
      const differs = () => run('qemu-img', 'compare', '-f', 'qcow2', '-F', 'qcow2', overlayPath(folders, from), full)
      expect(differs).toThrow()
      expect(run('qemu-img', 'check', image)).toContain('No errors')
    })

    it('that is given up half-way leaves nothing', async () => {
      const before = await readdir(folders.overlays)
      const machine = { ...source, id: crypto.randomUUID() }
      const given = AbortSignal.abort()
      await expect(makeClones(folders, null)(machine, { ...from, full: true }, silent, given)).rejects.toMatchObject({
        code: 'cancelled',
      })
      expect(await readdir(folders.overlays)).toEqual(before)
    })

    it('of a machine that is not ours is made the same way', async () => {
      const foreign = join(folders.root, 'foreign.qcow2')
      run('cp', '--reflink=always', image, foreign)
      const empty = join(folders.images, `${crypto.randomUUID()}.qcow2`)
      await writeFile(empty, '')
      run('qemu-img', 'create', '-q', '-f', 'qcow2', empty, '64M')
      const to = { path: join(folders.overlays, 'taken.qcow2'), image: empty, owner: null }
      await using copy = await foreignCopy(folders, { path: foreign, format: 'qcow2' }, to, silent, signal)
      expect(ownBytes(copy.part)).toBeLessThan(MiB)
      expect((await qcow2Header(copy.part)).backing).toBe(empty)
      run('qemu-img', 'compare', '-f', 'qcow2', '-F', 'qcow2', foreign, copy.part)
    })
  })
}
