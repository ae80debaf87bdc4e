/**
 * An uploaded archive, an appliance (`.ova`) or a template file of ours (`.hdcs.tar`), taken apart: its one disk becomes a
 * file of its own that is checked and converted as any image from outside. Only what is needed is written, under a name of
 * ours, and every checksum that the archive carries of it must be right.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { HdcsError } from '../lib/errors.ts'
import { type ManifestLine, manifestRead, mostOvfBytes, type Ovf, ovfRead } from '../lib/ovf.ts'
import { makeTarReader } from '../lib/tar.ts'
import { manifestName, manifestParse, type TemplateManifest } from '../lib/template-file.ts'
import { isFull } from './disks.ts'
import type { ImageFormat } from './image-check.ts'

export const archiveFormats = ['ova', 'hdcs'] as const
export type ArchiveFormat = (typeof archiveFormats)[number]

const readBytes = 2 ** 20
const algorithms = ['sha1', 'sha256', 'sha512'] as const
type Digests = Record<(typeof algorithms)[number], string>

const refused = (reason: string) => new HdcsError('invalid', `The archive cannot be taken: ${reason}`)

/** What is known of an archive so far. */
interface Contents {
  ovf: { name: string; read: Ovf } | null
  manifest: TemplateManifest | null
  /** Of the appliance's `.mf`; null: it has none. */
  lines: Map<string, ManifestLine> | null
  digests: Map<string, Digests>
  diskSeen: boolean
}

interface Work {
  /** Where the disk is written to; removed by the caller. */
  folder: string
  signal: AbortSignal
  progress: (percent: number) => void
}

/**
 * @returns where the disk is, and what kind of image by its own first bytes.
 * @throws HdcsError `invalid`, `unsupported` with what to do; `storage_full`; `cancelled`.
 */
export async function archiveUnpack(
  path: string,
  { format, sizeBytes }: { format: ArchiveFormat; sizeBytes: number },
  { folder, signal, progress }: Work,
): Promise<{ disk: string; format: ImageFormat }> {
  const disk = join(folder, 'disk')
  await using file = await open(disk, 'wx', 0o600)
  const contents: Contents = { ovf: null, manifest: null, lines: null, digests: new Map(), diskSeen: false }
  const reader = makeTarReader()
  let member: Member | null = null
  let first: Uint8Array = new Uint8Array(0)
  let readSoFar = 0
  for await (const chunk of createReadStream(path, { highWaterMark: readBytes })) {
    if (signal.aborted) throw new HdcsError('cancelled', 'The import was cancelled.')
    for (const event of reader.feed(chunk as Buffer))
      if (event.type === 'member') member = memberOf(contents, format, event)
      else if (event.type === 'data') {
        for (const hash of member?.hashes ?? []) hash.update(event.bytes)
        if (member?.role === 'disk') {
          if (first.length < magicBytes) first = Buffer.concat([first, event.bytes.subarray(0, magicBytes)])
          await file.write(event.bytes).catch(diskFull)
        } else if (member && member.role !== 'other') member.pieces.push(Buffer.from(event.bytes))
      } else if (member) memberEnd(contents, member)
    readSoFar += (chunk as Buffer).length
    progress((readSoFar * 100) / Math.max(1, sizeBytes))
  }
  reader.finish()
  prove(contents)
  return { disk, format: diskFormat(first) }
}

interface Member {
  name: string
  role: 'ovf' | 'mf' | 'manifest' | 'disk' | 'other'
  pieces: Buffer[]
  hashes: ReturnType<typeof createHash>[]
}

/** What a member is for. The first says what the archive is, so that everything behind it can be read in one go. */
function memberOf(contents: Contents, format: ArchiveFormat, { name, sizeBytes }: { name: string; sizeBytes: number }) {
  const role = roleOf(contents, format, name)
  const isText = role === 'ovf' || role === 'mf' || role === 'manifest'
  if (isText && sizeBytes > mostOvfBytes) throw refused(`its ${name} is too long.`)
  if (role === 'disk' && contents.diskSeen) throw refused('it holds its disk twice.')
  if (role === 'disk') contents.diskSeen = true
  const hashes = role === 'ovf' || role === 'disk' ? algorithms.map(algorithm => createHash(algorithm)) : []
  return { name, role, pieces: [], hashes } satisfies Member as Member
}

function roleOf({ ovf, manifest, lines }: Contents, format: ArchiveFormat, name: string): Member['role'] {
  const ending = name.toLowerCase().split('.').at(-1)
  if (format === 'hdcs') {
    if (!manifest && name !== manifestName)
      throw refused(`it does not begin with ${manifestName}: it is no template file.`)
    return !manifest ? 'manifest' : name === manifest.disk.file ? 'disk' : 'other'
  }
  if (!ovf && ending !== 'ovf') throw refused('an appliance begins with its .ovf descriptor. Export it again.')
  if (!ovf) return 'ovf'
  if (ending === 'ovf') throw refused('it holds two descriptors.')
  if (ending === 'mf' && lines) throw refused('it holds two manifests.')
  return ending === 'mf' ? 'mf' : name === ovf.read.disk.href ? 'disk' : 'other'
}

function memberEnd(contents: Contents, { name, role, pieces, hashes }: Member): void {
  const text = () => Buffer.concat(pieces).toString('utf8')
  const [sha1 = '', sha256 = '', sha512 = ''] = hashes.map(hash => hash.digest('hex'))
  if (hashes.length > 0) contents.digests.set(name, { sha1, sha256, sha512 })
  if (role === 'ovf') contents.ovf = { name, read: ovfRead(text()) }
  if (role === 'mf') contents.lines = manifestRead(text())
  if (role === 'manifest') contents.manifest = manifestParse(text())
}

/** An appliance need not have a manifest; one that has it must have every file in it that is used. */
function prove({ ovf, manifest, lines, digests }: Contents): void {
  const diskName = manifest?.disk.file ?? ovf?.read.disk.href ?? ''
  if (!digests.has(diskName)) throw refused(`its disk (${diskName.slice(0, 100)}) is not in it. Export it again.`)
  if (manifest && digests.get(diskName)?.sha256 !== manifest.disk.sha256) throw wrongDigest(diskName)
  if (!lines) return
  for (const [name, found] of digests) {
    const line = lines.get(name)
    if (!line) throw refused(`its manifest has no checksum of ${name.slice(0, 100)}. Export it again.`)
    if (found[line.algorithm] !== line.digest) throw wrongDigest(name)
  }
}

const wrongDigest = (name: string) =>
  refused(`${name.slice(0, 100)} is not what its checksum says: it was damaged or changed. Export it again.`)

const magicBytes = 512
const magics: [ImageFormat, number, string][] = [
  ['vmdk', 0, 'KDMV'],
  ['qcow2', 0, 'QFI\u00fb'],
  ['vhdx', 0, 'vhdxfile'],
  ['vpc', 0, 'conectix'],
  ['vdi', 0x40, '\u007f\u0010\u00da\u00be'],
]

/** Appliances mostly carry VMDK, and whatever says nothing of itself is refused as none (image-check.ts). */
function diskFormat(first: Uint8Array): ImageFormat {
  const bytes = Buffer.from(first)
  if (bytes[0] === 0x1f && bytes[1] === 0x8b)
    throw new HdcsError('unsupported', 'The appliance’s disk is compressed with gzip. Export it without compression.')
  const found = magics.find(([, at, magic]) => bytes.toString('latin1', at, at + magic.length) === magic)
  return found?.[0] ?? 'vmdk'
}

function diskFull(cause: unknown): never {
  if (isFull(cause))
    throw new HdcsError('storage_full', 'The host’s storage is full: free space or import a smaller image.', { cause })
  throw cause
}
