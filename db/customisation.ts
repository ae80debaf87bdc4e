import { type Kysely, sql } from 'kysely'
import type { Db, Tx } from './connect.ts'
import type { Database } from './schema.ts'
import type { CustomiseValue, SetupObserved } from './schema-customisation.ts'

/** A `desktop` that is not customised yet for what it is wished for. */
export const customising = sql<boolean>`(desktop.wished_setup is not null
  and desktop.wished_setup is distinct from desktop.setup_done)`

/** What a host has to know for that, beside the desktop's own row. */
export interface CustomiseFor {
  wish: CustomiseValue
  poolName: string
  user: { name: string; displayName: string; email: string | null } | null
}

export const customiseFor = sql<CustomiseFor | null>`case when ${customising} then (
  select jsonb_build_object('wish', c.wish, 'poolName', p.name, 'user', (
    select jsonb_build_object('name', u.name, 'displayName', u.display_name, 'email', u.email)
    from user_account u where u.id = desktop.user_id))
  from customisation c join pool p on p.id = c.pool_id where c.pool_id = desktop.pool_id) end`

export async function customisationOf(db: Kysely<Database>, poolId: string): Promise<CustomiseValue | null> {
  const row = await db.selectFrom('customisation').select('wish').where('pool_id', '=', poolId).executeTakeFirst()
  return row?.wish ?? null
}

/** Null: nothing is run any more. What nobody has begins a new life, and is customised as is wished now. */
export async function customisationSet(tx: Tx, poolId: string, wish: CustomiseValue | null): Promise<void> {
  if (!wish) {
    await tx.deleteFrom('customisation').where('pool_id', '=', poolId).execute()
    await tx
      .updateTable('desktop')
      .set({ wished_setup: null })
      .where('pool_id', '=', poolId)
      .where('wished_setup', 'is not', null)
      .execute()
    return
  }
  const each_life = wish.hostName || wish.domain !== null || wish.before !== null || wish.answers !== undefined
  const values = { wish: JSON.stringify(wish), each_life, each_person: wish.after !== null }
  await tx
    .insertInto('customisation')
    .values({ pool_id: poolId, ...values })
    .onConflict(conflict => conflict.column('pool_id').doUpdateSet(values))
    .execute()
}

/** Of pools that are answered as their template says, in the order in which all lock them. */
export function customisationsFollowing(tx: Tx, templateId: string) {
  return tx
    .selectFrom('customisation')
    .innerJoin('pool', 'pool.id', 'customisation.pool_id')
    .select(['customisation.pool_id', 'customisation.wish'])
    .where('pool.template_id', '=', templateId)
    .where(sql<boolean>`wish ->> 'answersFrom' = 'template'`)
    .orderBy('customisation.pool_id')
    .forUpdate()
    .execute()
}

/** What nobody has begins a new life. In the order of their ids, as all lock them. */
export async function desktopsRenew(tx: Tx, poolId: string): Promise<void> {
  await sql`
    with free as (
      select id from desktop where pool_id = ${poolId} and user_id is null and wished_present order by id for update)
    update desktop d set wished_incarnation = d.wished_incarnation + 1 from free where d.id = free.id`.execute(tx)
}

/** Desktops that failed to be customised and that nobody has, last failed first. */
export function desktopsSetAside(db: Db, poolId: string) {
  return db
    .selectFrom('desktop')
    .select(['name', sql<string>`observed_trouble ->> 'text'`.as('text')])
    .where('pool_id', '=', poolId)
    .where('phase', '=', 'failed')
    .where('user_id', 'is', null)
    .where(sql<boolean>`observed_trouble ->> 'code' = 'setup_failed'`)
    .orderBy('phase_since', 'desc')
    .execute()
}

/** Its scripts are run once more. */
export async function desktopSetupAgain(tx: Tx, id: string): Promise<void> {
  await tx
    .updateTable('desktop')
    .set(eb => ({ wished_setup_try: eb('wished_setup_try', '+', 1) }))
    .where('id', '=', id)
    .execute()
}

export interface SetupSaid {
  desktop_id: string
  setup: SetupObserved
  runs: {
    step_id: string
    attempt: number
    step: string
    state: string
    exit_code: number | null
    text: string
    /** Null: as was said before. */
    output: string | null
    started_at: string
    ms: number
  }[]
}

/** Writes what hosts said of customisations in one statement; only of this host's desktops. */
export async function setupObserve(db: Db, hostId: string, said: SetupSaid[]): Promise<void> {
  if (said.length === 0) return
  await sql`
    with said as (
      select s.* from jsonb_to_recordset(${JSON.stringify(said)}::jsonb) as s(desktop_id uuid, setup jsonb, runs jsonb)
      join desktop d on d.id = s.desktop_id and d.host_id = ${hostId}
    ), runs as (
      insert into setup_run (desktop_id, step_id, attempt, step, state, exit_code, text, output, started_at, ms)
      select s.desktop_id, r.step_id, r.attempt, r.step, r.state, r.exit_code, r.text, coalesce(r.output, ''),
        r.started_at, r.ms
      from said s, jsonb_to_recordset(s.runs) as r(step_id text, attempt int, step text, state text, exit_code bigint,
        text text, output text, started_at timestamptz, ms int)
      on conflict (desktop_id, step_id, attempt) do update set state = excluded.state, exit_code = excluded.exit_code,
        text = excluded.text, ms = excluded.ms, started_at = least(setup_run.started_at, excluded.started_at),
        output = case when excluded.output = '' then setup_run.output else excluded.output end
    )
    update desktop d set observed_setup = said.setup from said
    where d.id = said.desktop_id and d.observed_setup is distinct from said.setup`.execute(db)
}

/** A script that an administrator tries, by its operation; undefined: it is none, or its desktop is gone. */
export function trialOf(db: Kysely<Database>, operationId: string) {
  return db
    .selectFrom('operation')
    .innerJoin('task', 'task.id', 'operation.task_id')
    .innerJoin('desktop', 'desktop.id', 'operation.desktop_id')
    .innerJoin('pool', 'pool.id', 'desktop.pool_id')
    .leftJoin('customisation', 'customisation.pool_id', 'pool.id')
    .leftJoin('user_account', 'user_account.id', 'desktop.user_id')
    .select([
      'operation.id',
      'operation.host_id',
      'desktop.id as desktop_id',
      'desktop.name',
      'desktop.pool_id',
      'task.goal',
    ])
    .select(['desktop.address_text', 'pool.name as pool_name', 'customisation.wish'])
    .select(['user_account.name as user_name', 'user_account.display_name', 'user_account.email'])
    .where('operation.id', '=', operationId)
    .where('operation.name', '=', 'script')
    .executeTakeFirst()
}

/** It is told beside what its pool runs. */
export async function trialNote(db: Db, run: Omit<SetupRunRow, 'step' | 'attempt'>): Promise<void> {
  await db
    .insertInto('setup_run')
    .values({ ...run, step: 'trial', attempt: 1 })
    .onConflict(conflict => conflict.doNothing())
    .execute()
}

export type SetupRunRow = Awaited<ReturnType<typeof setupRuns>>[number]

/** Of one desktop. More: a floating one is customised every day; fewer: its lives of last week are forgotten. */
const keptRuns = 100

/** Of what began in one moment: steps are run in this order. */
const inTurn = sql`array_position(array['answers', 'hostName', 'domain', 'before', 'after', 'trial'], step)`

/** Oldest first: of one desktop, as far as they were under way between two moments. */
export async function setupRuns(db: Kysely<Database>, of: { desktopId: string; from?: Date; to?: Date | null }) {
  let query = db.selectFrom('setup_run').selectAll().where('desktop_id', '=', of.desktopId)
  if (of.from) query = query.where(sql<boolean>`started_at + ms * interval '1 ms' >= ${of.from}::timestamptz`)
  if (of.to) query = query.where('started_at', '<=', of.to)
  const rows = await query
    .orderBy('started_at', 'desc')
    .orderBy(inTurn, 'desc')
    .orderBy('attempt', 'desc')
    .limit(keptRuns)
    .execute()
  return rows.toReversed()
}

/** Days that what scripts wrote is kept. Longer: the table grows with every desktop given back; shorter: nobody has read it. */
const keptDays = 30

export async function setupRunsPrune(db: Db): Promise<void> {
  await sql`delete from setup_run where started_at < now() - ${keptDays} * interval '1 day'`.execute(db)
  await sql`
    delete from setup_run old using (
      select desktop_id, step_id, attempt,
        row_number() over (partition by desktop_id order by started_at desc, attempt desc) as n from setup_run) counted
    where counted.n > ${keptRuns} and (old.desktop_id, old.step_id, old.attempt)
      = (counted.desktop_id, counted.step_id, counted.attempt)`.execute(db)
}
