/** A pool as its form holds it, and back. Pure: the words stand in the message files. */
import type { Ask } from '../../api/client.ts'
import type { Pool, Template } from '../data/nouns.ts'

export interface PoolValues {
  name: string
  description: string
  kind: Pool['kind']
  templateId: string
  /** `newest`, or a number as text: what a select holds. */
  templateVersion: string
  minSize: number | string
  maxSize: number | string
  warm: number | string
  cold: number | string
  maxPerUser: number | string
  vcpus: number | string
  memoryMib: number | string
  video: Pool['hardware']['video']
  sound: boolean
  enabled: boolean
}

const MiB = 2 ** 20

/** Defaults that work: one warm desktop, ten at most. */
export function emptyPool(templates: readonly Template[], wantedId?: string): PoolValues {
  const usable = (template: Template) => template.versions.some(version => version.state === 'sealed')
  const template = templates.find(({ id }) => id === wantedId) ?? templates.find(usable) ?? templates[0]
  return {
    name: '',
    description: '',
    kind: 'floating',
    templateId: template?.id ?? '',
    templateVersion: 'newest',
    minSize: 0,
    maxSize: 10,
    warm: 1,
    cold: 0,
    maxPerUser: 1,
    vcpus: template?.hardware.vcpus ?? 1,
    memoryMib: (template?.hardware.memoryBytes ?? 1024 * MiB) / MiB,
    video: template?.hardware.video ?? 'virtio',
    sound: template?.hardware.sound ?? false,
    enabled: true,
  }
}

export const valuesOf = (pool: Pool): PoolValues => ({
  name: pool.name,
  description: pool.description,
  kind: pool.kind,
  templateId: pool.templateId,
  templateVersion: pool.templateVersion === null ? 'newest' : String(pool.templateVersion),
  minSize: pool.minSize,
  maxSize: pool.maxSize,
  warm: pool.warm,
  cold: pool.cold,
  maxPerUser: pool.maxPerUser,
  vcpus: pool.hardware.vcpus,
  memoryMib: pool.hardware.memoryBytes / MiB,
  video: pool.hardware.video,
  sound: pool.hardware.sound,
  enabled: pool.enabled,
})

const nameForm = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/
const whole = (value: number | string, least: number) =>
  value !== '' && Number.isInteger(Number(value)) && Number(value) >= least

/** Field → message key of what is wrong with it. Empty: nothing. */
export function wrongIn(values: PoolValues) {
  const wrong: Partial<Record<keyof PoolValues, PoolWrong>> = {}
  if (!values.name) wrong.name = 'pools.form.nameMissing'
  else if (!nameForm.test(values.name)) wrong.name = 'pools.form.nameBad'
  if (!values.templateId) wrong.templateId = 'pools.form.templateMissing'
  for (const field of ['minSize', 'maxSize', 'warm', 'cold'] as const)
    if (!whole(values[field], 0)) wrong[field] = 'pools.form.wholeNumber'
  for (const field of ['maxPerUser', 'vcpus', 'memoryMib'] as const)
    if (!whole(values[field], 1)) wrong[field] = 'pools.form.atLeastOne'
  if (!wrong.maxSize && !wrong.minSize && Number(values.maxSize) < Number(values.minSize))
    wrong.maxSize = 'pools.form.maxLess'
  return wrong
}
type PoolWrong =
  `pools.form.${'nameMissing' | 'nameBad' | 'templateMissing' | 'wholeNumber' | 'atLeastOne' | 'maxLess'}`

export const updateBody = (values: PoolValues): Ask<'poolUpdate'>['body'] => ({
  name: values.name,
  description: values.description,
  templateVersion: values.templateVersion === 'newest' ? null : Number(values.templateVersion),
  minSize: Number(values.minSize),
  maxSize: Number(values.maxSize),
  warm: Number(values.warm),
  cold: Number(values.cold),
  maxPerUser: Number(values.maxPerUser),
  hardware: {
    vcpus: Number(values.vcpus),
    memoryBytes: Number(values.memoryMib) * MiB,
    video: values.video,
    sound: values.sound,
  },
  enabled: values.enabled,
})

export const createBody = (values: PoolValues): Ask<'poolCreate'>['body'] => ({
  ...updateBody(values),
  name: values.name,
  kind: values.kind,
  templateId: values.templateId,
})

/** The form's field for a field of the API, where the server's own words belong. */
export function fieldOf(path: string): string {
  const renamed: Record<string, keyof PoolValues> = {
    'hardware.vcpus': 'vcpus',
    'hardware.memoryBytes': 'memoryMib',
    'hardware.video': 'video',
    'hardware.sound': 'sound',
  }
  return renamed[path] ?? path
}
