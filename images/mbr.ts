/** The partition table of a PC disk (MBR): what lies at bytes 440..511 of its first sector. */

export interface Partition {
  /** 14 = FAT16, 131 = Linux, 218 = data without a file system. */
  type: number
  startSector: number
  sectors: number
}

/** Where {@link mbrEncode}'s bytes belong; what is before them is the loader. */
export const mbrOffset = 440

/**
 * 72 bytes: disk signature, four partitions (the first one active), 0x55AA. The old cylinder fields say "see the sector
 * numbers" (fe ff ff).
 * @throws RangeError for more than four partitions
 */
export function mbrEncode(diskId: number, partitions: readonly Partition[]): Uint8Array {
  if (partitions.length > 4) throw new RangeError('a partition table has four entries')
  const bytes = new Uint8Array(512 - mbrOffset)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, diskId, true)
  for (const [index, partition] of partitions.entries()) {
    const at = 6 + 16 * index
    bytes.set([index === 0 ? 0x80 : 0, 0xfe, 0xff, 0xff, partition.type, 0xfe, 0xff, 0xff], at)
    view.setUint32(at + 8, partition.startSector, true)
    view.setUint32(at + 12, partition.sectors, true)
  }
  bytes.set([0x55, 0xaa], 70)
  return bytes
}

/** `TYPE:START:SECTORS` as a recipe writes it. */
export function partitionParse(text: string): Partition {
  const match = /^(\d+):(\d+):(\d+)$/.exec(text)
  if (!match) throw new RangeError(`not a partition: ${text}`)
  return { type: Number(match[1]), startSector: Number(match[2]), sectors: Number(match[3]) }
}
