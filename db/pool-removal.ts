/** Who and what hangs on a pool: what its removal takes away. */
import { type Kysely, sql } from 'kysely'
import type { Database, Phase, VersionState } from './schema.ts'

/** Its desktops that somebody has, by person. */
export function poolKept(db: Kysely<Database>, poolId: string) {
  return (
    db
      .selectFrom('desktop')
      .innerJoin('user_account', 'user_account.id', 'desktop.user_id')
      .innerJoin('pool', 'pool.id', 'desktop.pool_id')
      .select([
        'desktop.id',
        'desktop.name',
        'user_account.name as user_name',
        'desktop.session_state',
        'desktop.phase',
      ])
      .select('desktop.assigned_at')
      // Its disk has existed: there is something to lose.
      .select(sql<boolean>`desktop.disk_incarnation = desktop.wished_incarnation`.as('disk_made'))
      .where('desktop.pool_id', '=', poolId)
      .where('desktop.wished_present', '=', true)
      .orderBy('user_account.name')
      .orderBy('desktop.name')
      .$narrowType<{ phase: Phase }>()
      .execute()
  )
}

/** Template versions that were made of its desktops. */
export async function poolCaptured(db: Kysely<Database>, poolId: string) {
  const { rows } = await sql<{
    template_id: string
    template_name: string
    number: number
    state: VersionState
    desktop_name: string
  }>`
    select t.id as template_id, t.name as template_name, v.number, v.state, v.source ->> 'desktopName' as desktop_name
    from template_version v join template t on t.id = v.template_id
    where v.source ->> 'kind' = 'desktop'
      and (v.source ->> 'desktopId')::uuid in (select id from desktop where pool_id = ${poolId})
    order by t.name, v.number`.execute(db)
  return rows
}

/** Names of volumes that its desktops have. */
export async function poolVolumes(db: Kysely<Database>, poolId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('volume')
    .innerJoin('desktop', 'desktop.id', 'volume.desktop_id')
    .select('volume.name')
    .where('desktop.pool_id', '=', poolId)
    .orderBy('volume.name')
    .execute()
  return rows.map(({ name }) => name)
}
