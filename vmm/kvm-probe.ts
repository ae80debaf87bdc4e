/**
 * Whether guests really run on KVM here. A device that opens proves nothing: on some machines (nested virtualisation,
 * restricted clouds) it opens and guests hang. So a guest is run, with a deadline.
 */
import { access, constants, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { asHdcsError } from '../lib/errors.ts'
import { runProgram } from './programs.ts'

export interface Acceleration {
  accelerator: 'kvm' | 'tcg'
  /** Why KVM is not used; null when it is. */
  reason: string | null
}

/**
 * The probing guest takes 0.4 s under emulation and less on KVM. Shorter: a busy host is called one without KVM, and
 * everything on it is ten times slower; longer: the first start of a host without it waits.
 */
const guestMs = 6_000

/**
 * A boot sector: 10,000 reads of an idle port (each leaves the guest), 50 million turns of a loop (which do not), then
 * 0x10 to the debug port, which ends QEMU with exit code 2 × 0x10 + 1.
 *   mov ecx,10000 ; in al,0x80 ; dec ecx ; jnz -6 ; mov ecx,50000000 ; dec ecx ; jnz -4 ; mov dx,0xf4 ; mov al,0x10 ; out dx,al ; hlt ; jmp -3
 */
const bootCode = '66b910270000e480664975fa66b980f0fa02664975fcbaf400b010eef4ebfd'
const exitCode = 33

/** SeaBIOS boots no disk smaller than a floppy. */
const diskBytes = 1_474_560

function bootDisk(): Uint8Array {
  const disk = new Uint8Array(diskBytes)
  disk.set(Buffer.from(bootCode, 'hex'))
  disk.set([0x55, 0xaa], 510)
  return disk
}

export interface ProbeOptions {
  /** Keeps the probing disk and the answer, which holds until the machine boots again or QEMU changes. */
  folder: string
  emulator: string
  qemuVersion: string
  /** Whom libvirt runs QEMU as: what we may open says nothing of that. Null: ourselves. */
  runAs: { uid: number; gid: number } | null
}

export async function probeAcceleration(options: ProbeOptions): Promise<Acceleration> {
  const { folder, qemuVersion } = options
  const bootId = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '') // not Linux: never cached
  const key = `${bootId.trim()} ${qemuVersion}`
  const file = join(folder, 'kvm-probe.json')
  const known = await readKnown(file)
  if (known && bootId && known.key === key) return known.acceleration
  const { guestRan, ...acceleration } = await probe(options)
  // A missing device or right may come any moment; how a guest behaves stays.
  if (!guestRan) return acceleration
  await writeFile(`${file}.part`, JSON.stringify({ key, acceleration }))
  await rename(`${file}.part`, file)
  return acceleration
}

async function readKnown(file: string): Promise<{ key: string; acceleration: Acceleration } | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as { key: string; acceleration: Acceleration }
  } catch {
    return null // not there yet, or cut by a crash: probed again
  }
}

async function probe({ folder, emulator, runAs }: ProbeOptions): Promise<Acceleration & { guestRan: boolean }> {
  const refuse = (reason: string, guestRan = false) => ({ accelerator: 'tcg' as const, reason, guestRan })
  const device = '/dev/kvm'
  if (await missing(device, constants.F_OK))
    return refuse(
      'There is no /dev/kvm: switch virtualisation on in the firmware, or load the module kvm_intel or kvm_amd.',
    )
  if (await missing(device, constants.R_OK | constants.W_OK))
    return refuse('/dev/kvm may not be opened by HDCS: run its agent as root or in the group kvm.')
  await mkdir(folder, { recursive: true })
  const disk = join(folder, 'kvm-probe.raw')
  await writeFile(disk, bootDisk())
  const asUser = runAs ? ['setpriv', '--reuid', `${runAs.uid}`, '--regid', `${runAs.gid}`, '--init-groups', '--'] : []
  const [program = emulator, ...args] = [
    [...asUser, emulator],
    ['-accel', 'kvm', '-machine', 'q35', '-m', '16', '-display', 'none', '-nodefaults', '-no-user-config'],
    ['-device', 'isa-debug-exit,iobase=0xf4,iosize=4'],
    ['-drive', `file=${disk.replaceAll(',', ',,')},format=raw,if=virtio,readonly=on`],
  ].flat()
  try {
    const { code, errors } = await runProgram(program, args, { timeoutMs: guestMs })
    if (code === exitCode) return { accelerator: 'kvm', reason: null, guestRan: true }
    return refuse(`QEMU cannot use /dev/kvm: ${errors.split('\n').at(-1) || `exit code ${code}`}`)
  } catch (thrown) {
    const error = asHdcsError(thrown)
    if (error.code !== 'timeout') return refuse(error.message)
    const text = `/dev/kvm opens, but a guest on it did not run within ${guestMs / 1000} s: desktops are emulated, which is slow.`
    return refuse(`${text} It is tried again after the next boot of this host.`, true)
  }
}

const missing = (path: string, mode: number) =>
  access(path, mode).then(
    () => false,
    () => true, // whatever the reason, it cannot be used this way
  )
