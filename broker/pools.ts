import type { Principal } from '../auth/principal.ts'
import { hardwareOf, type PoolRow, poolInsert, poolRemoveLock, poolRows, poolSet } from '../db/pools.ts'
import { binOfPool } from '../db/recycle-bin.ts'
import { templateRows } from '../db/templates.ts'
import { counted } from '../lib/counted.ts'
import { nameAfter, nameCursor } from '../lib/cursors.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { type CustomiseView, customisePool, customiseView, setAsideWarnings } from './customisation.ts'
import { poolEstimate } from './estimates.ts'
import { pageOf } from './pages.ts'
import { hostsToPlaceOn } from './placing.ts'
import { poolPreview } from './pool-preview.ts'
import { poolWarnings } from './pool-warnings.ts'
import { columnsOf, defaults, defined, type Partly, type PoolWish, wishChecked } from './pool-wish.ts'
import { actionsFrom, conflictWhen } from './refusals.ts'
import { taskOpen } from './tasks.ts'
import { customiseByTemplate } from './template-answers.ts'

function poolView(
  row: PoolRow,
  principal: Principal,
  startMs: number | null,
  told: { warnings: string[]; customise: CustomiseView | null } = { warnings: [], customise: null },
) {
  const free = row.ready > 0
  const full = row.total - row.recycling >= row.max_size && row.ready + row.starting + row.stopped === 0
  const administrator = principal.permissions.has('pool.write')
  const claimRefused = !row.usable
    ? 'you are not entitled to it'
    : row.own
      ? undefined
      : !row.enabled
        ? 'it is switched off'
        : row.current_version === null
          ? 'its template is not ready yet'
          : full
            ? 'all its desktops are in use'
            : undefined
  const refusals = {
    claim: claimRefused,
    update: administrator ? undefined : 'only administrators may do this',
    delete: !administrator ? 'only administrators may do this' : row.wished_present ? undefined : 'it is being removed',
  }
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    kind: row.kind,
    templateId: row.template_id,
    templateName: row.template_name,
    templateVersion: row.template_version,
    currentVersion: row.current_version,
    minSize: row.min_size,
    maxSize: row.max_size,
    warm: row.warm,
    cold: row.cold,
    maxPerUser: row.max_per_user,
    hardware: hardwareOf(row.template_hardware, row.hardware),
    start: row.start,
    clusterIds: row.cluster_ids,
    placement: row.placement,
    affinity: row.affinity,
    needs: row.needs,
    network: row.network,
    ha: row.ha,
    enabled: row.enabled,
    status: row.status,
    statusText: row.status_text,
    restrainedUntil: row.restrained_until?.toISOString() ?? null,
    counts: {
      total: row.total,
      ready: row.ready,
      starting: row.starting,
      stopped: row.stopped,
      assigned: row.assigned,
      connected: row.connected,
      failed: row.failed,
      recycling: row.recycling,
    },
    estimateMs: free ? 0 : startMs,
    ...told,
    actions: actionsFrom(refusals),
    createdAt: row.created_at.toISOString(),
  }
}

export async function poolList(
  broker: Broker,
  principal: Principal,
  query: {
    limit: number
    cursor?: string | undefined
    name?: string | undefined
    search?: string | undefined
    usable?: boolean | undefined
  },
) {
  const rows = await poolRows(broker.db, {
    userId: principal.userId,
    usable: query.usable || !principal.permissions.has('pool.read'),
    name: query.name,
    search: query.search,
    after: nameAfter(query.cursor),
    limit: query.limit + 1,
  })
  const startMs = new Map(
    await Promise.all(rows.map(async row => [row.id, await poolEstimate(broker, row.id)] as const)),
  )
  return pageOf(
    rows,
    query.limit,
    row => nameCursor(row.name),
    row => poolView(row, principal, startMs.get(row.id) ?? null),
  )
}

/** @throws HdcsError `not_found` also for a pool one may neither use nor read. */
export async function poolGet(broker: Broker, principal: Principal, id: string) {
  const [row] = await poolRows(broker.db, { ids: [id], userId: principal.userId })
  if (!row || !(row.usable || principal.permissions.has('pool.read')))
    throw new HdcsError('not_found', 'There is no such pool.')
  const administrator = principal.permissions.has('pool.write')
  const startMs = await poolEstimate(broker, id)
  if (!administrator) return poolView(row, principal, startMs)
  const warnings = poolWarnings(row, await hostsToPlaceOn(broker.db, { poolIds: [] }))
  return poolView(row, principal, startMs, {
    warnings: [...warnings, ...(await setAsideWarnings(broker.db, id))],
    customise: await customiseView(broker.db, id),
  })
}

/** @throws HdcsError `invalid` with what does not fit together, `conflict` for a name that is taken. */
export async function poolCreate(
  broker: Broker,
  principal: Principal,
  body: Partly<PoolWish> & { name: string; kind: 'floating' | 'persistent'; templateId: string },
) {
  const maxSize = body.maxSize ?? Math.max(defaults.maxSize, body.minSize ?? 0, body.warm ?? 0)
  const wish = { ...defaults, ...defined(body), maxSize, warm: body.warm ?? Math.min(defaults.warm, maxSize) }
  const id = newId(broker.clock.now().getTime())
  await broker.db.transaction().execute(async tx => {
    const checked = await wishChecked(tx, body.templateId, { ...wish, maxVirtualBytes: broker.maxVirtualBytes })
    await poolInsert(tx, {
      id,
      kind: body.kind,
      template_id: body.templateId,
      ...columnsOf({ ...wish, ...checked }),
    })
      .catch(nameTaken(wish.name))
      // Removed since it was looked for.
      .catch(conflictWhen('inUse', 'The template is gone: choose another one.'))
    // Who says nothing of it gets what the template says.
    const [template] = body.customise === undefined ? await templateRows(tx, { ids: [body.templateId] }) : []
    const customise = body.customise ?? customiseByTemplate(template)
    if (customise) await customisePool(tx, broker, { id, templateId: body.templateId }, customise)
  })
  return poolGet(broker, principal, id)
}

/**
 * Writes what was given and nothing else: two administrators who change different fields both get their way.
 * @param dryRun only says what would change when, and for how many.
 * @throws HdcsError `not_found`, `invalid`, `conflict` (removed, name taken).
 */
export async function poolUpdate(
  broker: Broker,
  principal: Principal,
  id: string,
  body: Partly<PoolWish>,
  dryRun = false,
) {
  await poolGet(broker, principal, id)
  const given = defined(body)
  const changes = await broker.db.transaction().execute(async tx => {
    await poolRemoveLock(tx, id)
    const [before] = await poolRows(tx, { ids: [id] })
    if (!before?.wished_present)
      throw new HdcsError('conflict', 'The pool is being removed: it cannot be changed any more.')
    // What it says nothing of stays: the disk, when somebody changes the memory.
    const hardware = { ...before.hardware, ...defined(given.hardware ?? {}) }
    const checked = await wishChecked(tx, before.template_id, {
      templateVersion: given.templateVersion === undefined ? before.template_version : given.templateVersion,
      minSize: given.minSize ?? before.min_size,
      maxSize: given.maxSize ?? before.max_size,
      warm: given.warm ?? before.warm,
      cold: given.cold ?? before.cold,
      hardware,
      diskKept: given.hardware?.diskBytes === undefined && given.templateVersion === undefined,
      maxVirtualBytes: broker.maxVirtualBytes,
      ...(given.clusterIds && { clusterIds: given.clusterIds }),
      ...(given.network && { network: given.network }),
    })
    const { network: _asked, ...rest } = { ...given, ...(given.hardware && { hardware }) }
    const preview = await poolPreview(tx, before, { ...rest, ...checked })
    if (dryRun) return preview
    await poolSet(tx, id, {
      ...columnsOf({ ...rest, ...checked }),
      ...(given.templateVersion !== undefined &&
        given.templateVersion !== before.template_version && { remake_held: false }),
      // An administrator who changes a pool has seen its failures: try again at once.
      restrained_until: null,
      failures_since: broker.clock.now(),
    }).catch(nameTaken(given.name ?? before.name))
    if (given.customise !== undefined)
      await customisePool(tx, broker, { id, templateId: before.template_id }, given.customise)
    return preview
  })
  return { ...(await poolGet(broker, principal, id)), changes }
}

/**
 * Removes a pool with its desktops; the pools reconciler deletes the row when the last of them is gone.
 * @throws HdcsError `conflict` while people have desktops in it and `force` is not given.
 */
export async function poolDelete(broker: Broker, principal: Principal, id: string, force: boolean) {
  const pool = await poolGet(broker, principal, id)
  const now = broker.clock.now()
  return broker.db.transaction().execute(async tx => {
    // Counted while nobody can claim: who was given a desktop a moment ago is counted too.
    await poolRemoveLock(tx, id)
    const [row] = await poolRows(tx, { ids: [id] })
    if (!row?.wished_present) throw new HdcsError('conflict', `${pool.name} is already being removed.`)
    if (row.assigned > 0 && !force)
      throw new HdcsError(
        'conflict',
        `${counted(row.assigned, 'person has a desktop', 'people have desktops')} in ${pool.name}: what is there would be lost. Have it given back first, or remove the pool with force.`,
      )
    const { binned } = await binOfPool(tx, id)
    if (binned > 0 && !force)
      throw new HdcsError(
        'conflict',
        `${counted(binned, 'desktop', 'desktops')} of ${pool.name} can still be restored from the recycle bin: empty that first, or remove the pool with force.`,
      )
    await poolSet(tx, id, { wished_present: false, enabled: false })
    const subject = { type: 'pool', id, name: pool.name }
    return taskOpen(tx, { kind: 'pool.delete', subject, requestedBy: principal }, now)
  })
}

const nameTaken = (name: string) => conflictWhen('taken', `A pool named ${name} already exists: choose another name.`)
