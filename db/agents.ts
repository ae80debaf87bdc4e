import { sql } from 'kysely'
import type { MachineVolume } from '../vmm/spec.ts'
import type { Db } from './connect.ts'
import { customiseFor } from './customisation.ts'
import { desktopDongles } from './dongles.ts'
import type { Power } from './schema.ts'
import { snapshotsWished } from './snapshots.ts'

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
  observed_work: unknown
  observed_clients: number
  observed_graphics: unknown
  observed_trouble: unknown
  observed_memory: unknown
  observed_gone: boolean
  observed_cdrom: unknown
  observed_hardware: unknown
}

/** Of a desktop that nothing was heard of. */
export const unheard = {
  observed_generation: null,
  observed_incarnation: null,
  observed_power: null,
  observed_stopped: null,
  observed_ready: false,
  observed_step: null,
  observed_queue_place: null,
  observed_work: null,
  observed_clients: 0,
  observed_graphics: null,
  observed_trouble: null,
  observed_memory: null,
  observed_gone: false,
  observed_cdrom: null,
  observed_hardware: null,
} satisfies Omit<DesktopObserved, 'id'>

/** Writes a batch of reports in one statement; only this host's desktops, only what differs. */
export async function desktopsObserve(db: Db, hostId: string, reports: DesktopObserved[]) {
  if (reports.length === 0) return
  await sql`
    update desktop set
      observed_generation = r.observed_generation, observed_incarnation = r.observed_incarnation,
      observed_power = r.observed_power, observed_stopped = r.observed_stopped, observed_ready = r.observed_ready,
      step_since = case when desktop.observed_step is distinct from r.observed_step then now() else step_since end,
      observed_step = r.observed_step, observed_queue_place = r.observed_queue_place,
      observed_work = nullif(r.observed_work, 'null'),
      observed_clients = r.observed_clients, observed_graphics = nullif(r.observed_graphics, 'null'),
      observed_trouble = nullif(r.observed_trouble, 'null'), observed_gone = r.observed_gone,
      observed_memory = nullif(r.observed_memory, 'null'),
      observed_cdrom = nullif(r.observed_cdrom, 'null'),
      observed_hardware = nullif(r.observed_hardware, 'null')
    from jsonb_to_recordset(${JSON.stringify(reports)}::jsonb) as r(
      id uuid, observed_generation bigint, observed_incarnation int, observed_power text, observed_stopped text,
      observed_ready boolean, observed_step text, observed_queue_place int, observed_work jsonb, observed_clients int,
      observed_graphics jsonb, observed_trouble jsonb, observed_gone boolean, observed_memory jsonb,
      observed_cdrom jsonb, observed_hardware jsonb)
    where desktop.id = r.id and desktop.host_id = ${hostId}
      and (desktop.observed_generation, desktop.observed_incarnation, desktop.observed_power, desktop.observed_stopped,
        desktop.observed_ready, desktop.observed_step, desktop.observed_queue_place, desktop.observed_work, desktop.observed_clients,
        desktop.observed_graphics, desktop.observed_trouble, desktop.observed_gone, desktop.observed_memory,
        desktop.observed_cdrom, desktop.observed_hardware)
      is distinct from
        (r.observed_generation, r.observed_incarnation, r.observed_power, r.observed_stopped,
        r.observed_ready, r.observed_step, r.observed_queue_place, nullif(r.observed_work, 'null'), r.observed_clients,
        nullif(r.observed_graphics, 'null'), nullif(r.observed_trouble, 'null'), r.observed_gone,
        nullif(r.observed_memory, 'null'), nullif(r.observed_cdrom, 'null'),
        nullif(r.observed_hardware, 'null'))`.execute(db)
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
      observed_memory: null,
      observed_hardware: null,
      observed_gone: true,
    })
    .where('host_id', '=', hostId)
    .where('id', 'not in', present.length > 0 ? present : ['00000000-0000-0000-0000-000000000000'])
    .where(eb => eb.or([eb('observed_gone', '=', false), eb('observed_incarnation', 'is not', null)]))
    .execute()
}

/** Desktops a host is told of: those that are there, and those that are on their way to it. */
const toldTo = (hostId: string) => sql<boolean>`(desktop.host_id = ${hostId} or desktop.id in (
  select desktop_id from migration where to_host_id = ${hostId} and ended_at is null and state in ('preparing', 'moving')))`

/** Ids and generations of everything a host is wished to hold: compared with what its agent was last told. */
export function desktopGenerations(db: Db, hostId: string) {
  return db.selectFrom('desktop').select(['id', 'generation', 'wished_present']).where(toldTo(hostId)).execute()
}

/**
 * Of disks that a host has no word of: those it shall destroy, and why. Another storage id at its desktop's home proves
 * nothing: a home whose storage is not mounted may have marked an empty folder. So the disk of a life that is wished goes
 * only when a move is on record that copied it from or to this storage, and the storage that the last such move left it on
 * is where its home sees it now.
 */
export async function straysToRemove(
  db: Db,
  hostId: string,
  strays: { id: string; incarnations: number[] }[],
): Promise<{ id: string; because: string; leftOver: boolean }[]> {
  if (strays.length === 0) return []
  const said = strays.map(({ id, incarnations }) => ({ id, newest: Math.max(...incarnations) }))
  const { rows } = await sql<{ id: string; because: string; leftOver: boolean }>`
    select s.id, d.id is null or (d.wished_present and s.newest >= d.wished_incarnation) as "leftOver", case
      when d.id is null then 'no desktop has this id'
      when not d.wished_present then 'its desktop is being removed'
      when s.newest < d.wished_incarnation then 'it is of an earlier life of its desktop'
      else 'a move took its desktop to another storage, or did not bring it to this one' end as because
    from jsonb_to_recordset(${JSON.stringify(said)}::jsonb) s(id uuid, newest int)
    left join desktop d on d.id = s.id
    left join host home on home.id = d.host_id
    join host here on here.id = ${hostId}
    cross join lateral (select here.observed_facts ->> 'storageId' as here, home.observed_facts ->> 'storageId' as home) storage
    where d.id is null
      or (d.host_id <> here.id and storage.home <> storage.here
        and not exists (select from migration m where m.desktop_id = d.id and m.ended_at is null)
        and (not d.wished_present or s.newest < d.wished_incarnation
          or (home.state = 'online' and d.observed_incarnation = d.wished_incarnation and exists (
            select from migration m
            where m.desktop_id = d.id and storage.here in (m.from_storage_id, m.to_storage_id)
              and storage.home = coalesce((
                select last.to_storage_id from migration last
                where last.desktop_id = d.id and last.state = 'done' and last.to_storage_id is not null
                order by last.ended_at desc limit 1), m.from_storage_id)))))`.execute(db)
  return rows
}

/** As vmm/spec.ts, MachineVolume; null: none. */
const volumesOfDesktop = sql<MachineVolume[] | null>`(
  select jsonb_agg(jsonb_build_object('id', v.id, 'name', v.name, 'poolId', v.pool_id, 'format', v.format, 'slot', v.slot)
    order by v.slot) from volume v where v.desktop_id = desktop.id)`

/** What a host's agent needs to know of its machines: all that are wished, or those named, wished or not. */
export function desktopSpecs(db: Db, hostId: string, ids?: string[]) {
  let query = db
    .selectFrom('desktop')
    .innerJoin('template_version', 'template_version.id', 'desktop.version_id')
    .innerJoin('template', 'template.id', 'template_version.template_id')
    .innerJoin('pool', 'pool.id', 'desktop.pool_id')
    .leftJoin('screen_port as port', join =>
      join.onRef('port.desktop_id', '=', 'desktop.id').on('port.host_id', '=', hostId),
    )
    .leftJoin('migration as move', join =>
      join.onRef('move.desktop_id', '=', 'desktop.id').on('move.ended_at', 'is', null).on('move.state', '<>', 'queued'),
    )
    .leftJoin('host as source', 'source.id', 'move.from_host_id')
    .leftJoin('host_image as source_image', join =>
      join
        .onRef('source_image.host_id', '=', 'move.from_host_id')
        .onRef('source_image.version_id', '=', 'desktop.version_id'),
    )
    .leftJoin('host as target', 'target.id', 'move.to_host_id')
    .leftJoin('screen_port as target_port', join =>
      join.onRef('target_port.desktop_id', '=', 'desktop.id').onRef('target_port.host_id', '=', 'move.to_host_id'),
    )
    // Of the host that is told: it may be another than the desktop is at home on.
    .innerJoin('host as told', join => join.on('told.id', '=', hostId))
    .innerJoin('cluster', 'cluster.id', 'told.cluster_id')
    .selectAll('desktop')
    .select(volumesOfDesktop.as('volumes'))
    .select(['template.ready_when', 'pool.network', 'cluster.networks', desktopDongles(hostId).as('dongles')])
    .select(customiseFor.as('customise'))
    .select(['port.port as screen_port', 'target_port.port as target_port', 'target.observed_facts as target_facts'])
    .select(['source.observed_facts as source_facts', 'source_image.observed_sha256 as source_image_sha256'])
    .select(['move.id as move_id', 'move.kind as move_kind', 'move.state as move_state'])
    .select(['move.wished_cancel as move_cancel', 'move.to_host_id as move_to'])
    .select(snapshotsWished.as('snapshots_wished'))
    .where(toldTo(hostId))
  query = ids ? query.where('desktop.id', 'in', ids) : query.where('desktop.wished_present', '=', true)
  return query.execute()
}
