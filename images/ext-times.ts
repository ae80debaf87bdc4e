import { closeSync, openSync, readSync, writeSync } from 'node:fs'

/** Little-endian reader of a piece of a file. */
function piece(file: number, at: number, length: number): DataView<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  if (readSync(file, bytes, 0, length, at) !== length) throw new RangeError(`the disk ends before byte ${at + length}`)
  return new DataView(bytes.buffer)
}

/**
 * Sets the change time of every used inode of an ext4 file system inside a disk file.
 * `mke2fs -d` copies change times from the build folder, and no program can set those there; without this, two builds
 * differ. Only for file systems without metadata_csum (the checksums would be wrong then).
 * Layout: Documentation/filesystems/ext4 of Linux: superblock, group descriptors, inode table.
 */
export function extTimesSet(path: string, offset: number, epochSeconds: number): void {
  const file = openSync(path, 'r+')
  try {
    const superblock = piece(file, offset + 1024, 1024)
    if (superblock.getUint16(56, true) !== 0xef53) throw new Error('no ext file system there')
    if (superblock.getUint32(100, true) & 0x400) throw new Error('the file system has metadata checksums')
    const blockBytes = 1024 << superblock.getUint32(24, true)
    const firstBlock = superblock.getUint32(20, true)
    const blocksPerGroup = superblock.getUint32(32, true)
    const inodesPerGroup = superblock.getUint32(40, true)
    const inodeBytes = superblock.getUint16(88, true)
    const groups = Math.ceil((superblock.getUint32(4, true) - firstBlock) / blocksPerGroup)
    const wide = (superblock.getUint32(96, true) & 0x80) !== 0
    const descriptorBytes = wide ? superblock.getUint16(254, true) : 32

    for (let group = 0; group < groups; group++) {
      const descriptor = piece(file, offset + (firstBlock + 1) * blockBytes + group * descriptorBytes, descriptorBytes)
      const tableBlock = descriptor.getUint32(8, true) + (wide ? descriptor.getUint32(40, true) * 2 ** 32 : 0)
      const tableAt = offset + tableBlock * blockBytes
      const table = piece(file, tableAt, inodesPerGroup * inodeBytes)
      for (let inode = 0; inode < inodesPerGroup; inode++) {
        const at = inode * inodeBytes
        if (table.getUint32(at + 12, true) === 0) continue
        table.setUint32(at + 12, epochSeconds, true)
        if (inodeBytes > 128) table.setUint32(at + 132, 0, true)
      }
      writeSync(file, new Uint8Array(table.buffer), 0, table.byteLength, tableAt)
    }
  } finally {
    closeSync(file)
  }
}
