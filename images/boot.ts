/**
 * The boot partition of our images: Debian's kernel, unpacked at build time, laid out so that a loader of 200 bytes only
 * has to copy it. Unpacking (xz) in the guest would be half of its boot time under TCG.
 *
 *     partition  0       setup code of the bzImage, its header filled in as a boot loader would   -> 0x10000
 *                0xe000  kernel arguments                                                          -> 0x1e000
 *                0xf000  initramfs, entry code (32 KiB), kernel image                              -> ends of 16 MiB and on
 *
 * Header fields: Documentation/arch/x86/boot.rst of Linux.
 */
import { entryCode, loaderCode } from './boot-code.ts'

const kernelAddress = 0x1000000
const entryBytes = 0x8000
const setupAddress = 0x10000
const argumentsAt = 0xe000
const bodyAt = 0xf000
const pageBytes = 4096

export type PayloadFormat = 'xz' | 'lz4' | 'zstd' | 'gzip'

const payloadMagics = {
  xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0],
  lz4: [2, 0x21, 0x4c, 0x18],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
  gzip: [0x1f, 0x8b],
} satisfies Record<PayloadFormat, number[]>

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}

/**
 * The compressed kernel inside a bzImage, without the four bytes of length the kernel's build appends.
 * @throws Error when it is no bzImage of protocol 2.10 or newer, or the compression is unknown
 */
export function bzImagePayload(bzImage: Uint8Array): { format: PayloadFormat; bytes: Uint8Array } {
  const header = viewOf(bzImage)
  if (bzImage.length < 0x270 || header.getUint32(0x202, true) !== 0x53726448 || header.getUint16(0x206, true) < 0x20a)
    throw new Error('not a bzImage of boot protocol 2.10 or newer')
  const start = setupBytes(bzImage) + header.getUint32(0x248, true)
  const length = header.getUint32(0x24c, true)
  if (start + length > bzImage.length || length < 8) throw new Error('the bzImage is cut')
  const bytes = bzImage.subarray(start, start + length - 4)
  for (const [format, magic] of Object.entries(payloadMagics) as [PayloadFormat, number[]][])
    if (magic.every((byte, index) => bytes[index] === byte)) return { format, bytes }
  throw new Error('the kernel is compressed in an unknown way')
}

function setupBytes(bzImage: Uint8Array): number {
  return ((bzImage[0x1f1] || 4) + 1) * 512
}

/**
 * The loadable parts of an ELF kernel as one piece that starts at 16 MiB, without trailing zeros (the kernel clears what
 * follows itself).
 * @throws Error when it is no 64 bit ELF whose entry is 16 MiB
 */
export function kernelImage(elf: Uint8Array): Uint8Array {
  const view = viewOf(elf)
  if (elf.length < 64 || view.getUint32(0, false) !== 0x7f454c46 || elf[4] !== 2)
    throw new Error('not a 64 bit ELF file')
  if (view.getBigUint64(0x18, true) !== BigInt(kernelAddress)) throw new Error('the kernel does not start at 16 MiB')
  const segments: { at: number; bytes: Uint8Array }[] = []
  for (let index = 0; index < view.getUint16(0x38, true); index++) {
    const at = Number(view.getBigUint64(0x20, true)) + index * view.getUint16(0x36, true)
    if (view.getUint32(at, true) !== 1) continue
    const from = Number(view.getBigUint64(at + 8, true))
    const physical = Number(view.getBigUint64(at + 24, true))
    const length = Number(view.getBigUint64(at + 32, true))
    if (physical < kernelAddress || from + length > elf.length) throw new Error('the kernel has a segment out of place')
    segments.push({ at: physical - kernelAddress, bytes: elf.subarray(from, from + length) })
  }
  const image = new Uint8Array(Math.max(...segments.map(segment => segment.at + segment.bytes.length)))
  for (const segment of segments) image.set(segment.bytes, segment.at)
  return image.subarray(0, image.findLastIndex(byte => byte !== 0) + 1)
}

export interface BootPartition {
  bytes: Uint8Array
  /** Where the loader puts what follows the first 60 KiB. */
  bodyAddress: number
}

/**
 * @param elf the unpacked kernel
 * @throws Error when the initramfs does not fit below the kernel, or the arguments are too long
 */
export function bootPartition(
  bzImage: Uint8Array,
  elf: Uint8Array,
  initramfs: Uint8Array,
  args: string,
): BootPartition {
  const image = kernelImage(elf)
  const room = roundUp(initramfs.length, pageBytes)
  const bodyAddress = kernelAddress - entryBytes - room
  if (bodyAddress < 0x200000) throw new Error('the initramfs does not fit between 2 and 16 MiB')
  if (args.length > 2047) throw new Error('the kernel arguments are longer than 2047 characters')
  if (setupBytes(bzImage) > 0x9000) throw new Error('the setup code of the kernel leaves no room for its stack')

  const bytes = new Uint8Array(roundUp(bodyAt + room + entryBytes + image.length, pageBytes))
  bytes.set(bzImage.subarray(0, setupBytes(bzImage)))
  bytes.set(new TextEncoder().encode(args), argumentsAt)
  bytes.set(initramfs, bodyAt)
  bytes.set(entryCode, bodyAt + room)
  bytes.set(image, bodyAt + room + entryBytes)

  const header = viewOf(bytes)
  header.setUint8(0x210, 0xff) // a loader without a number
  header.setUint8(0x211, header.getUint8(0x211) | 0x81) // loaded high, heap usable
  header.setUint32(0x214, kernelAddress - entryBytes, true) // where the setup code jumps
  header.setUint32(0x218, bodyAddress, true)
  header.setUint32(0x21c, initramfs.length, true)
  header.setUint16(0x224, argumentsAt - 0x200, true) // end of the heap
  header.setUint32(0x228, setupAddress + argumentsAt, true)
  return { bytes, bodyAddress }
}

/** The first 440 bytes of the disk: the loader, told where the boot partition lies. */
export function bootSector(partition: BootPartition, startSector: number): Uint8Array {
  const code = new Uint8Array(440)
  code.set(loaderCode)
  const view = viewOf(code)
  view.setUint32(4, Math.ceil((partition.bytes.length - bodyAt) / 512), true)
  view.setUint32(8, partition.bodyAddress, true)
  view.setUint32(20, startSector, true)
  return code
}
