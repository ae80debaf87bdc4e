/** The guest that seals what no program of the host reads: on real QEMU, emulated. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { captureImage } from '../../vmm/captured-image.ts'
import { overlayPath } from '../../vmm/disks.ts'
import { type Folders, foldersMake } from '../../vmm/folders.ts'
import { recipeBuild } from '../../vmm/recipes.ts'
import { guestSeal } from '../../vmm/seal-guest.ts'
import { mounted, mountRefusal, run } from '../support/loop-disk.ts'
import { until } from '../support/site.ts'
import { fill, gone, kept, lvmDisk, MiB, plainDisk, secrets, startBytes, system, volumeAt } from './sealed-disks.ts'

const signal = new AbortController().signal
const silent = () => {}
const host = { emulator: 'qemu-system-x86_64', accelerator: async () => 'tcg' as const }
const refused = mountRefusal('xfs') ?? mountRefusal('btrfs')
let base: string
let image: string
let folders: Folders

/** A folder of its own, as each work on a host has. */
async function place(name: string): Promise<string> {
  await mkdir(join(base, name))
  return join(base, name, 'disk.raw')
}
const seal = (disk: string, more: { timeoutMs?: number; signal?: AbortSignal } = {}) =>
  guestSeal(disk, { ...host, image, ...more }, more.signal ?? signal)

/** Nothing of the machine is left where its files were, nor anywhere else on the disk. */
async function proveSealed(disk: string, offset: number, sub = '') {
  const bytes = await readFile(disk)
  for (const secret of secrets) expect([secret, bytes.includes(secret)]).toEqual([secret, false])
  using there = mounted(disk, offset, 'ro')
  const at = (path: string) => join(there.folder, sub, path)
  for (const path of gone) expect([path, existsSync(at(path))]).toEqual([path, false])
  expect(existsSync(at('var/log/journal/0123'))).toBe(true)
  expect(await readdir(at('var/log/journal/0123'))).toEqual([])
  expect(run('stat', '-c', '%s %a %u:%g', at('etc/machine-id')).trim()).toBe('0 444 0:0')
  for (const path of kept)
    if (existsSync(at(path))) expect([path, readFileSync(at(path), 'utf8')]).toEqual([path, system[path]])
}

// Its reason stands in the title: not root, or a kernel without one of them.
describe.skipIf(refused)(`a disk that no program of the host reads (${refused ?? 'made here'})`, () => {
  beforeAll(async () => {
    base = await mkdtemp('/var/tmp/hdcs-seal-guest-')
    await chmod(base, 0o711)
    folders = await foldersMake(join(base, 'host'), crypto.randomUUID(), '/var/tmp/hdcs-test-cache')
    image = join(base, 'sealer.qcow2')
    await recipeBuild(folders, 'sealer', image, silent, signal)
  })
  afterAll(() => rm(base, { recursive: true, force: true }))

  it('becomes a sealed image when its root is XFS; links that lead elsewhere lead nowhere', async () => {
    const raw = plainDisk(await place('xfs'), 'xfs', root => {
      fill(root, { ...system, 'srv/keep': 'kept', 'home/ana/.bash_history': 'SECRET-OF-ANA\n' })
      symlinkSync('/etc', join(root, 'var/lib'))
      symlinkSync('/srv', join(root, 'tmp'))
      symlinkSync('../../proc/1', join(root, 'var/tmp'))
    })
    const overlay = { machineId: crypto.randomUUID(), incarnation: 1 }
    run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, overlayPath(folders, overlay))
    const imageId = crypto.randomUUID()
    run('qemu-img', 'create', '-q', '-f', 'qcow2', join(folders.images, `${imageId}.qcow2`), '1M')
    const folder = join(base, 'work')
    await mkdir(folder)
    const out = join(folder, 'image.qcow2')
    const source = { kind: 'desktop', ...overlay, imageId, seal: true, sha256: null } as const
    await captureImage(folders, host)(source, { folder, out, progress: silent, signal })
    const made = join(base, 'made.raw')
    run('qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', out, made)
    await proveSealed(made, startBytes)
    using there = mounted(made, startBytes, 'ro')
    expect(readFileSync(join(there.folder, 'srv/keep'), 'utf8')).toBe('kept')
  })

  it('is sealed when its root and its home are subvolumes of btrfs', async () => {
    const disk = plainDisk(await place('btrfs'), 'btrfs', top => {
      for (const name of ['@rootfs', '@home', 'music']) run('btrfs', 'subvolume', 'create', join(top, name))
      fill(join(top, '@rootfs'), { ...system, 'etc/fstab': '/dev/sda1 /home btrfs defaults,subvol=@home 0 0\n' })
      fill(join(top, '@home'), { 'ana/.bash_history': 'SECRET-OF-ANA\n', 'ana/thesis.txt': 'kept\n' })
      fill(join(top, 'music'), { '.bash_history': 'a song\n' })
    })
    expect(await seal(disk)).toEqual({ removed: 6 })
    await proveSealed(disk, startBytes, '@rootfs')
    using there = mounted(disk, startBytes, 'ro')
    expect(await readdir(join(there.folder, '@home/ana'))).toEqual(['thesis.txt'])
    expect(await readdir(join(there.folder, 'music'))).toEqual(['.bash_history'])
  })

  it('is sealed when its root and its home are volumes of LVM', async () => {
    const { 'home/thesis.txt': thesis, ...root } = system
    const disk = lvmDisk(await place('lvm'), {
      root: { ...root, 'home/none': '', 'etc/fstab': '/dev/mapper/hdcs--vg-home /home xfs defaults 0 2\n' },
      home: { 'ana/.bash_history': 'SECRET-OF-ANA\n', 'thesis.txt': thesis },
    })
    expect(await seal(disk)).toEqual({ removed: 6 })
    await proveSealed(disk, volumeAt.root)
    using home = mounted(disk, volumeAt.home, 'ro')
    expect(await readdir(join(home.folder, 'ana'))).toEqual([])
    expect(readFileSync(join(home.folder, 'thesis.txt'), 'utf8')).toBe(thesis)
  })

  it('is refused with its reason when it is damaged, or a snapshot holds what shall go', async () => {
    const damaged = plainDisk(await place('damaged'), 'xfs', root => fill(root, system))
    {
      await using file = await open(damaged, 'r+')
      // The inodes of the first group, the root's among them.
      await file.write(Buffer.alloc(2 * MiB, 0xff), 0, 2 * MiB, startBytes + 64 * 1024)
    }
    await expect(seal(damaged)).rejects.toMatchObject({ code: 'invalid' })
    const snapshot = plainDisk(await place('snapshot'), 'btrfs', top => {
      fill(top, system)
      run('btrfs', 'subvolume', 'snapshot', '-r', top, join(top, 'yesterday'))
    })
    await expect(seal(snapshot)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('snapshot'),
    })
  })

  it('holds its host up no longer than it may, nor than it is wished', async () => {
    const disk = plainDisk(await place('bounds'), 'xfs', root => fill(root, system))
    await expect(seal(disk, { timeoutMs: 500 })).rejects.toMatchObject({ code: 'timeout' })
    const cancel = new AbortController()
    const cancelled = seal(disk, { signal: cancel.signal })
    await until('a guest at it', () => guestOf(disk))
    cancel.abort()
    await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' })
    expect(await guestOf(disk)).toBe(false)
  })

  it('is let go when the agent is killed', async () => {
    const disk = plainDisk(await place('killed'), 'xfs', root => fill(root, system))
    const script = `import { guestSeal } from '${new URL('../../vmm/seal-guest.ts', import.meta.url).pathname}'
      await guestSeal('${disk}', { emulator: '${host.emulator}', accelerator: async () => 'tcg', image: '${image}' }, new AbortController().signal)`
    const agent = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' })
    await until('a guest at it', () => guestOf(disk))
    const ended = once(agent, 'exit')
    agent.kill('SIGKILL')
    await ended
    await until('no guest at it any more', async () => !(await guestOf(disk)))
  })
})

/** Whether a QEMU has this disk. */
async function guestOf(disk: string): Promise<boolean> {
  const all = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const lines = await Promise.all(all.map(id => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => ''))) // ended meanwhile
  return lines.some(line => line.startsWith(host.emulator) && line.includes(disk))
}
