/** Settings of a pool that are about to be changed: what that would do, from what stands in the database now. */
import type { Tx } from '../db/connect.ts'
import { hardwareOf, type PoolRow, poolDesktops } from '../db/pools.ts'
import type { NetworkValue } from '../db/schema-hosts.ts'
import { versionCurrent } from '../db/templates.ts'
import { customiseStanding } from './customisation.ts'
import { decisionText } from './placement.ts'
import { demandOf, hostsToPlaceOn, placeOn } from './placing.ts'
import { type FieldChange, fieldChanges, type Resize, resize } from './pool-changes.ts'
import { defined, type Partly, type PoolWish } from './pool-wish.ts'

export interface PoolPreview {
  fields: FieldChange[]
  resize: Resize & {
    /** How many of those that are to be made find no host now. */
    short: number
    /** Why; null when all find one. */
    shortReason: string | null
  }
}

/** @param given what is changed, its network in the form it is stored in. */
export async function poolPreview(
  tx: Tx,
  before: PoolRow,
  given: Partly<Omit<PoolWish, 'network'>> & { network?: NetworkValue },
): Promise<PoolPreview> {
  const rows = (await poolDesktops(tx, before.id)).filter(row => row.wished_present && row.binned_at === null)
  const assigned = rows.filter(({ user_id }) => user_id !== null).length
  const counts = {
    kind: before.kind,
    assigned,
    free: rows.length - assigned,
    running: rows.filter(({ wished_power }) => wished_power !== 'stopped').length,
  }
  const standing = {
    name: before.name,
    description: before.description,
    templateVersion: before.template_version,
    minSize: before.min_size,
    maxSize: before.max_size,
    warm: before.warm,
    cold: before.cold,
    maxPerUser: before.max_per_user,
    hardware: before.hardware,
    enabled: before.enabled,
    clusterIds: before.cluster_ids,
    placement: before.placement,
    affinity: before.affinity,
    needs: before.needs,
    network: before.network,
    ha: before.ha,
    customise: await customiseStanding(tx, before.id),
  }
  // A field of the hardware that the template says as well is no change.
  const { hardware: wished } = given
  const hardware = wished && hardwareOf(before.template_hardware, defined(wished))
  const full = { ...standing, hardware: hardwareOf(before.template_hardware, before.hardware) }
  const fields = fieldChanges(full, { ...given, ...(hardware && { hardware }) }, counts)

  const number = given.templateVersion === undefined ? before.template_version : given.templateVersion
  const version = await versionCurrent(tx, { template_id: before.template_id, template_version: number })
  const desktops = rows.map(row => ({
    id: row.id,
    name: row.name,
    phase: row.phase,
    assigned: row.user_id !== null,
    wishedPower: row.wished_power,
    present: true,
    versionId: row.version_id,
    madeAt: row.made_at,
  }))
  const plan = {
    minSize: given.minSize ?? before.min_size,
    maxSize: given.maxSize ?? before.max_size,
    warm: given.warm ?? before.warm,
    cold: given.cold ?? before.cold,
    enabled: given.enabled ?? before.enabled,
    versionId: version?.id ?? null,
    held: before.remake_held && (given.templateVersion ?? before.template_version) === before.template_version,
    restrained: false,
  }
  const sized = resize(plan, desktops)
  const pool = {
    ...before,
    cluster_ids: given.clusterIds ?? before.cluster_ids,
    placement: given.placement === undefined ? before.placement : given.placement,
    affinity: given.affinity ?? before.affinity,
    needs: given.needs ?? before.needs,
    network: given.network ?? before.network,
  }
  return {
    fields,
    resize: { ...sized, ...(await missing(tx, pool, hardware ?? full.hardware, version?.id, sized.make)) },
  }
}

async function missing(
  tx: Tx,
  pool: PoolRow,
  hardware: ReturnType<typeof hardwareOf>,
  versionId: string | undefined,
  count: number,
) {
  if (count === 0 || versionId === undefined) return { short: 0, shortReason: null }
  const hosts = await hostsToPlaceOn(tx, { poolIds: [pool.id] })
  const { placed, short } = placeOn(hosts, demandOf(pool, { hardware, versionId }, 'prewarm'), count)
  return { short: count - placed.length, shortReason: short ? decisionText(short) : null }
}
