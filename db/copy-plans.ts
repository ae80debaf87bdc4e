/** What a copy of a version to another cluster is planned from. */
import { type Kysely, sql } from 'kysely'
import type { Database, HostState } from './schema.ts'
import type { NetworkValue } from './schema-hosts.ts'

/** Hosts of a cluster with what they say of the image, and the networks that they have. */
export function copyHosts(db: Kysely<Database>, versionId: string, clusterId: string) {
  return db
    .selectFrom('host')
    .leftJoin('host_image as image', join =>
      join.onRef('image.host_id', '=', 'host.id').on('image.version_id', '=', versionId),
    )
    .select(['host.id', 'host.name', 'host.state', 'image.observed_state', 'image.observed_progress'])
    .select(sql<string[]>`coalesce(host.observed_facts -> 'bridges', '[]')`.as('bridges'))
    .where('host.cluster_id', '=', clusterId)
    .orderBy('host.name')
    .execute()
}

export interface CopySourceRow {
  id: string
  name: string
  cluster_name: string
  state: HostState
}

/** Hosts that have the image and serve it to others, or could when they were there. */
export function copySources(db: Kysely<Database>, versionId: string): Promise<CopySourceRow[]> {
  return db
    .selectFrom('host_image as image')
    .innerJoin('host', 'host.id', 'image.host_id')
    .innerJoin('cluster', 'cluster.id', 'host.cluster_id')
    .select(['host.id', 'host.name', 'host.state', 'cluster.name as cluster_name'])
    .where('image.version_id', '=', versionId)
    .where('image.observed_state', '=', 'ready')
    .orderBy('host.name')
    .execute()
}

export interface CopyPoolRow {
  id: string
  name: string
  network: NetworkValue
  cluster_ids: string[]
}

/** Pools of a template that are there to stay. */
export function copyPools(db: Kysely<Database>, templateId: string): Promise<CopyPoolRow[]> {
  return db
    .selectFrom('pool')
    .select(['id', 'name', 'network', 'cluster_ids'])
    .where('template_id', '=', templateId)
    .where('wished_present', '=', true)
    .orderBy('name')
    .execute()
}

/** Copies that the pace is taken from. More: a line that was changed is told of late; fewer: one bad day tells. */
const pastCopies = 5

/** Bytes a second of the last copies to a cluster, the median; null while there was none worth measuring. */
export async function copyPace(db: Kysely<Database>, clusterId: string): Promise<number | null> {
  // What took no second was there already, or is too small to tell of a line.
  const { rows } = await sql<{ pace: number | null }>`
    select percentile_cont(0.5) within group (order by bytes / seconds) as pace from (
      select v.stored_bytes::float as bytes, extract(epoch from t.finished_at - t.created_at)::float as seconds
      from task t join template_version v on v.id = t.subject_id
      where t.kind = 'template.copy' and t.state = 'succeeded' and t.goal ->> 'clusterId' = ${clusterId}
        and v.stored_bytes > 0 and t.finished_at > t.created_at + interval '1 second'
      order by t.finished_at desc limit ${pastCopies}) past`.execute(db)
  const pace = rows[0]?.pace ?? null
  return pace === null ? null : Math.round(pace)
}
