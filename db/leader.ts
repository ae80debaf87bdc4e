import { type Kysely, sql } from 'kysely'
import pg from 'pg'
import { pause } from '../lib/clock.ts'
import type { Database } from './schema.ts'

const lockId = 4712
/** Shorter: idle queries of every process that waits; longer: nobody reconciles for so long after the leader died. */
const tryMs = 1_000

/**
 * Of all processes on one database, one leads: it holds an advisory lock on a connection of its own, and loses both
 * together. `lead` runs while the lock is held; its signal ends when the connection breaks or this is disposed.
 */
export function leadDatabase(
  url: string,
  lead: (signal: AbortSignal) => Promise<void>,
  failed: (error: unknown) => void,
): AsyncDisposable {
  const stopped = new AbortController()

  const leadOnce = async () => {
    const client = new pg.Client({ connectionString: url, keepAlive: true })
    const lost = new AbortController()
    const gone = new Promise<void>(resolve => {
      const end = () => {
        lost.abort()
        resolve()
      }
      client.once('end', end)
      client.on('error', end)
      stopped.signal.addEventListener('abort', end)
    })
    try {
      await client.connect()
      while (!lost.signal.aborted) {
        const { rows } = await client.query<{ locked: boolean }>(`select pg_try_advisory_lock(${lockId}) as locked`)
        if (rows[0]?.locked) break
        await pause(tryMs, lost.signal)
      }
      if (!lost.signal.aborted) {
        const led = lead(lost.signal)
        await gone
        await led
      }
    } finally {
      await client.end().catch(() => {}) // already broken: the lock went with it
    }
  }

  const finished = (async () => {
    while (!stopped.signal.aborted) {
      await leadOnce().catch(error => {
        if (!stopped.signal.aborted) failed(error)
      })
      await pause(stopped.signal.aborted ? 0 : tryMs, stopped.signal)
    }
  })()

  return {
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await finished
    },
  }
}

/** Whether any process leads right now. */
export async function leaderExists(db: Kysely<Database>): Promise<boolean> {
  const { rows } = await sql<{ there: boolean }>`
    select exists (select from pg_locks where locktype = 'advisory' and objid = ${lockId} and granted
      and database = (select oid from pg_database where datname = current_database())) as there`.execute(db)
  return rows[0]?.there ?? false
}
