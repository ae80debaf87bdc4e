/**
 * A template version as one file: a tar whose first member is `manifest.json` and whose second is the disk's image. What
 * stands in the manifest is what an import restores; its checksum is the disk's. An appliance of others (`.ova`) begins
 * with its descriptor instead. Both are recognised by their first bytes.
 */
import { z } from 'zod'
import { HdcsError } from './errors.ts'
import { diskBuses, firmwares, hardwareDefaults } from './hardware.ts'
import { mostOvfBytes, type Ovf, ovfRead } from './ovf.ts'
import { blockBytes, makeTarReader } from './tar.ts'

export const manifestName = 'manifest.json'

/** So much of a file's beginning holds its manifest or descriptor. */
export const headBytes = mostOvfBytes + 16 * blockBytes

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/)

/** Fields that a newer version adds are dropped; what is here is understood by all that know `format` 1. */
export const manifestSchema = z.object({
  kind: z.literal('hdcs-template'),
  format: z.literal(1),
  template: z.object({
    name: z.string().min(1).max(200),
    description: z.string().max(500),
    hardware: z.object({
      vcpus: z.int().min(1).max(64),
      memoryBytes: z.int().min(64 * 2 ** 20),
      video: z.enum(['vga', 'virtio', 'qxl']),
      diskBytes: z.int().positive().nullable(),
      sound: z.boolean(),
      firmware: z.enum(firmwares).default(hardwareDefaults.firmware),
      diskBus: z.enum(diskBuses).default(hardwareDefaults.diskBus),
    }),
    readyWhen: z.enum(['agent', 'running']),
  }),
  version: z.object({ number: z.int().positive(), notes: z.string().max(2000), madeAt: z.iso.datetime() }),
  disk: z.object({
    file: z.literal('disk.qcow2'),
    format: z.literal('qcow2'),
    virtualBytes: z.int().positive(),
    sizeBytes: z.int().positive(),
    sha256: sha256Schema,
  }),
})
export type TemplateManifest = z.output<typeof manifestSchema>

const refused = (reason: string) => new HdcsError('invalid', `The template file cannot be taken: ${reason}`)

/** @throws HdcsError `invalid`, `unsupported` (of a newer version). */
export function manifestParse(text: string): TemplateManifest {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new HdcsError('invalid', 'The template file cannot be taken: its manifest is no JSON.', { cause })
  }
  const version = z.object({ kind: z.literal('hdcs-template'), format: z.number() }).safeParse(json)
  if (version.success && version.data.format !== 1)
    throw new HdcsError('unsupported', 'A newer version of HDCS wrote the file: update this one, then import it.')
  const read = manifestSchema.safeParse(json)
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw refused(`its manifest says nothing sensible of ${issue?.path.join('.') || 'itself'}. Export it again.`)
}

export type FileHead =
  | { kind: 'hdcs'; manifest: TemplateManifest }
  | { kind: 'ova'; ovf: Ovf }
  /** No archive: a disk image of some format. */
  | { kind: 'image' }

/**
 * What a file says of itself in its first `headBytes` (fewer where it is shorter).
 * @throws HdcsError `invalid`, `unsupported` for an archive that an import would refuse by its head.
 */
export function fileHead(head: Uint8Array): FileHead {
  if (Buffer.from(head.subarray(257, 262)).toString('latin1') !== 'ustar') return { kind: 'image' }
  const pieces: Uint8Array[] = []
  let name: string | undefined
  for (const event of makeTarReader().feed(head)) {
    if (event.type === 'member') {
      if (event.name !== manifestName && !event.name.toLowerCase().endsWith('.ovf'))
        throw refused('an archive of a template begins with manifest.json, an appliance with its .ovf.')
      if (event.sizeBytes > mostOvfBytes) throw refused('what it says of itself is too long.')
      name = event.name
    } else if (event.type === 'data') pieces.push(event.bytes)
    else break
  }
  const text = new TextDecoder().decode(Buffer.concat(pieces))
  return name === manifestName ? { kind: 'hdcs', manifest: manifestParse(text) } : { kind: 'ova', ovf: ovfRead(text) }
}
