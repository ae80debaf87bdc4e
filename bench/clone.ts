/**
 * What a copy of a disk costs: an overlay on an image, and all of an image's bytes beside `cp --reflink=never` of the same
 * file on the same disk, in turns, both until they are on the disk. Then the same on XFS, which shares blocks between files,
 * in a file of the same folder (as root, where the kernel has XFS and xfsprogs is installed).
 *   overlay ≤ 200 KiB and ≤ 50 ms of the agent · full: ≥ 0.9 × as fast as cp; where blocks are shared ≤ 20 ms
 * Exit code 1: a promise was missed; 2: none was, and there is no XFS here to see the last one on.
 *
 *     node bench/clone.ts [folder] [MiB]
 */
import { execFileSync } from 'node:child_process'
import { constants, copyFile, mkdir, mkdtemp, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeClones } from '../vmm/clones.ts'
import { makeDisks } from '../vmm/disks.ts'
import { foldersMake } from '../vmm/folders.ts'

const [place = tmpdir(), mib = '512'] = process.argv.slice(2)
const turns = 5
const promised = { overlayKiB: 200, overlayMs: 50, fullOfCopy: 0.9, sharedMs: 20 }
/** Beside the image: its peer, what is copied, the reserve of every storage (1 GiB) and what XFS keeps for itself. */
const xfsBytes = (4 * Number(mib) + 2048) * 2 ** 20
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }
const run = (program: string, ...args: string[]) => execFileSync(program, args, { env })
const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
const timed = async (work: () => Promise<unknown> | unknown) => {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

/** @param root an empty folder. */
async function measured(root: string) {
  const folders = await foldersMake(root, crypto.randomUUID())
  const disks = makeDisks(folders, null)
  const clone = makeClones(folders, null)
  const imageId = crypto.randomUUID()
  const image = join(folders.images, `${imageId}.qcow2`)
  const raw = join(root, 'raw')
  run('dd', 'if=/dev/urandom', `of=${raw}`, 'bs=1M', `count=${mib}`, 'status=none')
  run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, image)
  await rm(raw)
  const hardware = { vcpus: 1, memoryBytes: 2 ** 30, video: 'vga' as const, diskBytes: null, sound: false }
  const fresh = () => ({ id: crypto.randomUUID(), name: 'bench', incarnation: 1, imageId, hardware })

  const overlayMs: number[] = []
  let source = fresh()
  for (let turn = 0; turn <= turns; turn++) {
    source = fresh()
    overlayMs.push(await timed(() => disks.overlayMake(source)))
  }
  const overlay = await stat(join(folders.overlays, `${source.id}.1.qcow2`))
  const { signal } = new AbortController()
  const linkedMs: number[] = []
  const fullMs: number[] = []
  const copyMs: number[] = []
  for (let turn = 0; turn < turns; turn++) {
    const from = { machineId: source.id, incarnation: 1 }
    linkedMs.push(await timed(() => clone(fresh(), { ...from, full: false }, () => {}, signal)))
    const full = fresh()
    fullMs.push(await timed(() => clone(full, { ...from, full: true }, () => {}, signal)))
    await disks.overlayRemove({ machineId: full.id, incarnation: 1 })
    const peer = join(root, 'peer')
    copyMs.push(
      await timed(() => {
        run('cp', '--reflink=never', image, peer)
        run('sync', peer)
      }),
    )
    await rm(peer)
  }
  return {
    overlayFirstMs: overlayMs[0],
    overlayMs: median(overlayMs.slice(1)),
    overlayKiB: (overlay.blocks * 512) / 1024,
    linkedMs: median(linkedMs),
    fullMs: median(fullMs),
    copyMs: median(copyMs),
    fullOfCopy: median(copyMs) / median(fullMs),
  }
}

const print = (fileSystem: string, figures: object) =>
  console.log(
    JSON.stringify({ fileSystem, ...figures }, (_key, value) =>
      typeof value === 'number' ? Math.round(value * 100) / 100 : value,
    ),
  )

let missed = 0
/** @param shared blocks of this file system stand in more than one file: nothing is copied there. */
function verdict(fileSystem: string, figures: Awaited<ReturnType<typeof measured>>, shared: boolean) {
  print(fileSystem, figures)
  const { overlayKiB, overlayMs, fullMs, fullOfCopy } = figures
  const checks: [boolean, string][] = [
    [overlayKiB <= promised.overlayKiB, `overlay: ${overlayKiB} KiB (≤ ${promised.overlayKiB})`],
    [overlayMs <= promised.overlayMs, `overlay: ${overlayMs.toFixed(1)} ms (≤ ${promised.overlayMs})`],
    shared
      ? [fullMs <= promised.sharedMs, `full copy by sharing blocks: ${fullMs.toFixed(1)} ms (≤ ${promised.sharedMs})`]
      : [
          fullOfCopy >= promised.fullOfCopy,
          `full copy: ${fullOfCopy.toFixed(2)} × cp --reflink=never (≥ ${promised.fullOfCopy})`,
        ],
  ]
  for (const [kept, text] of checks) {
    console.log(`${kept ? '  kept ' : 'MISSED '} ${fileSystem}, ${text}`)
    if (!kept) missed++
  }
}

/** Whether the file system of a folder shares blocks between files. */
async function sharesBlocks(folder: string): Promise<boolean> {
  const file = join(folder, 'one')
  await writeFile(file, 'one')
  try {
    await copyFile(file, join(folder, 'two'), constants.COPYFILE_FICLONE_FORCE)
    return true
  } catch (error) {
    if (!['ENOTSUP', 'EOPNOTSUPP', 'EINVAL', 'EXDEV', 'ENOSYS'].includes((error as NodeJS.ErrnoException).code ?? ''))
      throw error
    return false
  } finally {
    await rm(join(folder, 'two'), { force: true })
    await rm(file)
  }
}

/** @returns whether it is there: where not, that is said. */
function xfsMounted(file: string, folder: string): boolean {
  try {
    run('mkfs.xfs', '-q', file)
    run('mount', '-t', 'xfs', '-o', 'loop', file, folder)
    return true
  } catch (error) {
    console.log(`xfs: not here (${error instanceof Error ? error.message.trim().split('\n').at(-1) : error})`)
    return false
  }
}

const root = await mkdtemp(join(place, 'hdcs-bench-clone-'))
try {
  const here = join(root, 'here')
  await mkdir(here)
  const shared = await sharesBlocks(here)
  verdict('as it is here', await measured(here), shared)
  const file = join(root, 'xfs')
  const folder = join(root, 'mounted')
  await mkdir(folder)
  await writeFile(file, '')
  await truncate(file, xfsBytes)
  const mounted = xfsMounted(file, folder)
  if (mounted)
    try {
      verdict('xfs', await measured(folder), true)
    } finally {
      run('umount', folder)
    }
  console.log(missed === 0 ? 'every promise kept' : `missed: ${missed}`)
  process.exitCode = missed > 0 ? 1 : mounted || shared ? 0 : 2
} finally {
  await rm(root, { recursive: true, force: true })
}
