import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../lib/ids.ts'
import { captureImage } from '../../vmm/captured-image.ts'
import { makeDisks, overlayPath } from '../../vmm/disks.ts'
import { type Folders, foldersMake } from '../../vmm/folders.ts'
import { makeImageStore } from '../../vmm/image-store.ts'
import { machineSpec } from './wishes.ts'

const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }
const run = (program: string, ...args: string[]) => execFileSync(program, args, { env, encoding: 'utf8' })
const signal = new AbortController().signal
const silent = () => {}
const imageId = newId()
const machineId = newId()
const overlay = { machineId, incarnation: 1 }
let root = ''
let folders: Folders

/** A template of a small ext4 disk, and a machine's overlay on it in which somebody wrote. */
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'hdcs-capture-'))
  await chmod(root, 0o711)
  folders = await foldersMake(join(root, 'host'), newId())
  const files = join(root, 'files')
  const text = { 'etc/machine-id': 'f00f00f00f00f00f00f00f00f00f00f0\n', 'etc/passwd': 'root\n', 'home/work': 'before' }
  for (const [path, content] of Object.entries(text)) {
    await mkdir(dirname(join(files, path)), { recursive: true })
    await writeFile(join(files, path), content)
  }
  const raw = join(root, 'base.raw')
  await writeFile(raw, '')
  await truncate(raw, 32 * 2 ** 20)
  run('mke2fs', '-q', '-t', 'ext4', '-d', files, raw)
  run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, join(folders.images, `${imageId}.qcow2`))
  await makeDisks(folders, null).overlayMake(machineSpec(1, { id: machineId, imageId }))
  // As its guest would: through the whole disk, of which only what differs comes to lie in the overlay.
  const written = join(root, 'written')
  await writeFile(written, 'after: the compiler is here')
  run('debugfs', '-w', '-R', `write ${written} /home/compiler`, raw)
  const changed = join(root, 'changed.qcow2')
  run(
    'qemu-img',
    'convert',
    '-f',
    'raw',
    '-O',
    'qcow2',
    '-B',
    join(folders.images, `${imageId}.qcow2`),
    '-F',
    'qcow2',
    raw,
    changed,
  )
  await copyFile(changed, overlayPath(folders, overlay))
}, 60_000)
afterAll(() => rm(root, { recursive: true, force: true }))

const source = { kind: 'desktop' as const, ...overlay, imageId, seal: true, sha256: null }
const store = () =>
  makeImageStore(folders, makeDisks(folders, null), () => Promise.reject(new Error('nothing is uploaded')))
const make = (id: string, change: Partial<typeof source> | { sha256: string } = {}) =>
  store().imageMake(
    { id, name: 'golden-2', source: { ...source, ...change }, maxVirtualBytes: 2 ** 40, attempt: 1 },
    silent,
    signal,
  )
async function fileIn(id: string, path: string) {
  const raw = join(root, `${id}.raw`)
  run('qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', join(folders.images, `${id}.qcow2`), raw)
  return run('debugfs', '-R', `cat ${path}`, raw)
}

describe('an image made of a machine’s disk', () => {
  it('holds what the machine had, stands on nothing, and is sealed; the machine keeps its own', async () => {
    const before = await readFile(overlayPath(folders, overlay))
    const id = newId()
    const made = await make(id)
    expect(made).toMatchObject({ id, virtualBytes: 32 * 2 ** 20, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) })
    expect(run('qemu-img', 'info', join(folders.images, `${id}.qcow2`))).not.toContain('backing')
    expect(await fileIn(id, '/home/compiler')).toBe('after: the compiler is here')
    expect(await fileIn(id, '/etc/machine-id')).toBe('')
    expect((await stat(join(folders.images, `${id}.qcow2`))).mode & 0o222).toBe(0)
    expect((await readFile(overlayPath(folders, overlay))).equals(before)).toBe(true)
  })

  it('keeps what makes it this machine when it shall not be sealed', async () => {
    const id = newId()
    await make(id, { seal: false })
    expect(await fileIn(id, '/etc/machine-id')).toContain('f00f00')
  })

  it('is refused while a guest has the disk open, and leaves nothing', async () => {
    const holder = spawn('qemu-io', ['-f', 'qcow2', overlayPath(folders, overlay)], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    await once(holder.stdout, 'data')
    try {
      const id = newId()
      await expect(make(id)).rejects.toMatchObject({ code: 'disk_in_use' })
      expect((await readdir(folders.images)).filter(name => name.startsWith(id))).toEqual([])
    } finally {
      holder.stdin.end('quit\n')
      await once(holder, 'exit')
    }
  })

  it.each([
    ['of a disk that is not on this storage', { incarnation: 7 }, 'not_found'],
    ['a second time: the machine went on since', { sha256: 'a'.repeat(64) }, 'template_unavailable'],
  ])('is not made %s', async (_title, change, code) => {
    await expect(make(newId(), change)).rejects.toMatchObject({ code })
  })

  it('that is given up leaves nothing', async () => {
    const aborted = AbortSignal.abort()
    const out = join(root, 'given-up')
    await mkdir(out)
    const work = { folder: out, out: join(out, 'image.qcow2'), progress: silent, signal: aborted }
    await expect(
      captureImage(folders, { emulator: 'none', accelerator: async () => 'tcg' })(source, work),
    ).rejects.toMatchObject({ code: 'cancelled' })
  })
})
