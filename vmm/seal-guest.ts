/**
 * Seals what no program of the host reads: systems on XFS, btrfs or LVM. A guest of ours does it (images/build-sealer.sh): it
 * gets the raw copy as its disk, has no network, runs as nobody with bounds on memory and time, takes out the same list, gives
 * the free blocks back, which reads as zeros, and checks what it leaves. No kernel of the host mounts what a guest wrote.
 */
import { stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type ErrorCode, HdcsError } from '../lib/errors.ts'
import { asNobody, ownedByNobody } from './nobody.ts'
import type { Sealed } from './seal.ts'
import { sealOrder } from './seal-list.ts'

/** What it needs to repair-check some terabytes of XFS. Less: large disks are refused; only what is touched is taken. */
const memoryMib = 768
/** With QEMU's own: translated code, stacks of its threads, libraries. Less: QEMU does not begin. */
const addressBytes = 4 * 2 ** 30
/** A large disk emulated. Shorter: it is refused; longer: one that never ends holds the host's images. */
const guestMs = 30 * 60_000
const sectorBytes = 512

export interface SealingHost {
  emulator: string
  accelerator: () => Promise<'kvm' | 'tcg'>
}

export interface SealingGuest extends SealingHost {
  /** Its disk (recipe `sealer`), readable for nobody. */
  image: string
  timeoutMs?: number
}

/** Why it refused, in its own word. */
const refusals: Record<string, [ErrorCode, string]> = {
  none: [
    'unsupported',
    'No Linux system was found on its disk, so it cannot be sealed here. Generalise it inside (Windows: sysprep), shut it down, and take it without sealing.',
  ],
  lvm: [
    'unsupported',
    'Its LVM volumes cannot be activated: parts of the group are on other disks, or it uses what Debian’s kernel lacks. Take it without sealing, and clear it inside before.',
  ],
  snapshot: [
    'unsupported',
    'Read-only snapshots on its disk hold what shall be taken out. Delete them inside (btrfs subvolume delete, snapper delete), shut it down and try again.',
  ],
  trim: [
    'unsupported',
    'The free blocks of its file system cannot be cleared. Take it without sealing, and clear it inside before.',
  ],
  damaged: [
    'invalid',
    'The machine’s file system is damaged: check it inside (fsck, xfs_repair, btrfs check) and try again.',
  ],
}

/** @throws HdcsError `unsupported`, `invalid`, `timeout`, `cancelled`. */
export async function guestSeal(disk: string, guest: SealingGuest, signal: AbortSignal): Promise<Sealed> {
  const order = join(dirname(disk), 'order')
  const text = sealOrder()
  await writeFile(order, text.padEnd(Math.ceil(text.length / sectorBytes) * sectorBytes, '\0'))
  for (const path of [disk, order]) await ownedByNobody(path)
  const accelerator = await guest.accelerator()
  const group = accelerator === 'kvm' ? (await stat('/dev/kvm')).gid : null
  let word = ''
  const onLine = (line: string) => {
    word = /HDCS-SEAL ((done \d{1,9})|(refused [a-z]+))/.exec(line)?.[1] ?? word
  }
  const bounds = { timeoutMs: guest.timeoutMs ?? guestMs, signal, addressBytes, group, onLine }
  const { output, errors } = await asNobody(guest.emulator, machine(disk, order, guest.image, accelerator), bounds)
  const [said, what = ''] = word.split(' ')
  if (said === 'done') return { removed: Number(what) }
  const cause = { cause: `${word}\n${errors}\n${output.slice(-2_000)}` }
  const [code, reason] = refusals[what] ?? [
    'internal',
    `The guest that seals disks did not come to its end${errors ? `: ${errors.split('\n').at(-1)}` : ''}. Try again, or take it without sealing.`,
  ]
  throw new HdcsError(code, reason, cause)
}

/** Flushes are of no use: the copy that is sealed does not outlive a power cut. */
function machine(disk: string, order: string, image: string, accelerator: 'kvm' | 'tcg'): string[] {
  const drive = (id: string, path: string, options: string) => [
    ...['-drive', `id=${id},if=none,file=${path.replaceAll(',', ',,')},${options}`],
    ...['-device', `virtio-blk-pci,drive=${id}${id === 'boot' ? ',bootindex=1' : ''}`],
  ]
  return [
    ...['-accel', accelerator === 'tcg' ? 'tcg,tb-size=64' : 'kvm', '-machine', 'q35', '-m', `${memoryMib}`],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-boot', 'strict=on', '-serial', 'stdio'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...drive('boot', image, 'format=qcow2,readonly=on'),
    ...drive('disk', disk, 'format=raw,cache=unsafe,discard=unmap,detect-zeroes=unmap'),
    ...drive('order', order, 'format=raw,readonly=on'),
  ]
}
