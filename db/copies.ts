import { type Kysely, sql } from 'kysely'
import type { Tx } from './connect.ts'
import type { CopyState, Database, TroubleValue } from './schema.ts'

/** Wishes a version in a cluster; asked for again, it is tried again, at the new pace. @returns the attempt. */
export async function copyWish(
  tx: Tx,
  copy: { version_id: string; cluster_id: string; bytes_per_second: number | null },
): Promise<number> {
  const { wished_attempt } = await tx
    .insertInto('template_copy')
    .values({ ...copy, trouble: null })
    .onConflict(conflict =>
      conflict.columns(['version_id', 'cluster_id']).doUpdateSet({
        bytes_per_second: copy.bytes_per_second,
        wished_attempt: sql`template_copy.wished_attempt + 1`,
        state: 'waiting',
        progress: 0,
        trouble: null,
      }),
    )
    .returning('wished_attempt')
    .executeTakeFirstOrThrow()
  return wished_attempt
}

export async function copyDelete(tx: Tx, { version_id, cluster_id }: { version_id: string; cluster_id: string }) {
  await tx
    .deleteFrom('template_copy')
    .where('version_id', '=', version_id)
    .where('cluster_id', '=', cluster_id)
    .execute()
}

/** The copy that a receipt is about is wished no more. @returns false when it is there already. */
export async function copyTakeBack(tx: Tx, taskId: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('template_copy')
    .where('state', '<>', 'ready')
    .where(
      sql<boolean>`(version_id, cluster_id) = (select subject_id, (goal ->> 'clusterId')::uuid from task where id = ${taskId})`,
    )
    .executeTakeFirst()
  return numDeletedRows > 0n
}

export type CopyRow = Awaited<ReturnType<typeof copyRows>>[number]

/** Copies of versions, by the name of their cluster. */
export function copyRows(db: Kysely<Database>, filter: { versionIds?: string[] } = {}) {
  let query = db
    .selectFrom('template_copy')
    .innerJoin('cluster', 'cluster.id', 'template_copy.cluster_id')
    .selectAll('template_copy')
    .innerJoin('template_version as version', 'version.id', 'template_copy.version_id')
    .select('cluster.name as cluster_name')
    .select(
      sql<boolean>`coalesce(version.source ->> 'clusterId' = template_copy.cluster_id::text, false)`.as('at_home'),
    )
    .select(eb =>
      eb
        .selectFrom('desktop')
        .innerJoin('host', 'host.id', 'desktop.host_id')
        .whereRef('desktop.version_id', '=', 'template_copy.version_id')
        .whereRef('host.cluster_id', '=', 'template_copy.cluster_id')
        .select(eb.fn.countAll<number>().as('n'))
        .$asScalar()
        .$notNull()
        .as('desktops'),
    )
    .orderBy('cluster.name')
  if (filter.versionIds) query = query.where('version_id', 'in', filter.versionIds)
  return query.execute()
}

/** What hosts of the clusters say of the images that shall be copied there. */
export function copiesObserved(db: Kysely<Database>) {
  return db
    .selectFrom('template_copy as copy')
    .innerJoin('template_version as version', 'version.id', 'copy.version_id')
    .innerJoin('host', 'host.cluster_id', 'copy.cluster_id')
    .leftJoin('host_image as image', join =>
      join.onRef('image.host_id', '=', 'host.id').onRef('image.version_id', '=', 'copy.version_id'),
    )
    .select(['copy.version_id', 'copy.cluster_id', 'host.state as hostState', 'image.observed_state as state'])
    .select(['image.observed_progress as progress', 'image.observed_text as text', 'image.observed_trouble as trouble'])
    .select(sql<boolean>`image.observed_attempt = version.wished_attempt + copy.wished_attempt - 1`.as('current'))
    .execute()
}

export async function copySet(
  db: Kysely<Database>,
  { version_id, cluster_id }: { version_id: string; cluster_id: string },
  set: { state: CopyState; progress: number; text: string; trouble: TroubleValue | null },
) {
  await db
    .updateTable('template_copy')
    .set({ ...set, trouble: set.trouble && JSON.stringify(set.trouble) })
    .where('version_id', '=', version_id)
    .where('cluster_id', '=', cluster_id)
    .execute()
}
