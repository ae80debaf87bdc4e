import { Kysely, PostgresDialect, type Transaction } from 'kysely'
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
    onConnect: async client => void (await client.query(plansInOrder)),
  })
  pool.on('error', report)
  pool.on('connect', client => client.on('error', report))
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
}
