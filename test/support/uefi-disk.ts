/**
 * A disk that starts by UEFI alone: FAT16 over all of it (Microsoft's FAT specification 1.03) with one program under
 * `\EFI\BOOT\BOOTX64.EFI` (PE32+), which says its words on the first serial port over and over, whoever listens.
 */

const sectorBytes = 512
const sectors = 32_768
/** Of the disk: 16 MiB. */
export const uefiDiskBytes = sectors * sectorBytes
const clusterSectors = 4
const fatSectors = 32
const rootEntries = 512
const rootAt = (1 + 2 * fatSectors) * sectorBytes
const dataAt = rootAt + rootEntries * 32
const clusterBytes = clusterSectors * sectorBytes

const bytes = (hex: string) => Buffer.from(hex.replace(/\s/g, ''), 'hex')

/** x86-64: to the end of the text at each turn, then a pause of some milliseconds, and once more. */
const code = bytes(`
  48 8d 35 26 00 00 00
  ac 84 c0 74 16 88 c4
  ba fd 03 00 00 ec a8 20 74 fb
  ba f8 03 00 00 88 e0 ee eb e5
  b9 00 00 80 00 ff c9 75 fc eb d3`)

/** One section, loaded at 0x1000, with neither imports nor relocations. */
function program(words: string): Buffer {
  const file = Buffer.alloc(0x400)
  file.write('MZ', 0, 'latin1')
  file.writeUInt32LE(0x40, 0x3c)
  file.write('PE\0\0', 0x40, 'latin1')
  const coff = 0x44
  file.writeUInt16LE(0x8664, coff)
  file.writeUInt16LE(1, coff + 2)
  file.writeUInt16LE(240, coff + 16)
  // Executable, and at home above 2 GiB.
  file.writeUInt16LE(0x22, coff + 18)
  const optional = coff + 20
  file.writeUInt16LE(0x20b, optional)
  for (const [offset, value] of [
    [4, 0x200], // of code
    [16, 0x1000], // where it begins
    [20, 0x1000],
    [32, 0x1000], // of sections in memory, and in the file
    [36, 0x200],
    [56, 0x2000], // of all of it, and of its headers
    [60, 0x200],
    [108, 16], // data directories, all of them empty
  ] as const)
    file.writeUInt32LE(value, optional + offset)
  file.writeUInt16LE(10, optional + 68) // an EFI application
  const section = optional + 240
  file.write('.text', section, 'latin1')
  for (const [offset, value] of [
    [8, 0x200],
    [12, 0x1000],
    [16, 0x200],
    [20, 0x200],
    [36, 0x60000020], // code, executed and read
  ] as const)
    file.writeUInt32LE(value, section + offset)
  code.copy(file, 0x200)
  file.write(`${words}\r\n\0`, 0x200 + code.length, 'latin1')
  return file
}

function entry(name: string, extension: string, isFolder: boolean, cluster: number, sizeBytes = 0): Buffer {
  const made = Buffer.alloc(32)
  made.write(name.padEnd(8) + extension.padEnd(3), 0, 'latin1')
  made.writeUInt8(isFolder ? 0x10 : 0x20, 11)
  made.writeUInt16LE(cluster, 26)
  made.writeUInt32LE(sizeBytes, 28)
  return made
}

/** @param words ASCII, 400 letters at most. */
export function uefiDisk(words: string): Buffer {
  const disk = Buffer.alloc(uefiDiskBytes)
  bytes('eb 3c 90').copy(disk)
  disk.write('HDCSTEST', 3, 'latin1')
  disk.writeUInt16LE(sectorBytes, 11)
  disk.writeUInt8(clusterSectors, 13)
  disk.writeUInt16LE(1, 14)
  disk.writeUInt8(2, 16)
  disk.writeUInt16LE(rootEntries, 17)
  disk.writeUInt16LE(sectors, 19)
  disk.writeUInt8(0xf8, 21)
  disk.writeUInt16LE(fatSectors, 22)
  disk.writeUInt8(0x29, 38)
  disk.write(`${'TEST'.padEnd(11)}${'FAT16'.padEnd(8)}`, 43, 'latin1')
  disk.writeUInt16LE(0xaa55, 510)
  // Three clusters, each the last of its chain: EFI, BOOT, the program.
  for (let fat = 0; fat < 2; fat++) bytes('f8ff ffff ffff ffff ffff').copy(disk, (1 + fat * fatSectors) * sectorBytes)
  const file = program(words)
  entry('EFI', '', true, 2).copy(disk, rootAt)
  const cluster = (number: number) => dataAt + (number - 2) * clusterBytes
  const folder = (number: number, parent: number, child: Buffer) =>
    Buffer.concat([entry('.', '', true, number), entry('..', '', true, parent), child]).copy(disk, cluster(number))
  folder(2, 0, entry('BOOT', '', true, 3))
  folder(3, 2, entry('BOOTX64', 'EFI', false, 4, file.length))
  file.copy(disk, cluster(4))
  return disk
}
