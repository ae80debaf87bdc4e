import { Kysely, PostgresDialect, type SelectQueryBuilder, sql, type Transaction } from 'kysely'
import pg from 'pg'
import type { Database } from './schema.ts'

export type Db = Kysely<Database>
export type Tx = Transaction<Database>

// Counts and sums come as bigint, which pg hands out as text; none of ours leaves 2^53 (bytes of a site: 9 PB).
pg.types.setTypeParser(pg.types.builtins.INT8, Number)

/** More: PostgreSQL's 100 connections are used up by few processes; fewer: claims of a class wait for each other. */
const connections = 16

/** Kept though nobody asks. Fewer: an idle site makes new ones, each a process, all the time; more: memory for nothing. */
const kept = 2

/**
 * Of a statement that joins more tables than these, the order stands as it is written: the table that is looked through
 * first. Higher: PostgreSQL plans a page of desktops (7 tables) for longer than it takes to read it; lower: it cannot
 * turn a short statement around whose other table has fewer rows.
 */
export const plansInOrder = 'set join_collapse_limit = 4'

/** Stands in statements whose plan each connection keeps. */
const planKept = '/* plan kept */'
/** Higher: each is some 100 KiB of a server's memory; lower: filters that are less common are planned anew each time. */
const plansMost = 50
/** What was planned does not fit the tables any more: another process has changed them meanwhile. */
const planOutdated = '0A000'

/** For `like`: whatever holds this text. `%`, `_` and `\\` typed by a person are themselves. */
export const holding = (text: string) => `%${text.replace(/[\\%_]/g, '\\$&')}%`

/**
 * Ends a list that people open again and again: it joins so many tables that planning it takes longer than reading it.
 * Its length stands in the text, because the best plan depends on it.
 */
export function pageOfRows<DB, TB extends keyof DB, O>(query: SelectQueryBuilder<DB, TB, O>, limit?: number) {
  if (limit === undefined) return query.limit(1000)
  return query.modifyFront(sql.raw(planKept)).limit(sql.lit(limit))
}

function keepPlans(client: pg.ClientBase) {
  const names = new Map<string, string>()
  let given = 0
  const send = client.query.bind(client) as (...given: unknown[]) => Promise<pg.QueryResult>
  const query = async (text: string, values?: unknown[]) => {
    const name = names.get(text) ?? (names.size < plansMost ? `page ${++given}` : undefined)
    if (name === undefined) return send(text, values)
    names.set(text, name)
    try {
      return await send({ name, text, values })
    } catch (error) {
      if ((error as pg.DatabaseError).code !== planOutdated) throw error
      names.delete(text)
      return send(text, values)
    }
  }
  const kept = (text: unknown) => typeof text === 'string' && text.startsWith(`select ${planKept}`)
  client.query = ((...given: [string, unknown[]]) =>
    kept(given[0]) ? query(...given) : send(...given)) as typeof client.query
}

/**
 * @param report hears of connections that the server ended. A connection is an event emitter: an error nobody
 *   listens for ends the process, even one that is idle or already closing while the database shuts down.
 */
export function connectDatabase(url: string, report: (error: Error) => void, max = connections): Db {
  const pool = new pg.Pool({
    connectionString: url,
    max,
    min: Math.min(kept, max),
    allowExitOnIdle: true,
    async onConnect(client) {
      await client.query(plansInOrder)
      keepPlans(client)
    },
  })
  pool.on('error', report)
  pool.on('connect', client => client.on('error', report))
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
}
