/**
 * Kernel modules without what only costs boot time: the appended signature (checked at load, and Debian's kernel does
 * not insist on it) and the BTF type information (the first module that has some makes the kernel parse its own five
 * megabytes of types).
 */

const magic = new TextEncoder().encode('~Module signature appended~\n')

/**
 * A kernel module without its appended signature; the same bytes when it has none.
 * Layout (kernel/module_signature.c): module, signature, 12 bytes whose last 4 are the signature's length
 * (big endian), magic text.
 */
export function signatureCut(module: Uint8Array): Uint8Array {
  const end = module.length - magic.length
  if (end < 12 || magic.some((byte, index) => module[end + index] !== byte)) return module
  const length = new DataView(module.buffer, module.byteOffset + end - 4, 4).getUint32(0)
  const kept = end - 12 - length
  if (kept < 0) throw new RangeError('the signature is longer than the module')
  return module.subarray(0, kept)
}

/**
 * A copy of an ELF64 module whose sections `.BTF` and `.BTF.ext` are gone for the kernel: type SHT_NULL, no name, bytes
 * zero. Offsets stay, so nothing else has to be moved.
 * @throws Error when it is no 64 bit ELF file
 */
export function typesBlank(module: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(module)
  const view = new DataView(bytes.buffer)
  if (bytes.length < 64 || view.getUint32(0) !== 0x7f454c46 || bytes[4] !== 2) throw new Error('not a 64 bit ELF file')
  const table = Number(view.getBigUint64(0x28, true))
  const header = (index: number) => table + index * view.getUint16(0x3a, true)
  const names = Number(view.getBigUint64(header(view.getUint16(0x3e, true)) + 0x18, true))
  for (let index = 0; index < view.getUint16(0x3c, true); index++) {
    const at = header(index)
    const start = names + view.getUint32(at, true)
    const name = new TextDecoder().decode(bytes.subarray(start, bytes.indexOf(0, start)))
    if (name !== '.BTF' && name !== '.BTF.ext') continue
    const from = Number(view.getBigUint64(at + 0x18, true))
    bytes.fill(0, from, from + Number(view.getBigUint64(at + 0x20, true)))
    bytes.fill(0, at, at + 0x10) // name, type, flags
  }
  return bytes
}
