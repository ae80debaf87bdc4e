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
