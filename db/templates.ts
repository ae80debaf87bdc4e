import { type Kysely, sql } from 'kysely'
import { type Db, pageOfRows, type Tx } from './connect.ts'
import type { Database, HardwareValue, TroubleValue, VersionSource, VersionState } from './schema.ts'
import type { AnswersValue } from './schema-customisation.ts'

/** Templates with how many pools and desktops stand on them, by name. */
export function templateRows(
  db: Kysely<Database>,
  filter: { ids?: string[]; name?: string | undefined; after?: string | undefined; limit?: number },
) {
  let query = db
    .selectFrom('template')
    .selectAll('template')
    .select([
      sql<number>`(select count(*) from pool where pool.template_id = template.id)`.as('pools'),
      sql<number>`(select coalesce(sum(t.n), 0) from tally t join template_version v on v.id = t.version_id where v.template_id = template.id)`.as(
        'desktops',
      ),
    ])
  if (filter.ids) query = query.where('id', 'in', filter.ids)
  if (filter.name) query = query.where('name', '=', filter.name)
  if (filter.after) query = query.where('name', '>', filter.after)
  return pageOfRows(query.orderBy('name'), filter.limit).execute()
}

export type VersionRow = Awaited<ReturnType<typeof versionRows>>[number]

/** Versions of templates, newest first. */
export function versionRows(db: Kysely<Database>, templateIds: string[]) {
  return db
    .selectFrom('template_version')
    .selectAll()
    .select([
      sql<number>`(select coalesce(sum(n), 0) from tally where tally.version_id = template_version.id)`.as('desktops'),
      sql<number>`(select count(*) from pool where pool.template_id = template_version.template_id and (pool.template_version = template_version.number or exists (select from push where push.pool_id = pool.id and push.state = 'scheduled' and push.version = template_version.number)))`.as(
        'pinned',
      ),
    ])
    .where('template_id', 'in', templateIds.length > 0 ? templateIds : ['00000000-0000-0000-0000-000000000000'])
    .orderBy('number', 'desc')
    .execute()
}

export async function templateInsert(
  tx: Tx,
  template: { id: string; name: string; description: string; hardware: HardwareValue; ready_when: 'agent' | 'running' },
) {
  await tx
    .insertInto('template')
    .values({ ...template, hardware: JSON.stringify(template.hardware) })
    .execute()
}

export async function templateSet(db: Kysely<Database>, id: string, set: { description?: string; hardware?: string }) {
  if (Object.keys(set).length > 0) await db.updateTable('template').set(set).where('id', '=', id).execute()
}

/** Locked for the rest of the transaction. */
export function templateLock(tx: Tx, id: string) {
  return tx
    .selectFrom('template')
    .select(['name', 'ready_when', 'answers'])
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
}

export async function templateAnswersSet(tx: Tx, id: string, answers: AnswersValue | null) {
  const set = { answers: answers && JSON.stringify(answers) }
  await tx.updateTable('template').set(set).where('id', '=', id).execute()
}

/** Refused by the database (23503) while a pool or a desktop stands on it, whoever asks at the same moment. */
export async function templateDeleteRow(db: Kysely<Database>, id: string) {
  await db.deleteFrom('template').where('id', '=', id).execute()
}

/** The next number of the template; locks the template so that two cannot take one number. */
export async function versionInsert(
  tx: Tx,
  version: { id: string; template_id: string; source: VersionSource; notes: string; state: VersionState; text: string },
): Promise<number> {
  await tx.selectFrom('template').select('id').where('id', '=', version.template_id).forUpdate().executeTakeFirst()
  const { number } = await tx
    .insertInto('template_version')
    .values({
      ...version,
      source: JSON.stringify(version.source),
      number: sql<number>`(select coalesce(max(number), 0) + 1 from template_version where template_id = ${version.template_id})`,
      virtual_bytes: null,
      stored_bytes: null,
      sha256: null,
      trouble: null,
    })
    .returning('number')
    .executeTakeFirstOrThrow()
  return number
}

/** Refused by the database (23503) while a desktop stands on it. */
export async function versionDeleteRow(tx: Tx, id: string) {
  await tx.deleteFrom('template_version').where('id', '=', id).execute()
}

export function versionFind(db: Kysely<Database>, templateId: string, number: number) {
  return db
    .selectFrom('template_version')
    .innerJoin('template', 'template.id', 'template_version.template_id')
    .selectAll('template_version')
    .select('template.name as template_name')
    .where('template_id', '=', templateId)
    .where('number', '=', number)
    .executeTakeFirst()
}

export async function versionSet(
  db: Kysely<Database>,
  id: string,
  set: {
    source?: string
    notes?: string
    uploaded?: boolean
    wished_attempt?: number
    state?: VersionState
    progress?: number
    text?: string
    virtual_bytes?: number | null
    stored_bytes?: number | null
    sha256?: string | null
    trouble?: string | null
  },
) {
  await db.updateTable('template_version').set(set).where('id', '=', id).execute()
}

/** The file of a version that waits for it is there. @returns false when it does not wait. */
export async function versionArrived(db: Kysely<Database>, id: string, text: string): Promise<boolean> {
  const row = await db
    .updateTable('template_version')
    .set({ uploaded: true, state: 'making', progress: 0, text })
    .where('id', '=', id)
    .where('state', '=', 'uploading')
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

/** A version that is still being made is given up. @returns false when it is not: sealed or failed already. */
export async function versionGiveUp(db: Kysely<Database>, id: string, trouble: TroubleValue): Promise<boolean> {
  const row = await db
    .updateTable('template_version')
    .set({ state: 'failed', progress: 0, text: '', trouble: JSON.stringify(trouble) })
    .where('id', '=', id)
    .where('state', 'in', ['uploading', 'making'])
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

/** What a host says of a file itself: no try ends otherwise, on whichever host, until somebody asks for one. */
const finalCodes = ['invalid', 'unsupported', 'too_large'] satisfies TroubleValue['code'][]
export const isFinal = ({ code }: TroubleValue): boolean => finalCodes.some(one => one === code)

export type VersionWished = Awaited<ReturnType<typeof versionsWished>>[number]

/**
 * What a host is wished to hold: every version that neither waits for its upload nor was cancelled or refused; of those made of a
 * desktop, the hosts that have its storage, and once it is sealed those of the clusters that it is copied to.
 */
export async function versionsWished(db: Kysely<Database>, hostId: string) {
  const { rows } = await sql<{
    id: string
    name: string
    number: number
    source: VersionSource
    attempt: number
    sha256: string | null
    stored_bytes: number | null
    /** The slower of what the copy and the cluster allow; null: as fast as it goes. */
    bytes_per_second: number | null
    /** Where hosts of other storages serve it. */
    urls: string[]
    at_home: boolean
  }>`
    select v.id, t.name, v.number, v.source, v.wished_attempt + coalesce(copy.wished_attempt, 1) - 1 as attempt,
      v.sha256, v.stored_bytes, least(copy.bytes_per_second, here.pace) as bytes_per_second, v.source ->> 'storageId' = here.storage as at_home,
      case when v.source ->> 'kind' = 'desktop' then array(
        select h.observed_facts ->> 'transferUrl' from host_image i join host h on h.id = i.host_id
        where i.version_id = v.id and i.observed_state = 'ready' and h.state in ('online', 'maintenance')
          and h.observed_facts ->> 'transferUrl' is not null and h.observed_facts ->> 'storageId' <> here.storage
        order by h.name) else '{}' end as urls
    from template_version v join template t on t.id = v.template_id
    cross join (select h.cluster_id, h.observed_facts ->> 'storageId' as storage, c.image_bytes_per_second as pace
      from host h join cluster c on c.id = h.cluster_id where h.id = ${hostId}) here
    left join template_copy copy on copy.version_id = v.id and copy.cluster_id = here.cluster_id
    where v.state <> 'uploading' and v.trouble ->> 'code' is distinct from 'cancelled'
      and not (v.state = 'failed' and v.trouble ->> 'code' = any(${finalCodes}))
      and (v.source ->> 'kind' <> 'desktop' or v.source ->> 'storageId' = here.storage
        or (copy.version_id is not null and v.state = 'sealed'))`.execute(db)
  return rows
}

/** Virtual size of its disk; 0 while it is not sealed. */
export async function versionBytes(db: Kysely<Database>, id: string): Promise<number> {
  const row = await db.selectFrom('template_version').select('virtual_bytes').where('id', '=', id).executeTakeFirst()
  return row?.virtual_bytes ?? 0
}

/** An empty disk, on which a desktop's own is as large as its hardware says. */
export async function versionIsBlank(db: Kysely<Database>, id: string): Promise<boolean> {
  const blank = sql<boolean>`source ->> 'kind' = 'blank'`
  const row = await db.selectFrom('template_version').select(blank.as('blank')).where('id', '=', id).executeTakeFirst()
  return row?.blank === true
}

/** A version that was made of an ISO file; undefined: it was not, or is not there. */
export function versionDisc(db: Kysely<Database>, id: string) {
  return db
    .selectFrom('template_version')
    .innerJoin('template', 'template.id', 'template_version.template_id')
    .select(['template.name', 'template_version.number', 'template_version.state'])
    .where('template_version.id', '=', id)
    .where(sql<boolean>`source ->> 'format' = 'iso'`)
    .executeTakeFirst()
}

/** What counts as ready for desktops of a version. */
export async function versionReadyWhen(db: Kysely<Database>, id: string): Promise<'agent' | 'running'> {
  const row = await db
    .selectFrom('template_version')
    .innerJoin('template', 'template.id', 'template_version.template_id')
    .select('ready_when')
    .where('template_version.id', '=', id)
    .executeTakeFirstOrThrow()
  return row.ready_when
}

/** Desktops of whose disk a version, or a copy, is being made. */
export const capturedDesktops = sql<string>`any(array(select (source ->> 'desktopId')::uuid from template_version
  where state = 'making' and source ->> 'kind' = 'desktop'
  union all select (clone_of ->> 'desktopId')::uuid from desktop
  where clone_of is not null and disk_incarnation is null and wished_present))`

/** Of a query on `desktop`. */
export const desktopIsCaptured = sql<boolean>`desktop.id = ${capturedDesktops}`

/** Of a query on `desktop`: which version is being made of it; null: none. */
export const desktopCapturedBy = sql<{ templateId: string; templateName: string; number: number } | null>`
  case when ${desktopIsCaptured} then (
    select jsonb_build_object('templateId', t.id, 'templateName', t.name, 'number', v.number)
    from template_version v join template t on t.id = v.template_id
    where v.state = 'making' and v.source ->> 'kind' = 'desktop' and v.source ->> 'desktopId' = desktop.id::text
    order by v.id limit 1) end`

/** The version new desktops of a pool are made from: the pinned one, else the newest sealed. */
export function versionCurrent(db: Kysely<Database>, pool: { template_id: string; template_version: number | null }) {
  let query = db
    .selectFrom('template_version')
    .select(['id', 'number', sql<boolean>`source ->> 'kind' = 'blank'`.as('blank')])
    .where('template_id', '=', pool.template_id)
    .where('state', '=', 'sealed')
  if (pool.template_version !== null) query = query.where('number', '=', pool.template_version)
  return query.orderBy('number', 'desc').limit(1).executeTakeFirst()
}

export interface ImageObserved {
  version_id: string
  observed_attempt: number
  observed_state: string
  observed_progress: number
  observed_text: string
  observed_virtual_bytes: number | null
  observed_stored_bytes: number | null
  observed_sha256: string | null
  observed_trouble: TroubleValue | null
}

/** Writes what a host says of its images; a full report also forgets what it does not name. */
export async function imagesObserve(db: Db, hostId: string, images: ImageObserved[], full: boolean) {
  if (full)
    await db
      .deleteFrom('host_image')
      .where('host_id', '=', hostId)
      .where(
        'version_id',
        'not in',
        images.length > 0 ? images.map(image => image.version_id) : ['00000000-0000-0000-0000-000000000000'],
      )
      .execute()
  if (images.length > 0)
    await sql`
      insert into host_image (host_id, version_id, observed_attempt, observed_state, observed_progress, observed_text,
        observed_virtual_bytes, observed_stored_bytes, observed_sha256, observed_trouble)
      select ${hostId}::uuid, r.version_id, r.observed_attempt, r.observed_state, r.observed_progress, r.observed_text,
        r.observed_virtual_bytes, r.observed_stored_bytes, r.observed_sha256, nullif(r.observed_trouble, 'null')
      from jsonb_to_recordset(${JSON.stringify(images)}::jsonb) as r(version_id uuid, observed_attempt int,
        observed_state text, observed_progress int, observed_text text, observed_virtual_bytes bigint,
        observed_stored_bytes bigint, observed_sha256 text, observed_trouble jsonb)
      where exists (select from template_version v where v.id = r.version_id)
      on conflict (host_id, version_id) do update set
        observed_attempt = excluded.observed_attempt, observed_state = excluded.observed_state,
        observed_progress = excluded.observed_progress, observed_text = excluded.observed_text,
        observed_virtual_bytes = excluded.observed_virtual_bytes, observed_stored_bytes = excluded.observed_stored_bytes,
        observed_sha256 = excluded.observed_sha256, observed_trouble = excluded.observed_trouble`.execute(db)
  await sql`select pg_notify('hdcs_nudge', 'templates')`.execute(db)
}

/** Agents compare what they were told with what is wished now. */
export async function imagesTell(db: Kysely<Database>) {
  await sql`select pg_notify('hdcs_images', '')`.execute(db)
}

/** Versions with what the hosts say of them: for the templates reconciler. */
export function versionsObserved(db: Kysely<Database>) {
  return db
    .selectFrom('template_version')
    .leftJoin('host_image', 'host_image.version_id', 'template_version.id')
    .selectAll('template_version')
    .select([
      'observed_attempt',
      'observed_state',
      'observed_progress',
      'observed_text',
      'observed_virtual_bytes',
      'observed_stored_bytes',
      'observed_sha256',
      'observed_trouble',
    ])
    .execute()
}
