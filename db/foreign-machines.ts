import { type Kysely, sql } from 'kysely'
import type { ForeignMachine } from '../vmm/report.ts'
import type { Tx } from './connect.ts'
import type { Database } from './schema.ts'

/** What a host says of the machines on it that are not ours; the same again is no change. */
export async function foreignObserve(db: Kysely<Database>, hostId: string, machines: ForeignMachine[], at: Date) {
  await sql`
    insert into host_foreign (host_id, observed_machines, observed_at)
    values (${hostId}::uuid, ${JSON.stringify(machines)}::jsonb, ${at}::timestamptz)
    on conflict (host_id) do update
      set observed_machines = excluded.observed_machines, observed_at = excluded.observed_at
      where host_foreign.observed_machines is distinct from excluded.observed_machines`.execute(db)
}

/** Null: its agent never told. */
export async function foreignMachines(db: Kysely<Database>, hostId: string): Promise<ForeignMachine[] | null> {
  const row = await db
    .selectFrom('host_foreign')
    .select('observed_machines')
    .where('host_id', '=', hostId)
    .executeTakeFirst()
  return row?.observed_machines ?? null
}

/** Desktops of the host that are, or begin with, one of these machines. */
export function desktopsAdopting(db: Kysely<Database>, hostId: string, ids: string[]) {
  if (ids.length === 0) return []
  return db
    .selectFrom('desktop')
    .select(['id', 'name', 'wished_adopt', 'disk_incarnation'])
    .where('host_id', '=', hostId)
    .where('wished_adopt', 'in', ids)
    .execute()
}

/** A desktop that was just made begins with the disk of this machine, and its person has it whatever comes of that. */
export async function desktopAdopts(tx: Tx, id: string, foreignId: string) {
  await tx.updateTable('desktop').set({ wished_adopt: foreignId, claim_task_id: null }).where('id', '=', id).execute()
}

/** The next place of a person in a pool. */
export async function slotFree(tx: Tx, poolId: string, userId: string): Promise<number> {
  const { rows } = await sql<{ slot: number }>`
    select coalesce(max(user_slot), 0)::int + 1 as slot from desktop
    where pool_id = ${poolId} and user_id = ${userId}`.execute(tx)
  return rows[0]?.slot ?? 1
}

/** It shall not be: the machine stays what it is. @returns false when its disk was taken over already. */
export async function desktopAdoptNot(tx: Tx, id: string): Promise<boolean> {
  const row = await tx
    .updateTable('desktop')
    .set({ wished_adopt: null, wished_present: false })
    .where('id', '=', id)
    .where('observed_incarnation', 'is', null)
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

/** Also of one that was removed: its history goes by this id. */
export async function desktopIdUsed(tx: Tx, id: string): Promise<boolean> {
  const { rows } = await sql<{ used: boolean }>`
    select exists (select from desktop where id = ${id}) or exists (select from transition where desktop_id = ${id})
      as used`.execute(tx)
  return rows[0]?.used === true
}

/** The newest version that is an empty disk: what desktops stand on that bring a disk of their own. */
export function blankVersion(tx: Tx, templateId?: string) {
  return tx
    .selectFrom('template_version as v')
    .innerJoin('template as t', 't.id', 'v.template_id')
    .select(['v.id', 'v.template_id', 't.hardware'])
    .where(sql<boolean>`v.source ->> 'kind' = 'blank'`)
    .where('v.state', '<>', 'failed')
    .$if(templateId !== undefined, query => query.where('v.template_id', '=', templateId ?? ''))
    .orderBy('v.created_at', 'desc')
    .limit(1)
    .executeTakeFirst()
}
