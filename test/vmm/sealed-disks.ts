/** Disks as other systems lay them out, made with this machine's kernel and programs; each in a partition from 1 MiB on. */
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { mbrEncode, mbrOffset } from '../../images/mbr.ts'
import { mounted, run } from '../support/loop-disk.ts'

export const MiB = 2 ** 20
export const startBytes = 2 ** 20
/** What a volume group of ours has before its first volume. */
const labelBytes = MiB
const rootBytes = 64 * MiB
const volumeGroup = 'hdcs-vg'

export const secrets = ['PRIVATE-KEY-OF-THE-FIRST', 'JOURNAL-OF-THE-FIRST', 'SECRET-OF-ANA', '0123456789abcdef0123']
const machineId = '0123456789abcdef0123456789abcdef\n'
export const system = {
  'etc/passwd': 'root:x:0:0::/root:/bin/sh\n',
  'etc/hostname': 'the-first\n',
  'etc/machine-id': machineId,
  'etc/ssh/ssh_host_ed25519_key': 'PRIVATE-KEY-OF-THE-FIRST',
  'etc/ssh/sshd_config': 'Port 22\n',
  'root/.bash_history': 'SECRET-OF-ROOT\n',
  'home/thesis.txt': 'kept\n',
  'var/log/journal/0123/system.journal': 'JOURNAL-OF-THE-FIRST\n'.repeat(4096),
}
export const kept = ['etc/passwd', 'etc/ssh/sshd_config', 'home/thesis.txt'] as const
export const gone = ['etc/hostname', 'etc/ssh/ssh_host_ed25519_key', 'root/.bash_history']

export function fill(root: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}

function empty(path: string, bytes: number): string {
  writeFileSync(path, '')
  truncateSync(path, bytes)
  return path
}

/** A file system of this kind at a place of the disk. */
function make(disk: string, kind: string, offset: number, bytes: number): void {
  const part = empty(`${disk}.part`, bytes)
  run(`mkfs.${kind}`, '-q', part)
  run('dd', `if=${part}`, `of=${disk}`, 'bs=1M', `seek=${offset / MiB}`, 'conv=notrunc,sparse', 'status=none')
  run('rm', part)
}

function partitioned(path: string, bytes: number): string {
  const disk = empty(path, startBytes + bytes)
  const table = mbrEncode(0x12345678, [{ type: 0x83, startSector: startBytes / 512, sectors: bytes / 512 }])
  const head = Buffer.alloc(mbrOffset + table.length)
  head.set(table, mbrOffset)
  writeFileSync(disk, head, { flag: 'r+' })
  return disk
}

/** XFS is never smaller than 300 MiB. */
export function plainDisk(path: string, kind: 'xfs' | 'btrfs', into: (root: string) => void): string {
  const disk = partitioned(path, 320 * MiB)
  make(disk, kind, startBytes, 320 * MiB)
  using place = mounted(disk, startBytes)
  into(place.folder)
  return disk
}

/** Its root is ext4, /home XFS. No device mapper is needed to lay it out, only to use it. */
export function lvmDisk(path: string, files: { root: Record<string, string>; home: Record<string, string> }): string {
  const disk = partitioned(path, 420 * MiB)
  const device = run('losetup', '-f', '--show', '-o', `${startBytes}`, disk).trim()
  try {
    const config = [
      `devices { filter=["a|^${device}$|","r|.*|"] use_devicesfile=0 obtain_device_list_from_udev=0 external_device_info_source="none" }`,
      'activation { udev_sync=0 udev_rules=0 verify_udev_operations=0 monitoring=0 } backup { backup=0 archive=0 }',
    ].join(' ')
    const lvm = (...args: string[]) => run('lvm', ...args, '--driverloaded', 'n', '--config', config)
    lvm('pvcreate', '-q', '-y', device)
    lvm('vgcreate', '-q', '-y', volumeGroup, device)
    for (const [name, size] of Object.entries({ root: '64M', home: '320M' }))
      lvm('lvcreate', '-q', '-y', '-an', '-Zn', '-Wn', '-n', name, '-L', size, volumeGroup)
  } finally {
    run('losetup', '-d', device)
  }
  for (const [name, kind, bytes] of [
    ['root', 'ext4', rootBytes],
    ['home', 'xfs', 320 * MiB],
  ] as const) {
    make(disk, kind, volumeAt[name], bytes)
    using place = mounted(disk, volumeAt[name])
    fill(place.folder, files[name])
  }
  return disk
}

/** Where the volumes of `lvmDisk` begin. */
export const volumeAt = { root: startBytes + labelBytes, home: startBytes + labelBytes + rootBytes }
