import { join } from 'node:path'
import type { Principal } from '../auth/principal.ts'
import type { Tx } from '../db/connect.ts'
import { type CopyRow, copyRows, copyWish } from '../db/copies.ts'
import { type ExportRow, exportRows } from '../db/exports.ts'
import type { HardwareValue, VersionSource } from '../db/schema.ts'
import {
  templateDeleteRow,
  templateInsert,
  templateRows,
  templateSet,
  type VersionRow,
  versionArrived,
  versionDeleteRow,
  versionFind,
  versionInsert,
  versionRows,
  versionSet,
} from '../db/templates.ts'
import { transact } from '../db/transact.ts'
import { counted } from '../lib/counted.ts'
import { nameAfter, nameCursor } from '../lib/cursors.ts'
import { HdcsError } from '../lib/errors.ts'
import { hardwareFull } from '../lib/hardware.ts'
import { newId } from '../lib/ids.ts'
import { sectorBytes } from '../lib/image-format.ts'
import { type AnswersAsked, answersView } from './answers-kept.ts'
import type { Broker } from './broker.ts'
import { type CaptureAsk, type Captured, captureSource } from './captures.ts'
import { copyView, versionSubject } from './copies.ts'
import { exportView } from './exports.ts'
import { pageOf } from './pages.ts'
import { defined } from './pool-wish.ts'
import { actionsFrom, conflictWhen } from './refusals.ts'
import { taskOpen } from './tasks.ts'
import { templateAnswers } from './template-answers.ts'

const MiB = 2 ** 20
const GiB = 2 ** 30

/** What each recipe's guest needs; also the defaults of an uploaded image. */
export const recipeHardware: Record<'tiny' | 'desktop' | 'upload' | 'blank', HardwareValue> = {
  tiny: { vcpus: 1, memoryBytes: 96 * MiB, video: 'vga', diskBytes: null, sound: false },
  desktop: { vcpus: 2, memoryBytes: GiB, video: 'virtio', diskBytes: null, sound: true },
  upload: { vcpus: 2, memoryBytes: 2 * GiB, video: 'virtio', diskBytes: null, sound: true },
  // Room for any system of today; thin, so that it costs what is written.
  blank: { vcpus: 2, memoryBytes: 2 * GiB, video: 'virtio', diskBytes: 20 * GiB, sound: true },
}
/** Of the receipts of versions that are made. */
export const makeKind = 'template.make'

/** As it is asked for: of a desktop the rest is known. */
type SourceAsk = Exclude<VersionSource, { kind: 'desktop' }> | CaptureAsk

type PartialHardware = { [K in keyof HardwareValue]?: HardwareValue[K] | undefined }

const sourceView = (source: VersionSource) =>
  source.kind === 'desktop'
    ? { kind: source.kind, desktopId: source.desktopId, desktopName: source.desktopName, seal: source.seal }
    : source

function versionView(
  row: VersionRow,
  { copies, exports }: { copies: readonly CopyRow[]; exports: readonly ExportRow[] },
  administrator: boolean,
) {
  const forbidden = administrator ? undefined : 'only administrators may do this'
  const uses =
    row.desktops > 0
      ? counted(row.desktops, 'desktop stands on it', 'desktops stand on it')
      : row.pinned > 0
        ? counted(row.pinned, 'pool names it', 'pools name it')
        : undefined
  const refusals = {
    upload:
      forbidden ??
      (row.state === 'uploading'
        ? undefined
        : row.state === 'failed'
          ? 'it failed: try it again first'
          : 'it does not wait for a file'),
    retry: forbidden ?? (row.state === 'failed' ? undefined : 'it has not failed'),
    delete: forbidden ?? uses,
    copy:
      forbidden ??
      (row.source.kind !== 'desktop'
        ? 'every cluster makes it by itself'
        : row.state === 'sealed'
          ? undefined
          : 'it is not made yet'),
    export: forbidden ?? (row.state === 'sealed' ? undefined : 'it is not made yet'),
  }
  return {
    id: row.id,
    number: row.number,
    state: row.state,
    progress: row.progress,
    text: row.text,
    source: sourceView(row.source),
    notes: row.notes,
    virtualBytes: row.virtual_bytes,
    storedBytes: row.stored_bytes,
    sha256: row.sha256,
    desktops: row.desktops,
    copies: copies.filter(copy => copy.version_id === row.id).map(copy => copyView(copy, forbidden)),
    exports: exports.filter(file => file.version_id === row.id).map(file => exportView(file, forbidden)),
    trouble: row.trouble,
    createdAt: row.created_at.toISOString(),
    actions: actionsFrom(refusals),
  }
}

function templateView(
  row: Awaited<ReturnType<typeof templateRows>>[number],
  { versions, ...made }: { versions: VersionRow[]; copies: CopyRow[]; exports: ExportRow[] },
  principal: Principal,
) {
  const administrator = principal.permissions.has('template.write')
  const forbidden = administrator ? undefined : 'only administrators may do this'
  const uses =
    row.pools > 0
      ? counted(row.pools, 'pool uses it', 'pools use it')
      : row.desktops > 0
        ? counted(row.desktops, 'desktop stands on it', 'desktops stand on it')
        : undefined
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    hardware: hardwareFull(row.hardware),
    readyWhen: row.ready_when,
    // It may say more of an organisation than who only reads shall know.
    answers: administrator && row.answers ? answersView(row.answers) : null,
    versions: versions.map(version => versionView(version, made, administrator)),
    pools: row.pools,
    desktops: row.desktops,
    createdAt: row.created_at.toISOString(),
    actions: actionsFrom({ update: forbidden, addVersion: forbidden, delete: forbidden ?? uses }),
  }
}

export async function templateList(
  broker: Broker,
  principal: Principal,
  query: { limit: number; cursor?: string | undefined; name?: string | undefined },
) {
  const rows = await templateRows(broker.db, {
    name: query.name,
    after: nameAfter(query.cursor),
    limit: query.limit + 1,
  })
  const { versions, ...made } = await versionsOf(
    broker,
    rows.map(row => row.id),
  )
  return pageOf(
    rows,
    query.limit,
    row => nameCursor(row.name),
    row =>
      templateView(row, { versions: versions.filter(version => version.template_id === row.id), ...made }, principal),
  )
}

async function versionsOf(broker: Broker, templateIds: string[]) {
  const versions = await versionRows(broker.db, templateIds)
  const copied = versions.flatMap(({ id, source }) => (source.kind === 'desktop' ? [id] : []))
  const copies = copied.length > 0 ? await copyRows(broker.db, { versionIds: copied }) : []
  const exports = versions.length > 0 ? await exportRows(broker.db, { versionIds: versions.map(({ id }) => id) }) : []
  return { versions, copies, exports }
}

export async function templateGet(broker: Broker, principal: Principal, id: string) {
  const [row] = await templateRows(broker.db, { ids: [id] })
  if (!row) throw new HdcsError('not_found', 'There is no such template.')
  return templateView(row, await versionsOf(broker, [id]), principal)
}

/** @throws HdcsError `conflict` for a name that is taken, `too_large` for a declared size above the limit. */
export async function templateCreate(
  broker: Broker,
  principal: Principal,
  body: {
    name: string
    description: string
    hardware: PartialHardware
    readyWhen?: 'agent' | 'running' | undefined
    source: SourceAsk
    notes: string
  },
) {
  const id = newId(broker.clock.now().getTime())
  const { name, description, source: ask } = body
  const task = await broker.db.transaction().execute(async tx => {
    const { source, hardware: own, readyWhen } = await sourceOf(tx, principal, ask)
    const base = own ?? recipeHardware[ask.kind === 'recipe' ? ask.recipe : ask.kind === 'blank' ? 'blank' : 'upload']
    const hardware = { ...base, ...defined(body.hardware) }
    // What a person installs on an empty disk has no guest agent of ours.
    const ready_when = body.readyWhen ?? readyWhen ?? (ask.kind === 'blank' ? 'running' : 'agent')
    await templateInsert(tx, { id, name, description, hardware, ready_when }).catch(nameTaken(name))
    return addIn(tx, broker, principal, { id, name }, { source, notes: body.notes })
  })
  return { template: await templateGet(broker, principal, id), task }
}

export async function versionAdd(
  broker: Broker,
  principal: Principal,
  templateId: string,
  body: { source: SourceAsk; notes: string },
) {
  const template = await templateGet(broker, principal, templateId)
  const task = await broker.db.transaction().execute(async tx => {
    const { source } = await sourceOf(tx, principal, body.source)
    return addIn(tx, broker, principal, template, { source, notes: body.notes })
  })
  return { template: await templateGet(broker, principal, templateId), task }
}

/** What stands in a version of what was asked for; a desktop also gives what a template of its own needs. */
const sourceOf = async (
  tx: Tx,
  principal: Principal,
  ask: SourceAsk,
): Promise<{ source: VersionSource } & Partial<Omit<Captured, 'source'>>> =>
  ask.kind === 'desktop' ? captureSource(tx, principal, ask) : { source: ask }

function addIn(
  tx: Tx,
  broker: Broker,
  principal: Principal,
  template: { id: string; name: string },
  { source, notes }: { source: VersionSource; notes: string },
) {
  if (source.kind === 'upload' && source.sizeBytes > broker.maxUploadBytes)
    throw new HdcsError('too_large', `Images above ${Math.floor(broker.maxUploadBytes / GiB)} GiB are refused here.`)
  if (source.kind === 'upload' && source.format === 'raw' && source.sizeBytes % sectorBytes !== 0) {
    const message = `A raw disk has whole sectors of ${sectorBytes} bytes, and this file has ${source.sizeBytes} bytes: it was cut off, or is no disk.`
    throw new HdcsError('invalid', message, { fields: [{ field: 'body.source.sizeBytes', message }] })
  }
  return versionMake(tx, template, { source, notes }, principal, broker.clock.now())
}

/** Wishes the next version of a template, and opens the receipt of its making. @param principal null: by itself. */
export async function versionMake(
  tx: Tx,
  template: { id: string; name: string },
  { source, notes }: { source: VersionSource; notes: string },
  principal: Principal | null,
  now: Date,
) {
  const id = newId(now.getTime())
  const state = source.kind === 'upload' ? 'uploading' : 'making'
  const text = source.kind === 'upload' ? 'waits for its file' : 'waits for a host'
  const number = await versionInsert(tx, { id, template_id: template.id, source, notes, state, text })
  // Hosts of its cluster that do not share the storage fetch it.
  if (source.kind === 'desktop')
    await copyWish(tx, { version_id: id, cluster_id: source.clusterId, bytes_per_second: null })
  const subject = versionSubject(id, template.name, number)
  return taskOpen(tx, { kind: makeKind, subject, requestedBy: principal, goal: { attempt: 1 } }, now)
}

export async function templateUpdate(
  broker: Broker,
  principal: Principal,
  id: string,
  body: {
    description?: string | undefined
    hardware?: PartialHardware | undefined
    answers?: AnswersAsked | null | undefined
  },
) {
  const template = await templateGet(broker, principal, id)
  const { answers } = body
  await transact(broker.db, async tx => {
    await templateSet(tx, id, {
      ...(body.description !== undefined && { description: body.description }),
      ...(body.hardware && { hardware: JSON.stringify({ ...template.hardware, ...body.hardware }) }),
    })
    if (answers !== undefined) await templateAnswers(tx, broker, id, answers)
  })
  return templateGet(broker, principal, id)
}

/** @throws HdcsError `conflict` while a pool or a desktop uses it. */
export async function templateDelete(broker: Broker, principal: Principal, id: string): Promise<void> {
  const template = await templateGet(broker, principal, id)
  await templateDeleteRow(broker.db, id).catch(
    conflictWhen('inUse', `${template.name} is used by pools or desktops: remove those first.`),
  )
}

/** A failed version is made anew. @throws HdcsError `conflict` when it has not failed. */
export async function versionRetry(broker: Broker, principal: Principal, templateId: string, number: number) {
  const task = await broker.db.transaction().execute(async tx => {
    const version = await versionFound(tx, templateId, number)
    if (version.state !== 'failed') throw new HdcsError('conflict', 'Only a version that failed is made anew.')
    const attempt = version.wished_attempt + 1
    // Without its file there is nothing to make: it waits for the upload again.
    const waits = version.source.kind === 'upload' && !version.uploaded
    const next = waits
      ? { state: 'uploading' as const, text: 'waits for its file' }
      : { state: 'making' as const, text: 'tried again' }
    // As the desktop is by now.
    const { source } = await sourceOf(tx, principal, version.source)
    await versionSet(tx, version.id, {
      ...next,
      source: JSON.stringify(source),
      wished_attempt: attempt,
      progress: 0,
      trouble: null,
    })
    const subject = versionSubject(version.id, version.template_name, number)
    return taskOpen(tx, { kind: makeKind, subject, requestedBy: principal, goal: { attempt } }, broker.clock.now())
  })
  return { template: await templateGet(broker, principal, templateId), task }
}

/** What people read of a version may change at any time; its image never does. @throws HdcsError `not_found`. */
export async function versionNote(
  broker: Broker,
  principal: Principal,
  templateId: string,
  number: number,
  notes: string,
) {
  await transact(broker.db, async tx => versionSet(tx, (await versionFound(tx, templateId, number)).id, { notes }))
  return templateGet(broker, principal, templateId)
}

/** @throws HdcsError `conflict` while a desktop stands on it or a pool names it. */
export async function versionDelete(broker: Broker, principal: Principal, templateId: string, number: number) {
  const template = await templateGet(broker, principal, templateId)
  const version = template.versions.find(candidate => candidate.number === number)
  const refused = version?.actions.find(action => action.name === 'delete')?.reason
  if (refused !== undefined) throw new HdcsError('conflict', `Version ${number} stays: ${refused}.`)
  await broker.db
    .transaction()
    .execute(async tx => versionDeleteRow(tx, (await versionFound(tx, templateId, number)).id))
    .catch(conflictWhen('inUse', `A desktop stands on version ${number}: it stays.`))
  return templateGet(broker, principal, templateId)
}

/**
 * The uploaded file is complete and its checksum right: hosts may fetch it.
 * @throws HdcsError `conflict` when the version does not wait for a file any more (cancelled meanwhile).
 */
export async function versionUploaded(
  broker: Broker,
  _principal: Principal,
  templateId: string,
  number: number,
): Promise<void> {
  const version = await versionFound(broker.db, templateId, number)
  if (!(await versionArrived(broker.db, version.id, 'uploaded, waits for a host')))
    throw new HdcsError('conflict', 'This version does not wait for a file any more: try it again first.')
}

/** What an upload must be before its first byte is taken. @throws HdcsError `not_found`, `conflict`. */
export async function versionToUpload(broker: Broker, templateId: string, number: number) {
  const version = await versionFound(broker.db, templateId, number)
  if (version.source.kind !== 'upload')
    throw new HdcsError('conflict', 'This version is not made of a file: nothing is uploaded.')
  if (version.uploaded) throw new HdcsError('conflict', 'The file of this version has already arrived.')
  const { sizeBytes, sha256, format } = version.source
  return { id: version.id, sizeBytes, sha256, format }
}

export const uploadPath = (broker: Broker, versionId: string) => join(broker.uploadFolder, versionId)

async function versionFound(db: Parameters<typeof versionFind>[0], templateId: string, number: number) {
  const version = await versionFind(db, templateId, number)
  if (!version) throw new HdcsError('not_found', 'There is no such template version.')
  return version
}

const nameTaken = (name: string) =>
  conflictWhen('taken', `A template named ${name} already exists: add a version to it, or choose another name.`)
