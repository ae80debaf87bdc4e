/**
 * The image of disks that stand on no template: nothing at all. Every disk of ours stands on an image, so these do too,
 * and moves, backups and captures need not know of them. Written byte by byte: it must be the same on every storage,
 * whatever qemu-img is there, or a disk that moves would find another image under it than it left.
 */
import { writeFile } from 'node:fs/promises'

const clusterBytes = 65_536
/** A disk is as large as it is wished: past the end of its image it reads as zeros, as the image does. */
const virtualBytes = 2 ** 20
/** Header, refcount table, one refcount block, L1 table. */
const clusters = 4

/** A qcow2 file (specification: docs/interop/qcow2.txt of QEMU, version 3) without any content. */
export function blankImage(): Buffer {
  const bytes = Buffer.alloc(clusters * clusterBytes)
  bytes.write('QFI\xfb', 0, 'latin1')
  bytes.writeUInt32BE(3, 4)
  bytes.writeUInt32BE(Math.log2(clusterBytes), 20)
  bytes.writeBigUInt64BE(BigInt(virtualBytes), 24)
  // One entry of the L1 table, in the last cluster; its L2 table is not there.
  bytes.writeUInt32BE(1, 36)
  bytes.writeBigUInt64BE(BigInt(3 * clusterBytes), 40)
  bytes.writeBigUInt64BE(BigInt(clusterBytes), 48)
  bytes.writeUInt32BE(1, 56)
  // Refcounts of 2 ** 4 bits; the header of version 3 ends at 104.
  bytes.writeUInt32BE(4, 96)
  bytes.writeUInt32BE(104, 100)
  bytes.writeBigUInt64BE(BigInt(2 * clusterBytes), clusterBytes)
  for (let cluster = 0; cluster < clusters; cluster++) bytes.writeUInt16BE(1, 2 * clusterBytes + 2 * cluster)
  return bytes
}

export const makeBlank = async (_source: { kind: 'blank' }, { out }: { out: string }): Promise<void> =>
  writeFile(out, blankImage())
