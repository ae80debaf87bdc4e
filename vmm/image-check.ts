/**
 * Whether a disk image from outside may become a template: decided from what `qemu-img info --output=json` says of it,
 * which reads the header and opens nothing the header names. The dangers are real: a ten-line text VMDK can name
 * `/etc/passwd` as its content, and a convert would copy it into the template.
 */
import { z } from 'zod'
import { sizeText } from '../lib/sizes.ts'

export const imageFormats = ['qcow2', 'raw', 'vmdk', 'vdi', 'vpc', 'vhdx', 'iso'] as const
export type ImageFormat = (typeof imageFormats)[number]

export type ImageVerdict =
  /** `notes` are for the administrator: what is accepted but will not be as it was. */
  | { accepted: true; format: ImageFormat; virtualBytes: number; notes: string[] }
  | { accepted: false; code: 'invalid' | 'unsupported' | 'too_large'; reason: string }

/** The part of QEMU's answer the rules look at; everything else may change between versions. */
const infoSchema = z.object({
  filename: z.string(),
  format: z.string(),
  'virtual-size': z.number().nonnegative(),
  'backing-filename': z.string().optional(),
  'full-backing-filename': z.string().optional(),
  encrypted: z.boolean().optional(),
  'dirty-flag': z.boolean().optional(),
  snapshots: z.array(z.unknown()).optional(),
  'format-specific': z
    .object({
      data: z.object({
        'data-file': z.string().optional(),
        encrypt: z.unknown().optional(),
        corrupt: z.boolean().optional(),
        'create-type': z.string().optional(),
        extents: z.array(z.object({ filename: z.string() })).optional(),
      }),
    })
    .optional(),
})
type ImageInfo = z.infer<typeof infoSchema>

interface Expected {
  /** What the person said it is. */
  format: ImageFormat
  maxVirtualBytes: number
}

/** VMDK files that hold their own content; the other kinds name further files. */
const vmdkTypes = ['monolithicSparse', 'streamOptimized']

function dataOf(info: ImageInfo) {
  return info['format-specific']?.data ?? {}
}

/** First rule that answers wins; order is from "what is it" to "how is it". */
const rules: ((info: ImageInfo, expected: Expected) => Extract<ImageVerdict, { accepted: false }> | null)[] = [
  ({ format }, expected) => {
    const wanted = expected.format === 'iso' ? 'raw' : expected.format
    if (format === wanted) return null
    if (format === 'raw') return refused('invalid', `The file is no ${expected.format} image.`)
    if (!imageFormats.includes(format as ImageFormat))
      return refused('unsupported', `Images of the format ${format} are not imported; use ${imageFormats.join(', ')}.`)
    return refused('invalid', `The file is a ${format} image, not ${expected.format}: import it as ${format}.`)
  },
  info =>
    info['backing-filename'] === undefined && info['full-backing-filename'] === undefined
      ? null
      : refused('invalid', 'The image stands on another file (a backing file). Convert it to a file of its own first.'),
  info =>
    dataOf(info)['data-file'] === undefined
      ? null
      : refused('invalid', 'The image keeps its content in another file (a data file). Convert it to one file first.'),
  info => {
    if (info.format !== 'vmdk') return null
    const { 'create-type': type = 'unknown', extents = [] } = dataOf(info)
    return vmdkTypes.includes(type) && extents.every(extent => extent.filename === info.filename)
      ? null
      : refused('invalid', `The VMDK (${type}) names other files. Export it as one file (streamOptimized) first.`)
  },
  info =>
    info.encrypted || dataOf(info).encrypt !== undefined
      ? refused('unsupported', 'The image is encrypted; it can be neither checked nor sealed.')
      : null,
  info =>
    info['dirty-flag'] || dataOf(info).corrupt
      ? refused(
          'invalid',
          'The image is marked as damaged or still in use. Repair it where it was made (qemu-img check -r).',
        )
      : null,
  (info, { maxVirtualBytes }) =>
    info['virtual-size'] > maxVirtualBytes
      ? refused(
          'too_large',
          `The image's disk has ${sizeText(info['virtual-size'])}, ${sizeText(maxVirtualBytes)} are allowed.`,
        )
      : null,
  info => (info['virtual-size'] === 0 ? refused('invalid', 'The image is empty.') : null),
]

function refused(code: 'invalid' | 'unsupported' | 'too_large', reason: string) {
  return { accepted: false, code, reason } as const
}

/** @param info the parsed answer of `qemu-img info --output=json`, of any shape */
export function imageCheck(info: unknown, expected: Expected): ImageVerdict {
  const parsed = infoSchema.safeParse(info)
  if (!parsed.success) return refused('invalid', 'The file is not a disk image that can be read.')
  for (const rule of rules) {
    const refusal = rule(parsed.data, expected)
    if (refusal) return refusal
  }
  const snapshots = parsed.data.snapshots?.length ?? 0
  return {
    accepted: true,
    format: expected.format,
    virtualBytes: parsed.data['virtual-size'],
    notes: snapshots === 0 ? [] : [`Its ${snapshots} internal snapshots are not taken over.`],
  }
}

/** Where an ISO 9660 file says `CD001`: 1 byte into sector 16 of 2048 bytes (ECMA-119 §8.1). */
export const isoMarkAt = 32_769

/** @param bytes what stands at {@link isoMarkAt} */
export function isoMarked(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 5)).toString('latin1') === 'CD001'
}
