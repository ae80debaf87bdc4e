import { type Kysely, sql } from 'kysely'
import type { Db, Tx } from './connect.ts'
import type { Database, HardwareValue, TroubleValue } from './schema.ts'
import type { ExportFormat } from './schema-exports.ts'

export type ExportRow = Awaited<ReturnType<typeof exportRows>>[number]

/** Files made of versions, by format. */
export function exportRows(db: Kysely<Database>, filter: { versionIds?: string[]; id?: string } = {}) {
  let query = db.selectFrom('template_export').selectAll().orderBy('format')
  if (filter.versionIds) query = query.where('version_id', 'in', filter.versionIds)
  if (filter.id) query = query.where('id', '=', filter.id)
  return query.execute()
}

/** In the place of one that failed or is over. */
export async function exportInsert(
  tx: Tx,
  { version_id, format, ...row }: { id: string; version_id: string; format: ExportFormat; host_id: string },
) {
  await tx.deleteFrom('template_export').where('version_id', '=', version_id).where('format', '=', format).execute()
  await tx
    .insertInto('template_export')
    .values({ ...row, version_id, format, text: 'waits for its host', trouble: null })
    .execute()
}

export async function exportDelete(db: Kysely<Database>, id: string) {
  await db.deleteFrom('template_export').where('id', '=', id).execute()
}

/** The file that a receipt is about is wished no more. @returns false when it is there already. */
export async function exportTakeBack(tx: Tx, taskId: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('template_export')
    .where('state', '<>', 'ready')
    .where(sql<boolean>`id = (select (goal ->> 'exportId')::uuid from task where id = ${taskId})`)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** A host that is there and has the image of a version; one with little to do before others. */
export async function exportHost(db: Kysely<Database>, versionId: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('host_image')
    .innerJoin('host', 'host.id', 'host_image.host_id')
    .select('host.id')
    .where('version_id', '=', versionId)
    .where('observed_state', '=', 'ready')
    .where('host.state', 'in', ['online', 'maintenance'])
    .orderBy(
      sql`(select count(*) from template_export e where e.host_id = host.id and e.state = 'making'), host.state, host.name`,
    )
    .limit(1)
    .executeTakeFirst()
  return row?.id
}

export type ExportWished = Awaited<ReturnType<typeof exportsWished>>[number]

/** Files that a host is wished to make, with what they shall say of themselves. */
export async function exportsWished(db: Kysely<Database>, hostId: string) {
  const { rows } = await sql<{
    id: string
    version_id: string
    format: ExportFormat
    name: string
    description: string
    hardware: HardwareValue
    ready_when: 'agent' | 'running'
    number: number
    notes: string
    made_at: Date
  }>`
    select e.id, e.version_id, e.format, t.name, t.description, t.hardware, t.ready_when, v.number, v.notes,
      v.created_at as made_at
    from template_export e join template_version v on v.id = e.version_id join template t on t.id = v.template_id
    where e.host_id = ${hostId} and e.state = 'making' order by e.created_at, e.id`.execute(db)
  return rows
}

export interface ExportObserved {
  id: string
  state: 'making' | 'failed'
  progress: number
  text: string
  trouble: TroubleValue | null
}

/** What their host says of them; that a file is ready is said by the file itself. */
export async function exportsObserve(db: Db, hostId: string, said: ExportObserved[]) {
  if (said.length === 0) return
  await sql`
    update template_export e set state = r.state, progress = r.progress, text = r.text,
      trouble = nullif(r.trouble, 'null')
    from jsonb_to_recordset(${JSON.stringify(said)}::jsonb)
      as r(id uuid, state text, progress int, text text, trouble jsonb)
    where e.id = r.id and e.host_id = ${hostId} and e.state = 'making'
      and (e.state, e.progress, e.text) is distinct from (r.state, r.progress, r.text)`.execute(db)
}

/** All of the file is here. @returns false when it is not wished (any more). */
export async function exportArrived(
  db: Kysely<Database>,
  id: string,
  { hostId, ...set }: { hostId: string; size_bytes: number; sha256: string; expires_at: Date },
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('template_export')
    .set({ ...set, state: 'ready', progress: 100, text: '', trouble: null })
    .where('id', '=', id)
    .where('host_id', '=', hostId)
    .where('state', '=', 'making')
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** Of those that are made: whose host is not there to make them. */
export function exportsStranded(db: Kysely<Database>) {
  return db
    .selectFrom('template_export')
    .leftJoin('host', 'host.id', 'template_export.host_id')
    .select(['template_export.id', 'template_export.version_id', 'template_export.host_id'])
    .where('template_export.state', '=', 'making')
    .where(eb => eb.or([eb('host.id', 'is', null), eb('host.state', 'not in', ['online', 'maintenance'])]))
    .execute()
}

export async function exportHostSet(db: Kysely<Database>, id: string, hostId: string | null, text: string) {
  await db
    .updateTable('template_export')
    .set({ host_id: hostId, text, progress: 0 })
    .where('id', '=', id)
    .where('state', '=', 'making')
    .execute()
}
