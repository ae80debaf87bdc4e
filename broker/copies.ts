/** Template versions on their way to other clusters: wished here, fetched by the hosts there, judged from what they say. */
import type { Principal } from '../auth/principal.ts'
import { clusterRows } from '../db/clusters.ts'
import type { Db, Tx } from '../db/connect.ts'
import { type CopyRow, copyDelete, copyRows, copyWish } from '../db/copies.ts'
import type { CopyState, HostState, TroubleValue } from '../db/schema.ts'
import { versionFind } from '../db/templates.ts'
import { transact } from '../db/transact.ts'
import { counted } from '../lib/counted.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Broker } from './broker.ts'
import { actionsFrom } from './refusals.ts'
import { taskOpen } from './tasks.ts'

export const copyKind = 'template.copy'

/** Of receipts about a version. */
export const versionSubject = (id: string, templateName: string, number: number) => ({
  type: 'version',
  id,
  name: `${templateName} version ${number}`,
})

export const copyView = (row: CopyRow, forbidden: string | undefined) => ({
  clusterId: row.cluster_id,
  clusterName: row.cluster_name,
  state: row.state,
  progress: row.progress,
  text: row.text,
  trouble: row.trouble,
  bytesPerSecond: row.bytes_per_second,
  actions: actionsFrom({ remove: forbidden ?? staysBecause(row) }),
})

const staysBecause = ({ at_home, desktops }: CopyRow) =>
  at_home
    ? 'it was made there: remove the version instead'
    : desktops > 0
      ? `${counted(desktops, 'desktop stands', 'desktops stand')} on it there`
      : undefined

export interface CopyAsk {
  clusterId: string
  /** At most; null: as fast as it goes. */
  bytesPerSecond: number | null
}

/** What is to be copied, and where to. @throws HdcsError as `copyMake` does. */
export async function copyAsked(db: Db | Tx, templateId: string, number: number, clusterId: string) {
  const version = await versionFind(db, templateId, number)
  if (!version) throw new HdcsError('not_found', 'There is no such template version.')
  const [cluster] = await clusterRows(db, { ids: [clusterId] })
  if (!cluster) throw new HdcsError('not_found', 'There is no such cluster.')
  if (version.source.kind !== 'desktop')
    throw new HdcsError('conflict', 'Every cluster makes this version by itself: nothing has to be copied.')
  if (version.state !== 'sealed')
    throw new HdcsError('conflict', `Version ${number} is not made yet: copy it when it is.`)
  return { version, cluster }
}

/**
 * Wishes a version in a cluster; asked for again, it is tried again and goes on where it broke off, at the new pace.
 * @throws HdcsError `not_found`; `conflict` for a version that every cluster makes by itself, or that is not made yet.
 */
export async function copyMake(
  broker: Broker,
  principal: Principal,
  templateId: string,
  number: number,
  { clusterId, bytesPerSecond }: CopyAsk,
) {
  const now = broker.clock.now()
  return transact(broker.db, async tx => {
    const { version } = await copyAsked(tx, templateId, number, clusterId)
    const wish = { version_id: version.id, cluster_id: clusterId, bytes_per_second: bytesPerSecond }
    const attempt = await copyWish(tx, wish)
    const subject = versionSubject(version.id, version.template_name, number)
    return taskOpen(tx, { kind: copyKind, subject, requestedBy: principal, goal: { clusterId, attempt } }, now)
  })
}

/** @throws HdcsError `not_found`; `conflict` at home, and while desktops of the cluster stand on it. */
export async function copyRemove(broker: Broker, templateId: string, number: number, clusterId: string): Promise<void> {
  await transact(broker.db, async tx => {
    const version = await versionFind(tx, templateId, number)
    const copies = version ? await copyRows(tx, { versionIds: [version.id] }) : []
    const copy = copies.find(({ cluster_id }) => cluster_id === clusterId)
    if (!copy) throw new HdcsError('not_found', 'There is no such copy.')
    const stays = staysBecause(copy)
    if (stays !== undefined) throw new HdcsError('conflict', `It stays: ${stays}.`)
    await copyDelete(tx, copy)
  })
}

/** What a host of the cluster says of the image. */
export interface CopySaid {
  hostState: HostState
  /** It speaks of the attempt that is wished now. */
  current: boolean | null
  state: 'waiting' | 'making' | 'ready' | 'failed' | null
  progress: number | null
  text: string | null
  trouble: TroubleValue | null
}

export interface CopyOutcome {
  state: CopyState
  progress: number
  text: string
  trouble: TroubleValue | null
}

/** Hosts that are away fetch it when they are back: they hold nobody up. Pure. */
export function copyOutcome(said: readonly CopySaid[]): CopyOutcome {
  const there = said.filter(({ hostState }) => hostState === 'online' || hostState === 'maintenance')
  const waits = (text: string): CopyOutcome => ({ state: 'waiting', progress: 0, text, trouble: null })
  if (there.length === 0) return waits('waits for a host of the cluster')
  if (there.every(({ state }) => state === 'ready')) return { state: 'ready', progress: 100, text: '', trouble: null }
  const making = there.filter(({ current, state }) => current && state === 'making')
  const [slowest] = making.toSorted((a, b) => (a.progress ?? 0) - (b.progress ?? 0))
  if (slowest) return { state: 'copying', progress: slowest.progress ?? 0, text: slowest.text ?? '', trouble: null }
  const failed = there.find(({ current, state }) => current && state === 'failed')
  if (failed)
    return {
      state: 'failed',
      progress: failed.progress ?? 0,
      text: '',
      trouble: failed.trouble ?? { code: 'internal', text: 'The image could not be copied.' },
    }
  return waits('waits for its turn')
}
