import { rm } from 'node:fs/promises'
import { copiesObserved, copyRows, copySet } from '../../db/copies.ts'
import { taskReopen } from '../../db/tasks.ts'
import { imagesTell, isFinal, versionSet, versionsObserved } from '../../db/templates.ts'
import { transact } from '../../db/transact.ts'
import type { Broker } from '../broker.ts'
import { copyKind, copyOutcome } from '../copies.ts'
import { exportsSettle } from '../exports.ts'
import { filesIn } from '../kept-files.ts'
import { makeKind, uploadPath } from '../templates.ts'
import type { Reconciler } from './driver.ts'

type Row = Awaited<ReturnType<typeof versionsObserved>>[number]

const rank = { ready: 3, making: 2, waiting: 1, failed: 0 }

/** Seals a version when a host holds it, and shows how far the furthest host is. */
export function templatesReconciler(broker: Broker): Reconciler {
  return {
    name: 'templates',
    everyMs: 30_000,
    async step() {
      // Listed before the versions are read: a version is always there before its file.
      const files = await filesIn(broker.uploadFolder)
      const byVersion = Map.groupBy(await versionsObserved(broker.db), row => row.id)
      for (const rows of byVersion.values()) await settle(broker, rows)
      await copiesSettle(broker)
      await exportsSettle(broker)
      // Removed or called off while its file came, refused, or removed before every host had it.
      for (const id of files) {
        const [version] = byVersion.get(id) ?? []
        if (!version || (version.state === 'failed' && !version.uploaded))
          await rm(uploadPath(broker, id), { force: true })
      }
    },
  }
}

async function settle(broker: Broker, rows: Row[]) {
  const [version] = rows
  // One that was called off waits for a person, whatever a host that has not heard of it still says.
  if (!version || version.state === 'uploading' || version.trouble?.code === 'cancelled') return
  const current = rows.filter(row => row.observed_state !== null && row.observed_attempt === version.wished_attempt)
  const [best] = current.toSorted(
    (a, b) =>
      rank[b.observed_state ?? 'failed'] - rank[a.observed_state ?? 'failed'] ||
      (b.observed_progress ?? 0) - (a.observed_progress ?? 0),
  )
  const next = outcome(version, best)
  if (next && differs(version, next))
    await transact(broker.db, async tx => {
      // The same bytes would be refused again: tried anew, it waits for others.
      const gone = next.trouble !== null && isFinal(next.trouble) && { uploaded: false }
      await versionSet(tx, version.id, { ...next, ...gone, trouble: next.trouble && JSON.stringify(next.trouble) })
      if (version.state !== 'failed' || next.state === 'failed') return
      // Whoever was told that it failed sees how it goes on: its hosts try again by themselves.
      await taskReopen(tx, { subjectId: version.id, kind: makeKind }, 'tried again by its host', broker.clock.now())
    })
  // Every host that is there has it: the uploaded file has served. A host that joins later copies from the cluster's storage.
  if (version.uploaded && rows.every(row => row.observed_state === 'ready'))
    await rm(uploadPath(broker, version.id), { force: true })
}

function outcome(version: Row, best: Row | undefined) {
  if (best?.observed_state === 'ready')
    return {
      state: 'sealed' as const,
      progress: 100,
      text: '',
      trouble: null,
      virtual_bytes: best.observed_virtual_bytes,
      stored_bytes: best.observed_stored_bytes,
      sha256: best.observed_sha256,
    }
  // Once sealed it stays so: a host that lost its copy makes it again, and placement knows where it is.
  if (version.state === 'sealed' || !best) return
  if (best.observed_state === 'failed')
    return {
      state: 'failed' as const,
      progress: 0,
      text: '',
      trouble: best.observed_trouble ?? { code: 'internal' as const, text: 'The image could not be made.' },
    }
  return {
    state: 'making' as const,
    progress: best.observed_progress ?? 0,
    text: best.observed_text ?? '',
    trouble: null,
  }
}

/** How far each copy is; where one can be had may have changed for those that wait. */
async function copiesSettle(broker: Broker) {
  const said = await copiesObserved(broker.db)
  const copies = await copyRows(broker.db)
  for (const copy of copies) {
    const hosts = said.filter(
      ({ version_id, cluster_id }) => version_id === copy.version_id && cluster_id === copy.cluster_id,
    )
    const next = copyOutcome(hosts)
    const same = (['state', 'progress', 'text', 'trouble'] as const).every(
      name => JSON.stringify(next[name]) === JSON.stringify(copy[name]),
    )
    if (same) continue
    await transact(broker.db, async tx => {
      await copySet(tx, copy, next)
      if (copy.state !== 'failed' || next.state === 'failed') return
      await taskReopen(tx, { subjectId: copy.version_id, kind: copyKind }, 'goes on by itself', broker.clock.now())
    })
  }
  if (copies.some(({ state }) => state !== 'ready')) await imagesTell(broker.db)
}

const differs = (version: Row, next: NonNullable<ReturnType<typeof outcome>>) =>
  Object.entries(next).some(([key, value]) => JSON.stringify(version[key as keyof Row]) !== JSON.stringify(value))
