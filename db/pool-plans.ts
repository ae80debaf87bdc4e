import { sql } from 'kysely'
import type { Db } from './connect.ts'
import type { HardwareValue, Phase, PoolStatus, Power } from './schema.ts'
import type { Affinity, NetworkValue, PlacementPolicy } from './schema-hosts.ts'

/** A pool with all that its plan depends on, desktops summed up. */
export interface PoolToPlan {
  id: string
  name: string
  template_id: string
  template_version: number | null
  template_hardware: HardwareValue
  hardware: Partial<HardwareValue>
  min_size: number
  max_size: number
  warm: number
  cold: number
  enabled: boolean
  remake_held: boolean
  wished_present: boolean
  status: PoolStatus
  status_text: string
  restrained_until: Date | null
  failures_since: Date
  cluster_ids: string[]
  placement: PlacementPolicy | null
  affinity: Affinity
  needs: string[]
  network: NetworkValue
  ha: 'restart' | 'wait'
  version_id: string | null
  /** While nobody had the desktop yet, since the moment given and since those before were paid for. */
  failures: number
  /** How many desktops are alike in all a plan looks at. The same sums: the same plan. */
  sums: DesktopsAlike[]
}

export interface DesktopsAlike {
  phase: Phase
  free: boolean
  wished_power: Power
  wished_present: boolean
  version_id: string
  n: number
}

/**
 * Every pool, in one statement: most change nothing between two looks, and their desktops need not be read.
 * @param since failures before do not count.
 */
export async function poolsToPlan(db: Db, since: Date): Promise<PoolToPlan[]> {
  const { rows } = await sql<PoolToPlan>`
    with alike as (
      select pool_id, phase, free, wished_power, wished_present, version_id, sum(n) as n
      from tally group by 1, 2, 3, 4, 5, 6 having sum(n) <> 0
    ), summed as (
      select pool_id, jsonb_agg(to_jsonb(alike) - 'pool_id' order by phase, free, wished_power, wished_present, version_id)
        as sums
      from alike group by pool_id
    )
    select pool.*, template.hardware as template_hardware, coalesce(summed.sums, '[]') as sums,
      (select v.id from template_version v where v.template_id = pool.template_id and v.state = 'sealed'
        and v.number = coalesce(pool.template_version, v.number) order by v.number desc limit 1) as version_id,
      (select count(*) from transition t where t.pool_id = pool.id
        and (became = 'claim undone' or became = 'failed' and t.user_id is null)
        and t.at > greatest(${since}::timestamptz, pool.failures_since, pool.restrained_until)) as failures
    from pool join template on template.id = pool.template_id left join summed on summed.pool_id = pool.id
    order by pool.id`.execute(db)
  return rows
}
