/** A cluster as its form holds it, and back. Pure: the words stand in the message files. */
import type { Ask } from '../../api/client.ts'
import { commandForm } from '../../lib/commands-folder.ts'
import type { Cluster } from '../data/nouns.ts'
import { bytesPerSecondOf, limitOf } from './copies.ts'
import { nameForm } from './name-form.ts'

type Field = number | string
export interface ClusterValues {
  name: string
  siteId: string
  /** Empty: the next free one is taken. */
  supernet: string
  portFrom: Field
  portTo: Field
  placement: Cluster['placement']
  /** Empty: as its hosts' acceleration says. */
  vcpusPerCore: Field
  memoryReservePercent: Field
  personReservePercent: Field
  suspectSeconds: Field
  lostSeconds: Field
  binDays: Field
  /** MiB/s; empty: none. */
  imageLimit: Field
  fenceCommand: string
  powerCommand: string
}

/** What a new cluster has unless somebody says otherwise: the API's own defaults, shown so that they can be judged. */
export const emptyCluster = (siteId: string): ClusterValues => ({
  name: '',
  siteId,
  supernet: '',
  portFrom: 16_000,
  portTo: 31_999,
  placement: 'spread',
  vcpusPerCore: '',
  memoryReservePercent: 10,
  personReservePercent: 10,
  suspectSeconds: 8,
  lostSeconds: 15,
  binDays: 7,
  imageLimit: '',
  fenceCommand: '',
  powerCommand: '',
})

export const clusterValuesOf = (cluster: Cluster): ClusterValues => ({
  name: cluster.name,
  siteId: cluster.siteId,
  supernet: cluster.supernet,
  portFrom: cluster.portFrom,
  portTo: cluster.portTo,
  placement: cluster.placement,
  vcpusPerCore: cluster.vcpusPerCore ?? '',
  memoryReservePercent: Math.round(cluster.memoryReserve * 100),
  personReservePercent: Math.round(cluster.personReserve * 100),
  suspectSeconds: cluster.suspectMs / 1000,
  lostSeconds: cluster.lostMs / 1000,
  binDays: cluster.binDays,
  imageLimit: limitOf(cluster.imageBytesPerSecond),
  fenceCommand: cluster.fenceCommand ?? '',
  powerCommand: cluster.powerCommand ?? '',
})

const between = (value: Field, least: number, most: number) =>
  value !== '' && Number.isFinite(Number(value)) && Number(value) >= least && Number(value) <= most
const port = (value: Field) => between(value, 1024, 65_535) && Number.isInteger(Number(value))
const cidrForm = /^(\d{1,3}\.){3}\d{1,3}\/\d{1,2}$/

type ClusterWrong =
  | 'pools.form.nameBad'
  | `clusters.form.${'siteMissing' | 'supernetBad' | 'portBad' | 'portOrder' | 'perCoreBad' | 'reserveBad' | 'secondsBad' | 'lostOrder' | 'commandBad' | 'binBad' | 'imageLimitBad'}`

/** Field → message key of what is wrong with it. Empty: nothing. */
export function wrongInCluster(values: ClusterValues) {
  const wrong: Partial<Record<keyof ClusterValues, ClusterWrong>> = {}
  if (!nameForm.test(values.name)) wrong.name = 'pools.form.nameBad'
  if (!values.siteId) wrong.siteId = 'clusters.form.siteMissing'
  if (values.supernet && !cidrForm.test(values.supernet)) wrong.supernet = 'clusters.form.supernetBad'
  for (const field of ['portFrom', 'portTo'] as const) if (!port(values[field])) wrong[field] = 'clusters.form.portBad'
  if (!wrong.portFrom && !wrong.portTo && Number(values.portTo) < Number(values.portFrom))
    wrong.portTo = 'clusters.form.portOrder'
  if (values.vcpusPerCore !== '' && !between(values.vcpusPerCore, 0.1, 64))
    wrong.vcpusPerCore = 'clusters.form.perCoreBad'
  for (const field of ['memoryReservePercent', 'personReservePercent'] as const)
    if (!between(values[field], 0, 90)) wrong[field] = 'clusters.form.reserveBad'
  if (!between(values.binDays, 0, 3650)) wrong.binDays = 'clusters.form.binBad'
  if (bytesPerSecondOf(values.imageLimit) === undefined) wrong.imageLimit = 'clusters.form.imageLimitBad'
  for (const field of ['suspectSeconds', 'lostSeconds'] as const)
    if (!between(values[field], 4, 3600)) wrong[field] = 'clusters.form.secondsBad'
  for (const field of ['fenceCommand', 'powerCommand'] as const)
    if (values[field].trim() && !commandForm.test(values[field].trim())) wrong[field] = 'clusters.form.commandBad'
  if (!wrong.suspectSeconds && !wrong.lostSeconds && Number(values.lostSeconds) <= Number(values.suspectSeconds))
    wrong.lostSeconds = 'clusters.form.lostOrder'
  return wrong
}

export const clusterUpdateBody = (values: ClusterValues): Ask<'clusterUpdate'>['body'] => ({
  name: values.name,
  siteId: values.siteId,
  ...(values.supernet && { supernet: values.supernet }),
  portFrom: Number(values.portFrom),
  portTo: Number(values.portTo),
  placement: values.placement,
  vcpusPerCore: values.vcpusPerCore === '' ? null : Number(values.vcpusPerCore),
  memoryReserve: Number(values.memoryReservePercent) / 100,
  personReserve: Number(values.personReservePercent) / 100,
  suspectMs: Math.round(Number(values.suspectSeconds) * 1000),
  lostMs: Math.round(Number(values.lostSeconds) * 1000),
  binDays: Math.round(Number(values.binDays)),
  imageBytesPerSecond: bytesPerSecondOf(values.imageLimit) ?? null,
  fenceCommand: values.fenceCommand.trim() || null,
  powerCommand: values.powerCommand.trim() || null,
})

export const clusterCreateBody = (values: ClusterValues): Ask<'clusterCreate'>['body'] => ({
  ...clusterUpdateBody(values),
  name: values.name,
})

/** The form's field for a field of the API, where the server's own words belong. */
export function clusterFieldOf(path: string): string {
  const renamed: Record<string, keyof ClusterValues> = {
    memoryReserve: 'memoryReservePercent',
    personReserve: 'personReservePercent',
    suspectMs: 'suspectSeconds',
    lostMs: 'lostSeconds',
    imageBytesPerSecond: 'imageLimit',
  }
  return renamed[path] ?? path
}
