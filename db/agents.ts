import { sql } from 'kysely'
import type { Db } from './connect.ts'
import type { Power } from './schema.ts'

/** One desktop's observed columns, as reported by its host. */
export interface DesktopObserved {
  id: string
  observed_generation: number | null
  observed_incarnation: number | null
  observed_power: Power | null
  observed_stopped: string | null
  observed_ready: boolean
  observed_step: string | null
  observed_queue_place: number | null
  observed_clients: number
  observed_graphics: unknown
  observed_trouble: unknown
  observed_gone: boolean
}

/** Writes a batch of reports in one statement; only this host's desktops, only what differs. */
export async function desktopsObserve(db: Db, hostId: string, reports: DesktopObserved[]) {
  if (reports.length === 0) return
  await sql`
    update desktop set
      observed_generation = r.observed_generation, observed_incarnation = r.observed_incarnation,
      observed_power = r.observed_power, observed_stopped = r.observed_stopped, observed_ready = r.observed_ready,
      step_since = case when desktop.observed_step is distinct from r.observed_step then now() else step_since end,
      observed_step = r.observed_step, observed_queue_place = r.observed_queue_place,
      observed_clients = r.observed_clients, observed_graphics = nullif(r.observed_graphics, 'null'),
      observed_trouble = nullif(r.observed_trouble, 'null'), observed_gone = r.observed_gone
    from jsonb_to_recordset(${JSON.stringify(reports)}::jsonb) as r(
      id uuid, observed_generation bigint, observed_incarnation int, observed_power text, observed_stopped text,
      observed_ready boolean, observed_step text, observed_queue_place int, observed_clients int,
      observed_graphics jsonb, observed_trouble jsonb, observed_gone boolean)
    where desktop.id = r.id and desktop.host_id = ${hostId}
      and (desktop.observed_generation, desktop.observed_incarnation, desktop.observed_power, desktop.observed_stopped,
        desktop.observed_ready, desktop.observed_step, desktop.observed_queue_place, desktop.observed_clients,
        desktop.observed_graphics, desktop.observed_trouble, desktop.observed_gone)
      is distinct from
        (r.observed_generation, r.observed_incarnation, r.observed_power, r.observed_stopped,
        r.observed_ready, r.observed_step, r.observed_queue_place, r.observed_clients,
        nullif(r.observed_graphics, 'null'), nullif(r.observed_trouble, 'null'), r.observed_gone)`.execute(db)
}

/** A full report names everything there is: what it does not name is not there. */
export async function desktopsObserveAbsent(db: Db, hostId: string, present: string[]) {
  await db
    .updateTable('desktop')
    .set({
      observed_incarnation: null,
      observed_power: null,
      observed_ready: false,
      observed_step: null,
      observed_clients: 0,
      observed_graphics: null,
      observed_gone: true,
    })
    .where('host_id', '=', hostId)
    .where('id', 'not in', present.length > 0 ? present : ['00000000-0000-0000-0000-000000000000'])
    .where(eb => eb.or([eb('observed_gone', '=', false), eb('observed_incarnation', 'is not', null)]))
    .execute()
}

/** Ids and generations of everything a host is wished to hold: compared with what its agent was last told. */
export function desktopGenerations(db: Db, hostId: string) {
  return db.selectFrom('desktop').select(['id', 'generation', 'wished_present']).where('host_id', '=', hostId).execute()
}

/** What a host's agent needs to know of its machines. */
export function desktopSpecs(db: Db, hostId: string, ids?: string[]) {
  let query = db
    .selectFrom('desktop')
    .innerJoin('template_version', 'template_version.id', 'desktop.version_id')
    .innerJoin('template', 'template.id', 'template_version.template_id')
    .selectAll('desktop')
    .select(['template.ready_when', sql<string>`host(desktop.address)`.as('address_text')])
    .where('desktop.host_id', '=', hostId)
    .where('desktop.wished_present', '=', true)
  if (ids) query = query.where('desktop.id', 'in', ids)
  return query.execute()
}
