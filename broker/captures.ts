/** A template version made of a desktop's disk: which desktop may give one, and what stands in the version of it. */
import type { Principal } from '../auth/principal.ts'
import type { Tx } from '../db/connect.ts'
import { desktopLock, desktopRows } from '../db/desktops.ts'
import { hostEnds } from '../db/host-ends.ts'
import type { HardwareValue, VersionSource } from '../db/schema.ts'
import { versionReadyWhen } from '../db/templates.ts'
import { HdcsError } from '../lib/errors.ts'
import { desktopActions } from './desktops.ts'

/** What is asked for; the rest of a source is known from the desktop. */
export interface CaptureAsk {
  kind: 'desktop'
  desktopId: string
  seal: boolean
}

export interface Captured {
  source: Extract<VersionSource, { kind: 'desktop' }>
  /** For a template of its own. */
  hardware: HardwareValue
  readyWhen: 'agent' | 'running'
}

/**
 * Locks the desktop, so that nobody starts it before the version is on record.
 * @throws HdcsError `not_found`; `conflict` with the reason when it cannot give one now.
 */
export async function captureSource(tx: Tx, principal: Principal, { desktopId, seal }: CaptureAsk): Promise<Captured> {
  await desktopLock(tx, desktopId)
  const [row] = await desktopRows(tx, { ids: [desktopId] })
  if (!row) throw atField('There is no such desktop.', 'not_found')
  const refused = desktopActions(row, principal).find(({ name }) => name === 'capture')?.reason
  if (refused !== undefined) throw atField(`${row.name}: ${refused}.`)
  const { clusterId, storageId } = (await hostEnds(tx)).get(row.host_id) ?? {}
  if (!clusterId || !storageId)
    throw new HdcsError('conflict', `${row.host_name} has not said yet which storage it has: try again.`)
  const source = {
    kind: 'desktop' as const,
    desktopId,
    desktopName: row.name,
    seal,
    incarnation: row.wished_incarnation,
    versionId: row.version_id,
    clusterId,
    storageId,
  }
  // Its disk is the image: as large as it is by now.
  return {
    source,
    hardware: { ...row.hardware, diskBytes: null },
    readyWhen: await versionReadyWhen(tx, row.version_id),
  }
}

const atField = (message: string, code: 'conflict' | 'not_found' = 'conflict') =>
  new HdcsError(code, message, { fields: [{ field: 'body.source.desktopId', message }] })
