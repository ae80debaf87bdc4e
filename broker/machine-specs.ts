/** A desktop's row as its host is told of it. Pure. */
import type { desktopSpecs } from '../db/agents.ts'
import type { ExportWished } from '../db/exports.ts'
import type { VersionWished } from '../db/templates.ts'
import type { CloneSpec, ImageSource, ImageSpec, MachineSpec, MoveSpec } from '../vmm/spec.ts'
import { networkIn, nicSpec } from './nics.ts'

/** What a host is told of its snapshots; nothing for the many that have none. */
function snapshotsSpec(
  rows: SpecRow['snapshots_wished'],
  revert: SpecRow['wished_revert'],
): Pick<MachineSpec, 'snapshots'> {
  if (!rows && !revert) return {}
  const wished = (rows ?? []).filter(({ present }) => present).map(({ id, made }) => ({ id, made }))
  return { snapshots: { wished, revert: revert && { id: revert.id, snapshotId: revert.snapshotId } } }
}

/** A guest under emulation on a busy host takes a minute; longer, and a person waits for nothing. */
const bootTimeoutMs = 180_000
/** Shorter: a guest that is shut down for a move loses what it was writing; longer: one that does not listen moves late. */
const moveGraceMs = 60_000

type SpecRow = Awaited<ReturnType<typeof desktopSpecs>>[number]

export function machineSpec(row: SpecRow, hostId: string): MachineSpec {
  return {
    id: row.id,
    name: row.name,
    generation: row.generation,
    power: row.wished_power,
    ...(row.wished_saved && { keepMemory: true }),
    ...snapshotsSpec(row.snapshots_wished, row.wished_revert),
    // For a move it is shut down by us: its person did not choose how.
    stopGraceMs: row.move_kind === 'offline' ? moveGraceMs : row.wished_stop_grace_ms,
    incarnation: row.wished_incarnation,
    diskMade: row.disk_incarnation === row.wished_incarnation,
    imageId: row.version_id,
    // Only its first disk: one that is made anew is empty.
    ...(row.wished_adopt && row.wished_incarnation === 1 && { adopt: { foreignId: row.wished_adopt } }),
    cdrom: row.wished_cdrom,
    ...(row.boot_disc && { bootDisc: true }),
    clone: cloneSpec(row),
    hardware: row.hardware,
    ...(row.wished_grow.length > 0 && { growNow: row.wished_grow }),
    ...(row.volumes && { volumes: row.volumes }),
    nic: nicSpec(row.address_text, networkIn(row.network, row.networks), row.pool_id),
    screenPort: row.screen_port,
    move: moveSpec(row, hostId),
    graphics: graphicsSpec(row.wished_graphics),
    priority: row.user_id === null ? 'prewarm' : 'person',
    group: row.pool_id,
    readyWhen: row.ready_when,
    bootTimeoutMs,
    ...(row.dongles && { dongles: row.dongles }),
  }
}

/** Whom it is for is nothing to its host. */
function graphicsSpec(wish: SpecRow['wished_graphics']): MachineSpec['graphics'] {
  return wish && { serial: wish.serial, password: wish.password, validUntil: wish.validUntil }
}

/** Only its first disk is a copy: given back, it begins anew like any other. */
function cloneSpec({ clone_of: source, wished_incarnation: incarnation }: SpecRow): CloneSpec | null {
  if (source === null || incarnation > 1) return null
  return { machineId: source.desktopId, incarnation: source.incarnation, full: source.full }
}

/** What this host is told of a desktop's way from or to it; null while it waits for its turn. */
function moveSpec(row: SpecRow, hostId: string): MoveSpec | null {
  const { move_id: id, move_kind: kind } = row
  if (id === null || kind === null) return null
  if (row.move_to === hostId)
    return {
      id,
      role: 'arrive',
      kind,
      sourceStorageId: row.source_facts?.storageId ?? '',
      imageSha256: row.source_image_sha256,
    }
  return {
    id,
    role: 'leave',
    kind,
    send: row.move_state === 'moving',
    cancel: row.move_cancel === true,
    targetUri: row.target_facts?.migrationUri ?? null,
    targetAddress: row.target_facts?.address ?? '',
    targetPort: row.target_port,
    targetStorageId: row.target_facts?.storageId ?? '',
  }
}

/** A version as a host is told of it. */
export const imageSpec = (row: VersionWished, maxVirtualBytes: number): ImageSpec => ({
  id: row.id,
  name: `${row.name}-${row.number}`,
  source: sourceOf(row),
  maxVirtualBytes,
  attempt: row.attempt,
})

/** Made where its desktop's disk lies; everywhere else, and where it was lost since, the same bytes are fetched. */
function sourceOf({ id, source, sha256, stored_bytes, bytes_per_second, at_home, ...row }: VersionWished): ImageSource {
  if (source.kind === 'upload') return { ...source, bytesPerSecond: bytes_per_second }
  if (source.kind !== 'desktop') return source
  const urls = row.urls.map(url => `${url}/images/${id}`)
  if (sha256 !== null && (urls.length > 0 || !at_home))
    return { kind: 'copy', sha256, sizeBytes: stored_bytes ?? 0, urls, bytesPerSecond: bytes_per_second }
  const { desktopId: machineId, incarnation, versionId: imageId, seal } = source
  return { kind: 'desktop', machineId, incarnation, imageId, seal, sha256 }
}

/** A file that a host makes of an image it has. */
export const exportSpec = (row: ExportWished): ImageSpec => ({
  id: row.id,
  name: `${row.name}-${row.number}`,
  source: {
    kind: 'export',
    imageId: row.version_id,
    format: row.format,
    about: {
      name: row.name,
      description: row.description,
      hardware: row.hardware,
      readyWhen: row.ready_when,
      number: row.number,
      notes: row.notes,
      madeAt: row.made_at.toISOString(),
    },
  },
  maxVirtualBytes: Number.MAX_SAFE_INTEGER,
  attempt: 1,
})
