/** What the first bytes of a file say of the disk that is in it. Browser-safe. */

export type UploadFormat = 'qcow2' | 'raw' | 'vmdk' | 'vdi' | 'vpc' | 'vhdx' | 'iso' | 'ova' | 'hdcs'

interface Mark {
  at: number
  text: string
}

/** Where a format says its name. A VHD of fixed size says it only at its end, and a VMDK that is text names other files. */
const marks: [UploadFormat, Mark][] = [
  ['qcow2', { at: 0, text: 'QFI\u00fb' }],
  ['vmdk', { at: 0, text: 'KDMV' }],
  ['vhdx', { at: 0, text: 'vhdxfile' }],
  ['vpc', { at: 0, text: 'conectix' }],
  ['vdi', { at: 0x40, text: '\u007f\u0010\u00da\u00be' }],
  ['iso', { at: 0x8001, text: 'CD001' }],
]

const textVmdk = { at: 0, text: '# Disk DescriptorFile' }
const archive = { at: 257, text: 'ustar' }
/** Without one of these at its beginning a file is none of this format, whatever it is called. */
const needed: Partial<Record<UploadFormat, Mark[]>> = {
  ...Object.fromEntries(marks.filter(([format]) => format !== 'vpc').map(([format, mark]) => [format, [mark]])),
  // The host says what is wrong with one that names other files.
  vmdk: [{ at: 0, text: 'KDMV' }, { at: 0, text: 'COWD' }, textVmdk],
  ova: [archive],
  hdcs: [archive],
}

/** What firmware or a kernel finds a system or files by, on a disk as it is. */
const disks: Mark[] = [
  // Boot sector or partition table; a GUID partition table has one too, for programs that do not know it.
  { at: 510, text: '\u0055\u00aa' },
  { at: 1080, text: '\u0053\u00ef' }, // ext2 to ext4
  { at: 0, text: 'XFSB' },
  { at: 0x10040, text: '_BHRfS_M' }, // btrfs
  { at: 0x218, text: 'LVM2 001' },
  { at: 0x8001, text: 'CD001' },
]

/** So much of a file's beginning holds all of these marks. */
export const saidBytes = 0x10048

export const sectorBytes = 512

const has = (head: Uint8Array, { at, text }: Mark) =>
  [...text].every((character, index) => head[at + index] === character.charCodeAt(0))

/** Null: nothing that is known; a disk as it is, or no disk at all. */
export const formatSaid = (head: Uint8Array): UploadFormat | null =>
  marks.find(([, mark]) => has(head, mark))?.[0] ?? null

const endings: Record<string, UploadFormat> = {
  qcow2: 'qcow2',
  raw: 'raw',
  img: 'raw',
  vmdk: 'vmdk',
  vdi: 'vdi',
  vpc: 'vpc',
  vhd: 'vpc',
  vhdx: 'vhdx',
  iso: 'iso',
  ova: 'ova',
}

/** By the ending of its name; null: one that is not known. */
export const formatNamed = (fileName: string): UploadFormat | null =>
  /\.hdcs\.tar$/i.test(fileName) ? 'hdcs' : (endings[/\.([^./\\]+)$/.exec(fileName)?.[1]?.toLowerCase() ?? ''] ?? null)

/** Why a file that begins so is none of that format; null: it may be one. @param head its first `saidBytes`, or all of it. */
export function formatRefusal(head: Uint8Array, format: UploadFormat): string | null {
  const said = formatSaid(head)
  // An installation disc is a disk as it is, too.
  const other = said !== null && said !== format && !(format === 'raw' && said === 'iso')
  if (other) return `The file is a ${said} image, not ${format}: import it as ${said}.`
  const marked = needed[format]?.some(mark => has(head, mark)) ?? true
  return marked
    ? null
    : `The file is no ${format} image: its first bytes are others. Export it again where it was made.`
}

/** What an administrator should know of a disk as it is before it becomes a template; null: nothing. */
export function rawRemark(head: Uint8Array): string | null {
  if (formatSaid(head) !== null || disks.some(mark => has(head, mark))) return null
  return 'It has neither a boot sector nor a partition table nor a file system that is known here: a desktop made from it may not start.'
}
