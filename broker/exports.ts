/**
 * Template versions as files to take away. A host that has the image makes the file and sends it here, where it lies for
 * a while and is fetched from any byte on; asked for again while it is here, it is given as it is.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Principal } from '../auth/principal.ts'
import {
  type ExportObserved,
  type ExportRow,
  exportArrived,
  exportDelete,
  exportHost,
  exportHostSet,
  exportInsert,
  exportRows,
  exportsStranded,
} from '../db/exports.ts'
import type { ExportFormat } from '../db/schema-exports.ts'
import { versionFind } from '../db/templates.ts'
import { transact } from '../db/transact.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { ImageReport } from '../vmm/report.ts'
import type { Broker } from './broker.ts'
import { versionSubject } from './copies.ts'
import { filesIn } from './kept-files.ts'
import { actionsFrom } from './refusals.ts'
import { taskOpen } from './tasks.ts'

export const exportKind = 'template.export'

/** Longer: the control plane's disk fills with what nobody fetches; shorter: a slow line does not get it in time. */
const keptMs = 24 * 3_600_000

/** What a file is called when it is saved, behind template and version. */
export const exportEndings = {
  hdcs: '.hdcs.tar',
  ova: '.ova',
  qcow2: '.qcow2',
  raw: '.img',
  vmdk: '.vmdk',
} as const satisfies Record<ExportFormat, string>

export const exportsFolder = (uploadFolder: string) => join(uploadFolder, 'exports')
export const exportPath = ({ uploadFolder }: Broker, id: string) => join(exportsFolder(uploadFolder), id)

export const exportView = (row: ExportRow, forbidden: string | undefined) => ({
  format: row.format,
  state: row.state,
  progress: row.progress,
  text: row.text,
  sizeBytes: row.size_bytes,
  sha256: row.sha256,
  trouble: row.trouble,
  expiresAt: row.expires_at?.toISOString() ?? null,
  actions: actionsFrom({
    download: forbidden ?? (row.state === 'ready' ? undefined : 'it is not made yet'),
    remove: forbidden,
  }),
})

/**
 * Wishes a file of a version. One that is being made or lies here already is the same one.
 * @throws HdcsError `not_found`; `conflict` for a version that is not made yet; `unreachable` while no host has it.
 */
export async function exportMake(
  broker: Broker,
  principal: Principal,
  templateId: string,
  { number, format }: { number: number; format: ExportFormat },
) {
  const now = broker.clock.now()
  return transact(broker.db, async tx => {
    const version = await versionFind(tx, templateId, number)
    if (!version) throw new HdcsError('not_found', 'There is no such template version.')
    if (version.state !== 'sealed')
      throw new HdcsError('conflict', `Version ${number} is not made yet: export it when it is.`)
    const subject = versionSubject(version.id, version.template_name, number)
    const receipt = (exportId: string, done = false) =>
      taskOpen(tx, { kind: exportKind, subject, requestedBy: principal, goal: { exportId, format }, done }, now)
    const known = (await exportRows(tx, { versionIds: [version.id] })).find(row => row.format === format)
    if (known && known.state !== 'failed') return receipt(known.id, known.state === 'ready')
    const host_id = await exportHost(tx, version.id)
    if (host_id === undefined)
      throw new HdcsError('unreachable', 'No host that has this version is online: try again when one is.')
    const id = newId(now.getTime())
    await exportInsert(tx, { id, version_id: version.id, format, host_id })
    return receipt(id)
  })
}

async function exportFound(broker: Broker, templateId: string, { number, format }: { number: number; format: string }) {
  const version = await versionFind(broker.db, templateId, number)
  const rows = version ? await exportRows(broker.db, { versionIds: [version.id] }) : []
  const row = rows.find(found => found.format === format)
  if (!version || !row) throw new HdcsError('not_found', 'There is no such file of this version: export it first.')
  return { version, row }
}

/** The file goes; one that is being made is not made any more. @throws HdcsError `not_found`. */
export async function exportRemove(
  broker: Broker,
  templateId: string,
  which: { number: number; format: ExportFormat },
): Promise<void> {
  const { row } = await exportFound(broker, templateId, which)
  await exportDelete(broker.db, row.id)
  await rm(exportPath(broker, row.id), { force: true })
}

/** Where the file lies and what it is called. @throws HdcsError `not_found`; `conflict` while it is made. */
export async function exportFile(
  broker: Broker,
  templateId: string,
  which: { number: number; format: ExportFormat },
): Promise<{ path: string; name: string; sizeBytes: number; sha256: string }> {
  const { version, row } = await exportFound(broker, templateId, which)
  if (row.state !== 'ready' || row.size_bytes === null || row.sha256 === null)
    throw new HdcsError('conflict', 'The file is not made yet: wait for its task.')
  const name = `${version.template_name}-${which.number}${exportEndings[row.format]}`
  return { path: exportPath(broker, row.id), name, sizeBytes: row.size_bytes, sha256: row.sha256 }
}

/** A host comes with a file. @throws HdcsError `not_found` when it is not wished of this host (any more). */
export async function exportToReceive(broker: Broker, hostId: string, id: string): Promise<void> {
  const [row] = await exportRows(broker.db, { id })
  if (row?.host_id !== hostId || row.state !== 'making')
    throw new HdcsError('not_found', 'This file is not wished any more.')
}

/** All of it came and is what it was said to be. @throws HdcsError as {@link exportToReceive}. */
export async function exportReceived(
  broker: Broker,
  hostId: string,
  id: string,
  { sizeBytes, sha256 }: { sizeBytes: number; sha256: string },
): Promise<void> {
  const expires_at = new Date(broker.clock.now().getTime() + keptMs)
  if (await exportArrived(broker.db, id, { hostId, size_bytes: sizeBytes, sha256, expires_at })) return
  await rm(exportPath(broker, id), { force: true })
  throw new HdcsError('not_found', 'This file is not wished any more.')
}

/** A host's word on a file that it makes. */
export const exportObserved = (image: ImageReport): ExportObserved => ({
  id: image.id,
  state: image.state === 'failed' ? 'failed' : 'making',
  // Whole only when it is here.
  progress: Math.min(99, Math.round(image.progress)),
  text: image.text,
  trouble: image.trouble,
})

/** Another host makes what its host cannot; files that nobody fetched in time, or whose version is gone, go. */
export async function exportsSettle(broker: Broker): Promise<void> {
  // Listed before the rows are read: a row is always there before its file.
  const files = await filesIn(exportsFolder(broker.uploadFolder))
  for (const { id, version_id, host_id } of await exportsStranded(broker.db)) {
    const next = (await exportHost(broker.db, version_id)) ?? null
    if (next === host_id) continue
    await exportHostSet(broker.db, id, next, next ? 'waits for its host' : 'waits for a host that has it')
  }
  const rows = await exportRows(broker.db)
  const nowMs = broker.clock.now().getTime()
  const over = rows.filter(({ expires_at }) => expires_at !== null && expires_at.getTime() <= nowMs)
  for (const { id } of over) await exportDelete(broker.db, id)
  const kept = new Set(rows.filter(row => !over.includes(row)).map(({ id }) => id))
  for (const id of files) if (!kept.has(id)) await rm(exportPath(broker, id), { force: true })
}
