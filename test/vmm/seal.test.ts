import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HdcsError } from '../../lib/errors.ts'
import { diskSeal as hostSeal } from '../../vmm/seal.ts'

const startBytes = 2 ** 20
const sizeBytes = 24 * 2 ** 20
const signal = new AbortController().signal
const diskSeal = (disk: string) =>
  hostSeal(disk, signal, () => Promise.reject(new HdcsError('internal', 'A guest was asked to do it.')))
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hdcs-seal-'))
  // As the folders of a host are: what reads a guest's disk is nobody, and passes through.
  await chmod(folder, 0o711)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const system = {
  '/etc/passwd': 'root:x:0:0::/root:/bin/sh\n',
  '/etc/hostname': 'the-first\n',
  '/etc/machine-id': '0123456789abcdef0123456789abcdef\n',
  '/etc/ssh/ssh_host_ed25519_key': 'PRIVATE-KEY-OF-THE-FIRST',
  '/etc/ssh/sshd_config': 'Port 22\n',
  '/root/.bash_history': 'SECRET-IN-HISTORY\n',
  '/home/ana/.bash_history': 'SECRET-OF-ANA\n',
  '/home/ana/thesis.txt': 'kept\n',
  '/var/log/syslog': 'LOG-OF-THE-FIRST\n',
  '/var/log/journal/0123/system.journal': 'JOURNAL-OF-THE-FIRST\n',
  '/var/lib/dhcp/dhclient.leases': 'LEASE\n',
  '/var/lib/dpkg/status': 'kept\n',
}

/** A raw disk with one ext4 partition that holds these files. */
async function diskOf(name: string, files: Record<string, string>, table: 'mbr' | 'gpt' | 'none' = 'mbr') {
  const work = join(folder, name)
  const root = join(work, 'root')
  const disk = join(work, 'disk.raw')
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  await mkdir(root, { recursive: true })
  await writeFile(disk, '')
  await truncate(disk, startBytes + sizeBytes + startBytes)
  const offset = table === 'none' ? 0 : startBytes
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', root, '-E', `offset=${offset}`, disk, `${sizeBytes / 1024}k`], {
    env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  })
  const bytes = await readFile(disk)
  if (table === 'mbr') mbr(bytes, 0x83)
  if (table === 'gpt') {
    mbr(bytes, 0xee)
    bytes.write('EFI PART', 512, 'latin1')
    bytes.writeBigUInt64LE(2n, 512 + 72)
    bytes.writeUInt32LE(128, 512 + 80)
    bytes.writeUInt32LE(128, 512 + 84)
    bytes.fill(0x11, 1024, 1040)
    bytes.writeBigUInt64LE(BigInt(startBytes / 512), 1024 + 32)
    bytes.writeBigUInt64LE(BigInt((startBytes + sizeBytes) / 512 - 1), 1024 + 40)
  }
  await writeFile(disk, bytes)
  return { disk, offset }
}

function mbr(bytes: Buffer, type: number) {
  bytes.writeUInt16LE(0xaa55, 510)
  bytes[446 + 4] = type
  bytes.writeUInt32LE(startBytes / 512, 446 + 8)
  bytes.writeUInt32LE(sizeBytes / 512, 446 + 12)
}

const ask = (
  { disk, offset, writable = false }: { disk: string; offset: number; writable?: boolean },
  command: string,
) =>
  execFileSync('debugfs', [...(writable ? ['-w'] : []), '-R', command, `${disk}?offset=${offset}`], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  })

describe('the copy of a disk that becomes a template', () => {
  it.each(['mbr', 'gpt', 'none'] as const)(
    'loses what made its machine this one, and nothing else (%s)',
    async table => {
      const made = await diskOf(`system-${table}`, system, table)
      expect(await diskSeal(made.disk)).toEqual({ removed: 8 })
      const gone = ['/etc/hostname', '/etc/ssh/ssh_host_ed25519_key', '/root/.bash_history', '/var/log/syslog']
      for (const path of gone) expect([path, ask(made, `stat ${path}`)]).toEqual([path, ''])
      expect(ask(made, 'stat /etc/machine-id')).toMatch(/Mode: +0444[\s\S]*User: +0 [\s\S]*Size: 0/)
      for (const path of [
        '/home/ana/thesis.txt',
        '/etc/ssh/sshd_config',
        '/var/lib/dpkg/status',
        '/etc/passwd',
      ] as const)
        expect([path, ask(made, `cat ${path}`)]).toEqual([path, (system as Record<string, string>)[path]])
      expect(ask(made, 'ls -p /var/log/journal')).toContain('/0123/')
    },
  )

  it('keeps nothing of it in its free blocks', async () => {
    const made = await diskOf('free-blocks', system)
    const before = await readFile(made.disk)
    for (const secret of ['PRIVATE-KEY', 'SECRET-IN-HISTORY', 'SECRET-OF-ANA'])
      expect(before.includes(secret)).toBe(true)
    await diskSeal(made.disk)
    const after = await readFile(made.disk)
    for (const secret of [
      'PRIVATE-KEY',
      'SECRET-IN-HISTORY',
      'SECRET-OF-ANA',
      'JOURNAL-OF-THE-FIRST',
      '0123456789abcdef',
    ])
      expect([secret, after.includes(secret)]).toEqual([secret, false])
    expect(after.includes('kept')).toBe(true)
  })

  it('sealed a second time is as it is', async () => {
    const made = await diskOf('twice', system)
    await diskSeal(made.disk)
    expect(await diskSeal(made.disk)).toEqual({ removed: 1 })
  })

  it('whose power was cut is closed first, as its own system would, and is sound', async () => {
    const made = await diskOf('cut', system)
    const bytes = await readFile(made.disk)
    const features = startBytes + 1024 + 96
    bytes.writeUInt32LE(bytes.readUInt32LE(features) | 0x4, features)
    await writeFile(made.disk, bytes)
    expect(await diskSeal(made.disk)).toEqual({ removed: 8 })
    expect((await readFile(made.disk)).readUInt32LE(features) & 0x4).toBe(0)
    expect(ask(made, 'cat /home/ana/thesis.txt')).toBe('kept\n')
  })

  it('gets from its journal what its guest wrote last', async () => {
    const made = await diskOf('journal', system)
    const last = join(folder, 'last')
    await writeFile(last, 'LAST-WORDS'.padEnd(1024, '.'))
    const commands = `jo\njw -b 20000 ${last}\njc\n`
    execFileSync('debugfs', ['-w', '-f', '-', `${made.disk}?offset=${made.offset}`], {
      input: commands,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
    })
    const at = startBytes + 20_000 * 1024
    expect((await readFile(made.disk)).toString('latin1', at, at + 10)).not.toBe('LAST-WORDS')
    expect(await diskSeal(made.disk)).toEqual({ removed: 8 })
    expect((await readFile(made.disk)).toString('latin1', at, at + 10)).toBe('LAST-WORDS')
    expect(ask(made, 'cat /home/ana/thesis.txt')).toBe('kept\n')
  })

  it('whose counts lag behind is put right, as every system does when it starts', async () => {
    const made = await diskOf('counts', system)
    for (const change of ['free_blocks_count 7', 'checksum calc'])
      ask({ ...made, writable: true }, `set_bg 0 ${change}`)
    expect(await diskSeal(made.disk)).toEqual({ removed: 8 })
    expect(ask(made, 'cat /home/ana/thesis.txt')).toBe('kept\n')
    expect(ask(made, 'stats')).not.toMatch(/ 7 free blocks/)
  })

  it('that is damaged is refused', async () => {
    const { disk } = await diskOf('damaged', system)
    const bytes = await readFile(disk)
    // Its table of inodes, where the names of the root folder lead.
    bytes.fill(0xff, startBytes + 128 * 1024, startBytes + 4 * 2 ** 20)
    await writeFile(disk, bytes)
    await expect(diskSeal(disk)).rejects.toBeInstanceOf(HdcsError)
  })

  it.each([
    ['a file system without an operating system', { '/music/song': 'la' }],
    ['names that would be commands', { '/etc/ssh/ssh_host_"\nrm /etc/passwd': 'x', '/etc/passwd': 'kept' }],
  ])('of %s is left alone', async (name, files: Record<string, string>) => {
    const made = await diskOf(name.replaceAll(' ', '-'), files)
    const sealed = await diskSeal(made.disk).catch((error: { code: string }) => error.code)
    expect(sealed).toEqual(files['/etc/passwd'] ? { removed: 0 } : 'unsupported')
    if (files['/etc/passwd']) expect(ask(made, 'cat /etc/passwd')).toBe('kept')
  })

  it.each([
    ['XFS', 0, 'XFSB'],
    ['btrfs', 0x10040, '_BHRfS_M'],
    ['LVM', 512, 'LABELONE'],
  ])(
    'is given to the guest that seals it when its system may lie on %s, in a logical partition too',
    async (_kind, at, magic) => {
      const disk = join(folder, `${magic}.raw`)
      const bytes = Buffer.alloc(4 * startBytes)
      mbr(bytes, 0x05)
      // The extended partition's own table: a logical one a sector behind it, and no further table.
      bytes.writeUInt16LE(0xaa55, startBytes + 510)
      bytes.writeUInt32LE(1, startBytes + 446 + 8)
      bytes.writeUInt32LE(2048, startBytes + 446 + 12)
      bytes.write(magic, startBytes + 512 + at, 'latin1')
      await writeFile(disk, bytes)
      const sealed = hostSeal(disk, signal, async path => ({ removed: path === disk ? 77 : 0 }))
      expect(await sealed).toEqual({ removed: 77 })
    },
  )

  it('is refused whatever stands in its tables', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const disk = join(folder, `noise-${seed}.raw`)
      const bytes = Buffer.alloc(2 ** 16)
      for (let at = 0, x = seed; at < bytes.length; at++) {
        x = (x * 1_103_515_245 + 12_345) % 2 ** 31
        bytes[at] = x >> 16
      }
      bytes.writeUInt16LE(0xaa55, 510)
      bytes[446 + 4] = seed % 2 ? 0xee : 0x83
      bytes.write('EFI PART', 512, 'latin1')
      await writeFile(disk, bytes)
      await expect(diskSeal(disk)).rejects.toMatchObject({ code: 'unsupported' })
    }
  })
})
