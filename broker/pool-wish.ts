/** What an administrator may wish of a pool: its defaults, its checks, and the columns it goes to. */
import type { Tx } from '../db/connect.ts'
import { clustersUnknown } from '../db/placements.ts'
import type { PoolNew } from '../db/pools.ts'
import type { HardwareValue } from '../db/schema.ts'
import type { Affinity, NetworkValue, PlacementPolicy } from '../db/schema-hosts.ts'
import { templateRows, versionRows } from '../db/templates.ts'
import { HdcsError } from '../lib/errors.ts'
import { sizeText } from '../lib/sizes.ts'
import type { CustomiseAsked } from './customisation.ts'
import { type NetworkAsked, networkChecked } from './pool-network.ts'

export interface PoolWish {
  name: string
  description: string
  templateVersion: number | null
  minSize: number
  maxSize: number
  warm: number
  cold: number
  maxPerUser: number
  hardware: { [K in keyof HardwareValue]?: HardwareValue[K] | undefined }
  start: 'boot'
  enabled: boolean
  clusterIds: string[]
  placement: PlacementPolicy | null
  affinity: Affinity
  needs: string[]
  network: NetworkAsked
  ha: 'restart' | 'wait'
  /** Null: nothing is run. */
  customise: CustomiseAsked | null
}
export type Partly<T> = { [K in keyof T]?: T[K] | undefined }

export const defaults = {
  description: '',
  templateVersion: null,
  minSize: 0,
  maxSize: 10,
  warm: 1,
  cold: 0,
  maxPerUser: 1,
  enabled: true,
  hardware: {},
} satisfies Partial<PoolWish>

const columns = {
  name: 'name',
  description: 'description',
  templateVersion: 'template_version',
  minSize: 'min_size',
  maxSize: 'max_size',
  warm: 'warm',
  cold: 'cold',
  maxPerUser: 'max_per_user',
  enabled: 'enabled',
  clusterIds: 'cluster_ids',
  placement: 'placement',
  affinity: 'affinity',
  needs: 'needs',
  ha: 'ha',
} as const satisfies Partial<Record<keyof PoolWish, keyof PoolNew>>

type Columns<T extends Partly<PoolWish>> = {
  [K in keyof typeof columns as K extends keyof T ? (typeof columns)[K] : never]: K extends keyof T
    ? Exclude<T[K], undefined>
    : never
} & (T extends { hardware: unknown } ? { hardware: string } : { hardware?: string }) & { network?: string }

/** The columns of what was given; what was not keeps what stands. */
export function columnsOf<T extends Partly<PoolWish>>(given: T): Columns<T> {
  const named = Object.entries(columns).filter(([field]) => given[field as keyof PoolWish] !== undefined)
  return {
    ...Object.fromEntries(named.map(([field, column]) => [column, given[field as keyof PoolWish]])),
    ...(given.hardware && { hardware: JSON.stringify(given.hardware) }),
    ...(given.network && { network: JSON.stringify(given.network) }),
  } as Columns<T>
}

/** What was given; fields that are absent or undefined keep what stands. */
export const defined = <T extends object>(body: T) =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }

/**
 * @returns the fields that are written in one form whatever form they came in.
 * @throws HdcsError `invalid` with what does not fit together.
 */
export async function wishChecked(
  tx: Tx,
  templateId: string,
  wish: Pick<PoolWish, 'minSize' | 'maxSize' | 'warm' | 'cold' | 'templateVersion'> &
    Partial<Pick<PoolWish, 'clusterIds' | 'network'>> & {
      hardware: Partial<Pick<HardwareValue, 'diskBytes'>> | PoolWish['hardware']
      maxVirtualBytes: number
      /** Neither the disk nor what it stands on is changed: a pool made before disks were asked for can be renamed. */
      diskKept?: boolean
    },
): Promise<{ network?: NetworkValue; clusterIds?: string[] }> {
  const [template] = await templateRows(tx, { ids: [templateId] })
  if (!template) throw new HdcsError('invalid', 'There is no such template.')
  if (wish.minSize > wish.maxSize)
    throw new HdcsError('invalid', `The smallest size (${wish.minSize}) is above the largest (${wish.maxSize}).`)
  if (wish.warm + wish.cold > wish.maxSize)
    throw new HdcsError(
      'invalid',
      `Warm and cold desktops (${wish.warm} + ${wish.cold}) are more than the largest size (${wish.maxSize}).`,
    )
  const versions = await versionRows(tx, [templateId])
  const named = versions.find(version => version.number === wish.templateVersion)
  if (wish.templateVersion !== null && !named)
    throw new HdcsError('invalid', `${template.name} has no version ${wish.templateVersion}.`)
  const { diskBytes } = wish.hardware
  const smallest = (named ?? versions.find(version => version.state === 'sealed'))?.virtual_bytes ?? 0
  if (diskBytes && (diskBytes < smallest || diskBytes > wish.maxVirtualBytes))
    throw atDisk(diskRange(smallest, wish.maxVirtualBytes))
  const made = named ?? versions.find(version => version.state === 'sealed') ?? versions[0]
  const disk = diskBytes === undefined ? template.hardware.diskBytes : diskBytes
  if (made?.source.kind === 'blank' && !wish.diskKept && disk === null) throw atDisk(diskMissing)
  return {
    ...(wish.clusterIds && { clusterIds: await clustersChecked(tx, wish.clusterIds) }),
    ...(wish.network && { network: networkChecked(wish.network) }),
  }
}

/** Of an empty disk, which would be too small for whatever is installed on it. */
export const diskMissing =
  'The template is an empty disk: say how large the desktop’s own shall be, in the pool or for this desktop.'

export const diskRange = (least: number, most: number) =>
  `The disk must have ${sizeText(least)} (the template’s own) to ${sizeText(most)}.`

const atDisk = (message: string) =>
  new HdcsError('invalid', message, { fields: [{ field: 'body.hardware.diskBytes', message }] })

async function clustersChecked(tx: Tx, ids: string[]): Promise<string[]> {
  const unknown = await clustersUnknown(tx, ids)
  if (unknown.length === 0) return [...new Set(ids)]
  const text = `There is no cluster ${unknown.join(', ')}: choose from the clusters there are.`
  throw new HdcsError('invalid', text, { fields: [{ field: 'body.clusterIds', message: text }] })
}
