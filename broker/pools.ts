import type { Principal } from '../auth/principal.ts'
import type { Tx } from '../db/connect.ts'
import { hardwareOf, type PoolRow, poolInsert, poolRemoveLock, poolRows, poolSet, poolsOwnedBy } from '../db/pools.ts'
import type { HardwareValue } from '../db/schema.ts'
import { templateRows, versionRows } from '../db/templates.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { subjectsOf } from './entitlements.ts'
import { poolEstimate } from './estimates.ts'
import { pageOf } from './pages.ts'
import { actionsFrom, conflictWhen } from './refusals.ts'
import { taskOpen } from './tasks.ts'

const none = { usable: false, own: false }

function poolView(row: PoolRow, principal: Principal, mine: { usable: boolean; own: boolean }, startMs: number | null) {
  const free = row.ready > 0
  const full = row.total - row.recycling >= row.max_size && row.ready + row.starting + row.stopped === 0
  const administrator = principal.permissions.has('pool.write')
  const claimRefused = !mine.usable
    ? 'you are not entitled to it'
    : mine.own
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
    actions: actionsFrom(refusals),
    createdAt: row.created_at.toISOString(),
  }
}

export async function poolList(
  broker: Broker,
  principal: Principal,
  query: { limit: number; cursor?: string | undefined; name?: string | undefined; usable?: boolean | undefined },
) {
  const subjects = await subjectsOf(broker, principal)
  const usable = await poolRows(broker.db, { subjects, name: query.name, after: query.cursor, limit: query.limit + 1 })
  const all = principal.permissions.has('pool.read') && !query.usable
  const rows = all
    ? await poolRows(broker.db, { name: query.name, after: query.cursor, limit: query.limit + 1 })
    : usable.filter(row => row.wished_present)
  const own = await poolsOwnedBy(broker.db, principal.userId)
  const startMs = new Map(
    await Promise.all(rows.map(async row => [row.id, await poolEstimate(broker, row.id)] as const)),
  )
  return pageOf(
    rows,
    query.limit,
    row => row.name,
    row =>
      poolView(
        row,
        principal,
        { usable: usable.some(candidate => candidate.id === row.id), own: own.has(row.id) },
        startMs.get(row.id) ?? null,
      ),
  )
}

/** @throws HdcsError `not_found` also for a pool one may neither use nor read. */
export async function poolGet(broker: Broker, principal: Principal, id: string) {
  const subjects = await subjectsOf(broker, principal)
  const [usable] = await poolRows(broker.db, { ids: [id], subjects })
  const [row] = usable
    ? [usable]
    : principal.permissions.has('pool.read')
      ? await poolRows(broker.db, { ids: [id] })
      : []
  if (!row) throw new HdcsError('not_found', 'There is no such pool.')
  const own = await poolsOwnedBy(broker.db, principal.userId)
  const mine = usable ? { usable: true, own: own.has(id) } : none
  return poolView(row, principal, mine, await poolEstimate(broker, id))
}

interface PoolWish {
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
}
type Partly<T> = { [K in keyof T]?: T[K] | undefined }

const defaults = {
  description: '',
  templateVersion: null,
  minSize: 0,
  maxSize: 10,
  warm: 1,
  cold: 0,
  maxPerUser: 1,
  enabled: true,
  hardware: {},
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
    await checkWish(tx, body.templateId, { ...wish, maxVirtualBytes: broker.maxVirtualBytes })
    await poolInsert(tx, {
      id,
      name: wish.name,
      description: wish.description,
      kind: body.kind,
      template_id: body.templateId,
      template_version: wish.templateVersion,
      min_size: wish.minSize,
      max_size: wish.maxSize,
      warm: wish.warm,
      cold: wish.cold,
      max_per_user: wish.maxPerUser,
      hardware: JSON.stringify(wish.hardware),
      enabled: wish.enabled,
    }).catch(nameTaken(wish.name))
  })
  return poolGet(broker, principal, id)
}

/**
 * Writes what was given and nothing else: two administrators who change different fields both get their way.
 * @throws HdcsError `not_found`, `invalid`, `conflict` (removed, name taken).
 */
export async function poolUpdate(broker: Broker, principal: Principal, id: string, body: Partly<PoolWish>) {
  await poolGet(broker, principal, id)
  const given = defined(body)
  await broker.db.transaction().execute(async tx => {
    await poolRemoveLock(tx, id)
    const [before] = await poolRows(tx, { ids: [id] })
    if (!before?.wished_present)
      throw new HdcsError('conflict', 'The pool is being removed: it cannot be changed any more.')
    await checkWish(tx, before.template_id, {
      templateVersion: given.templateVersion === undefined ? before.template_version : given.templateVersion,
      minSize: given.minSize ?? before.min_size,
      maxSize: given.maxSize ?? before.max_size,
      warm: given.warm ?? before.warm,
      cold: given.cold ?? before.cold,
      hardware: given.hardware ?? before.hardware,
      maxVirtualBytes: broker.maxVirtualBytes,
    })
    await poolSet(tx, id, {
      ...columnsOf(given),
      // An administrator who changes a pool has seen its failures: try again at once.
      restrained_until: null,
      failures_since: broker.clock.now(),
    }).catch(nameTaken(given.name ?? before.name))
  })
  return poolGet(broker, principal, id)
}

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
} as const satisfies Partial<Record<keyof PoolWish, string>>

function columnsOf(given: Partly<PoolWish>): Parameters<typeof poolSet>[2] {
  const named = Object.entries(columns).filter(([field]) => given[field as keyof PoolWish] !== undefined)
  return {
    ...Object.fromEntries(named.map(([field, column]) => [column, given[field as keyof PoolWish]])),
    ...(given.hardware && { hardware: JSON.stringify(given.hardware) }),
  }
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
        `${row.assigned} people have desktops in ${pool.name}, which would be lost. Give them back first, or remove it with force.`,
      )
    await poolSet(tx, id, { wished_present: false, enabled: false })
    const subject = { type: 'pool', id, name: pool.name }
    return taskOpen(tx, { kind: 'pool.delete', subject, requestedBy: principal }, now)
  })
}

async function checkWish(
  tx: Tx,
  templateId: string,
  wish: Pick<PoolWish, 'minSize' | 'maxSize' | 'warm' | 'cold' | 'templateVersion'> & {
    hardware: Partial<Pick<HardwareValue, 'diskBytes'>> | PoolWish['hardware']
    maxVirtualBytes: number
  },
) {
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
    throw new HdcsError(
      'invalid',
      `The disk must have ${smallest} (the template’s own) to ${wish.maxVirtualBytes} bytes.`,
    )
}

const nameTaken = (name: string) => conflictWhen('taken', `A pool named ${name} already exists: choose another name.`)

/** What was given; fields that are absent or undefined keep what stands. */
const defined = <T extends object>(body: T) =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
