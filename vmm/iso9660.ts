/**
 * A CD-ROM with a few small files in its root, as bytes: ISO 9660 (ECMA-119) with Joliet beside it, so that Windows and
 * Linux see each file under its whole name. The same files give the same bytes. Pure.
 *
 *   sector  0  16 empty ones         19, 20  path table (little, big endian)     23  root
 *          16  volume                21, 22  the same for Joliet                 24  root for Joliet
 *          17  volume, Joliet        25 …    files
 *          18  end of volumes
 */
import { HdcsError } from '../lib/errors.ts'

const sector = 2048
const filesAt = 25
/** Of the root: a directory record, and the whole path table, which knows the root alone. */
const rootRecordBytes = 34
const pathTableBytes = 10

export interface IsoFile {
  /** Letters, digits, dots: as it shall be seen. */
  name: string
  bytes: Uint8Array
}

interface Place extends IsoFile {
  at: number
}

/** How names are written: in the few letters of the standard, or as UTF-16 (Joliet). */
interface Tree {
  volume: { type: 1 | 2; escapes: string }
  table: number
  root: number
  name(file: string): Buffer
  label(text: string, bytes: number): Buffer
}

const ucs2 = (text: string) => Buffer.from(text, 'utf16le').swap16()

/** Eight letters and three: readers that know no Joliet see no more. */
function shortName(name: string): string {
  const [base = '', ending = ''] = name.toUpperCase().split('.')
  return `${base.slice(0, 8)}.${ending.slice(0, 3)};1`
}

const trees: Tree[] = [
  {
    volume: { type: 1, escapes: '' },
    table: 19,
    root: 23,
    name: file => Buffer.from(shortName(file), 'latin1'),
    label: (text, bytes) => Buffer.from(text.toUpperCase().padEnd(bytes).slice(0, bytes), 'latin1'),
  },
  {
    // UCS-2 level 3 (ECMA-119 8.5.6 with the escape sequence of Joliet).
    volume: { type: 2, escapes: '%/E' },
    table: 21,
    root: 24,
    name: file => ucs2(`${file};1`),
    // An odd last byte stays zero.
    label: (text, bytes) => Buffer.concat([ucs2(text.padEnd(bytes / 2).slice(0, bytes / 2)), Buffer.alloc(bytes % 2)]),
  },
]

/** Both endians, one after the other. */
function both32(to: Buffer, value: number, at: number): void {
  to.writeUInt32LE(value, at)
  to.writeUInt32BE(value, at + 4)
}
function both16(to: Buffer, value: number, at: number): void {
  to.writeUInt16LE(value, at)
  to.writeUInt16BE(value, at + 2)
}

/** A directory record (ECMA-119 9.1), with no date: the same files are the same bytes. */
function record(name: Buffer, at: number, bytes: number, folder: boolean): Buffer {
  const made = Buffer.alloc((33 + name.length + 1) & ~1)
  made[0] = made.length
  both32(made, at, 2)
  both32(made, bytes, 10)
  // 1 January 1980: month and day 0 are none.
  made.set([80, 1, 1], 18)
  made[25] = folder ? 2 : 0
  both16(made, 1, 28)
  made[32] = name.length
  name.copy(made, 33)
  return made
}

const itself = Buffer.from([0])
const parent = Buffer.from([1])

function folderOf({ root, name }: Tree, files: readonly Place[]): Buffer {
  const named = files.map(file => ({ ...file, name: name(file.name) })).toSorted((a, b) => a.name.compare(b.name))
  if (named.some((file, index) => index > 0 && file.name.equals(named[index - 1]?.name ?? itself)))
    throw new HdcsError('invalid', 'Two files of a CD-ROM have the same short name.')
  const records = named.map(file => record(file.name, file.at, file.bytes.length, false))
  return Buffer.concat([record(itself, root, sector, true), record(parent, root, sector, true), ...records])
}

/** A volume descriptor (ECMA-119 8.4, 8.5). */
function volume({ volume: { type, escapes }, table, root, label }: Tree, name: string, sectors: number): Buffer {
  const made = Buffer.alloc(sector)
  made[0] = type
  made.write('CD001', 1, 'latin1')
  made[6] = 1
  for (const [text, at, bytes] of [
    ['', 8, 32],
    [name, 40, 32],
    ['', 190, 128],
    ['', 318, 128],
    ['', 446, 128],
    ['HDCS', 574, 128],
    ['', 702, 37],
    ['', 739, 37],
    ['', 776, 37],
  ] as const)
    label(text, bytes).copy(made, at)
  both32(made, sectors, 80)
  made.write(escapes, 88, 'latin1')
  both16(made, 1, 120)
  both16(made, 1, 124)
  both16(made, sector, 128)
  both32(made, pathTableBytes, 132)
  made.writeUInt32LE(table, 140)
  made.writeUInt32BE(table + 1, 148)
  record(itself, root, sector, true).copy(made, 156, 0, rootRecordBytes)
  // No dates: sixteen zeros and no offset from UTC.
  for (const at of [813, 830, 847, 864]) made.fill('0', at, at + 16, 'latin1')
  made[881] = 1
  return made
}

function pathTable(root: number, bigEndian: boolean): Buffer {
  const made = Buffer.alloc(pathTableBytes)
  made[0] = 1
  if (bigEndian) made.writeUInt32BE(root, 2)
  else made.writeUInt32LE(root, 2)
  if (bigEndian) made.writeUInt16BE(1, 6)
  else made.writeUInt16LE(1, 6)
  return made
}

const nameForm = /^[A-Za-z0-9]{1,30}\.[A-Za-z0-9]{1,3}$/

/**
 * @param label up to 16 letters, digits and `_`.
 * @throws HdcsError `invalid` for names that not every reader can tell.
 */
export function isoImage(label: string, files: readonly IsoFile[]): Buffer {
  for (const { name } of files)
    if (!nameForm.test(name)) throw new HdcsError('invalid', `“${name}” is no name for a file on a CD-ROM.`)
  if (!/^[A-Z0-9_]{1,16}$/.test(label)) throw new HdcsError('invalid', `“${label}” is no label of a CD-ROM.`)
  let end = filesAt
  const placed = files.map((file): Place => {
    const at = end
    end += Math.ceil(file.bytes.length / sector)
    return { ...file, at }
  })
  const image = Buffer.alloc(end * sector)
  const put = (bytes: Uint8Array, at: number) => image.set(bytes, at * sector)
  for (const tree of trees) {
    const folder = folderOf(tree, placed)
    if (folder.length > sector) throw new HdcsError('invalid', 'There are too many files for this CD-ROM.')
    put(volume(tree, label, end), 15 + tree.volume.type)
    put(pathTable(tree.root, false), tree.table)
    put(pathTable(tree.root, true), tree.table + 1)
    put(folder, tree.root)
  }
  const last = Buffer.alloc(7)
  last[0] = 255
  last.write('CD001', 1, 'latin1')
  last[6] = 1
  put(last, 18)
  for (const { bytes, at } of placed) put(bytes, at)
  return image
}
