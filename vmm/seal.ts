/**
 * Takes what makes a machine this one out of the copy of its disk that becomes a template: machine id, host keys, host
 * name, leases, logs, histories. Works on ext2 to ext4, with debugfs: no kernel of ours ever mounts what a guest wrote, and
 * debugfs itself runs as nobody, bounded in memory and time. What the removed files held is overwritten with zeros, as
 * whoever gets a desktop of the template may read its free blocks. What debugfs does not read is left to a guest.
 */
import { open, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HdcsError } from '../lib/errors.ts'
import { asNobody, ownedByNobody } from './nobody.ts'
import { type Partition, partitionsOf, type ReadAt } from './partitions.ts'
import { emptied, identity, machineId, traces } from './seal-list.ts'

const debugfsBytes = 512 * 2 ** 20
/** Each looks at some directories; a file system made to be slow must not hold the host's images. */
const debugfsMs = 60_000
const checkMs = 10 * 60_000
/** More log files than any honest guest has. */
const mostFiles = 20_000
const deepest = 8

interface Entry {
  name: string
  kind: 'file' | 'folder' | 'other'
}

export interface Sealed {
  /** Files that are gone. */
  removed: number
}

/**
 * @param disk a raw disk of ours alone, in a folder of this work.
 * @param otherwise seals it where its system may lie on XFS, btrfs or LVM.
 * @throws HdcsError `unsupported` where no ext file system of an operating system is; `invalid` for one that is damaged;
 *   `cancelled`.
 */
export async function diskSeal(
  disk: string,
  signal: AbortSignal,
  otherwise: (disk: string) => Promise<Sealed>,
): Promise<Sealed> {
  await using file = await open(disk, 'r+')
  const { size } = await file.stat()
  const read: ReadAt = async (position, length) => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position)
    return buffer.subarray(0, bytesRead)
  }
  const partitions = await partitionsOf(read, size)
  for (const partition of partitions) {
    const ext = await extOf(read, partition)
    if (!ext) continue
    const target = { path: `${disk}?offset=${partition.startBytes}`, folder: dirname(disk), signal }
    const [root] = await list(target, ['/'])
    if (!root?.some(({ name, kind }) => name === 'etc' && kind === 'folder')) continue
    await ownedByNobody(disk)
    if (ext.unclean) await close(target)
    const files = await removable(target, root)
    const blocks = await blocksOf(target, files)
    await remove(target, files)
    const zeros = Buffer.alloc(ext.blockBytes)
    for (const block of blocks)
      if ((block + 1) * ext.blockBytes <= partition.sizeBytes)
        await file.write(zeros, 0, zeros.length, partition.startBytes + block * ext.blockBytes)
    await prove(target)
    return { removed: files.length }
  }
  for (const partition of partitions) if (await isOther(read, partition)) return otherwise(disk)
  throw new HdcsError(
    'unsupported',
    'No Linux system was found on its disk, so it cannot be sealed here. Generalise it inside (Windows: sysprep), shut it down, and take it without sealing.',
  )
}

/** The superblock lies 1024 bytes in (ext4 on-disk format, kernel documentation): magic at 56, block size at 24, features at 96. */
async function extOf(read: ReadAt, { startBytes }: Partition) {
  const block = await read(startBytes + 1024, 1024)
  if (block.length < 1024 || block.readUInt16LE(56) !== 0xef53) return
  const blockBytes = 1024 << Math.min(block.readUInt32LE(24), 6)
  return { blockBytes, unclean: (block.readUInt32LE(96) & 0x4) !== 0 }
}

/** First bytes of XFS, of btrfs, and of a part of an LVM group, whose label is in one of four sectors. */
const others: [position: number, magic: string][] = [
  [0, 'XFSB'],
  [0x10040, '_BHRfS_M'],
  ...[0, 512, 1024, 1536].map((position): [number, string] => [position, 'LABELONE']),
]

async function isOther(read: ReadAt, { startBytes }: Partition): Promise<boolean> {
  for (const [position, magic] of others)
    if ((await read(startBytes + position, magic.length)).toString('latin1') === magic) return true
  return false
}

interface Target {
  path: string
  folder: string
  signal: AbortSignal
}

/** Whatever a guest wrote is read by a process that may do nothing else. */
const confined = (
  { signal }: Target,
  program: string,
  args: string[],
  options: { timeoutMs: number; input?: string; onLine?: (line: string) => void },
) => asNobody(program, args, { ...options, signal, addressBytes: debugfsBytes })

/** Runs commands and answers what each printed. debugfs says what it was asked before it answers. */
async function debugfs(target: Target, commands: readonly string[], write = false): Promise<string[]> {
  if (commands.length === 0) return []
  const args = [...(write ? ['-w'] : []), '-f', '-', target.path]
  const answers: string[] = []
  const onLine = (line: string) => {
    if (line.startsWith('debugfs: ')) answers.push('')
    else if (answers.length > 0) answers[answers.length - 1] += `${line}\n`
  }
  const input = `${commands.join('\n')}\n`
  const { code, errors } = await confined(target, 'debugfs', args, { timeoutMs: debugfsMs, input, onLine })
  if (code !== 0) throw new HdcsError('invalid', 'The machine’s file system cannot be read.', { cause: errors })
  return answers
}

/** Entries of each folder; none of one that is not there. `ls -p` says /inode/mode/uid/gid/name/size/. */
async function list(target: Target, folders: readonly string[]): Promise<Entry[][]> {
  const answers = await debugfs(
    target,
    folders.map(folder => `ls -p "${folder}"`),
  )
  return folders.map((_, n) => (answers[n] ?? '').split('\n').flatMap(entryOf))
}

function entryOf(line: string): Entry[] {
  const [, mode = '', name = ''] = /^\/\d+\/(\d+)\/\d+\/\d+\/([^/]*)\/\d*\/$/.exec(line) ?? []
  // A name that debugfs could read as more than a name is none of those we look for.
  if (!/^[\w.@:+-]+$/.test(name) || name === '.' || name === '..') return []
  return [{ name, kind: mode.startsWith('10') ? 'file' : mode.startsWith('04') ? 'folder' : 'other' }]
}

const matches = (name: string, pattern: string) =>
  pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern

async function removable(target: Target, root: readonly Entry[]): Promise<string[]> {
  const files: string[] = []
  const named = Object.keys(identity)
  for (const [n, entries] of (await list(target, named)).entries()) {
    const folder = named[n] ?? ''
    for (const { name, kind } of entries)
      if (kind === 'file' && identity[folder]?.some(pattern => matches(name, pattern))) files.push(`${folder}/${name}`)
  }
  const [people = []] = root.some(({ name }) => name === 'home') ? await list(target, ['/home']) : []
  const homes = ['/root', ...people.filter(({ kind }) => kind === 'folder').map(({ name }) => `/home/${name}`)]
  for (const [n, entries] of (await list(target, homes)).entries())
    for (const { name, kind } of entries)
      if (kind === 'file' && traces.includes(name)) files.push(`${homes[n]}/${name}`)
  for (let folders = [...emptied], depth = 0; folders.length > 0 && depth < deepest; depth++) {
    const next: string[] = []
    for (const [n, entries] of (await list(target, folders)).entries())
      for (const { name, kind } of entries)
        if (kind === 'file') files.push(`${folders[n]}/${name}`)
        else if (kind === 'folder') next.push(`${folders[n]}/${name}`)
    folders = next
    if (files.length > mostFiles) throw new HdcsError('too_large', `The machine has more than ${mostFiles} log files.`)
  }
  const [etc = []] = await list(target, ['/etc'])
  return etc.some(({ name, kind }) => name === 'machine-id' && kind === 'file') ? [...files, machineId] : files
}

async function blocksOf(target: Target, files: readonly string[]): Promise<Set<number>> {
  const answers = await debugfs(
    target,
    files.map(path => `blocks "${path}"`),
  )
  return new Set(answers.flatMap(answer => answer.match(/\d+/g) ?? []).map(Number))
}

/** systemd takes an empty machine id as "not yet": the domain's UUID becomes it at the next boot. */
async function remove(target: Target, files: readonly string[]) {
  const empty = join(target.folder, 'empty')
  await writeFile(empty, '')
  await ownedByNobody(empty)
  const commands = files.map(path => `rm "${path}"`)
  if (files.includes(machineId))
    commands.push(
      `write "${empty}" "${machineId}"`,
      `sif "${machineId}" mode 0100444`,
      `sif "${machineId}" uid 0`,
      `sif "${machineId}" gid 0`,
    )
  await debugfs(target, commands, true)
}

/** As its own system would at the next boot: a guest whose power was cut has its last words in the journal. */
async function close(target: Target) {
  const first = await check(target, '-y')
  if (first.code === sound || first.code === corrected) return
  // e2fsck (1.47) replays the journal, opens the file again without the offset that it was given, finds no file system
  // there, and leaves the mark of one that is open. Only where nothing is left in the journal the mark is taken off.
  const { output: head } = await confined(target, 'dumpe2fs', ['-h', target.path], { timeoutMs: debugfsMs })
  if (!/^Journal start: +0$/m.test(head)) throw damaged(first.output)
  await debugfs(target, ['feature -needs_recovery'], true)
  const { code, output } = await check(target, '-y')
  if (code !== sound && code !== corrected) throw damaged(output)
}

/** e2fsck's exit codes: there were no errors; there were some, and there are none any more. */
const sound = 0
const corrected = 1

const check = (target: Target, how: '-y' | '-p' | '-n') =>
  confined(target, 'e2fsck', ['-f', how, target.path], { timeoutMs: checkMs })

/** What every system puts right by itself when it starts, as counts that lag behind, is put right; all else is damage. */
async function prove(target: Target) {
  const { code, output } = await check(target, '-n')
  if (code === sound) return
  await check(target, '-p')
  const again = await check(target, '-n')
  if (again.code !== sound) throw damaged(`${output}\n${again.output}`)
}

/** @param output of e2fsck, whose first complaint is told. */
function damaged(output: string): HdcsError {
  const complaint = output.split('\n').find(line => line.trim() !== '' && !/^(Pass \d|e2fsck \d)/.test(line))
  const text = 'The machine’s file system is damaged: check it inside (fsck) and try again.'
  return new HdcsError('invalid', complaint ? `${text} The check found: ${complaint.slice(0, 160)}` : text, {
    cause: output,
  })
}
