/**
 * A control process that can be killed between any two of its statements: from then on nothing it asks is answered, and
 * PostgreSQL sees its connections break, so what it had not committed never was.
 */
import { Kysely, PostgresDialect, type PostgresPool } from 'kysely'
import pg from 'pg'
import type { Db } from '../../db/connect.ts'

export interface Statement {
  /** Its text without its values; a commit bears the name of what it makes true. */
  name: string
  /** How often it ran since the last arming, this time included. */
  count: number
  /** The database is another after it: a commit, or what writes by itself. */
  changes: boolean
}

export interface MortalDatabase {
  db: Db
  /** Asked before each statement, for its n-th time since the last arming; true kills. */
  arm(before: (statement: Statement) => boolean): void
  dead: Promise<void>
  isDead(): boolean
}

/** One name for a statement whatever its values and their number are. */
const nameOf = (text: string) =>
  text
    .replaceAll(/\$\d+/g, '$')
    .replaceAll(/\$(, \$)+/g, '$')
    .replaceAll(/(\(\$\))(, \(\$\))+/g, '$1')
    .replaceAll(/\s+/g, ' ')
    .slice(0, 120)

/** Locks (`for update`) write nothing. */
const writing = /\b(insert into|delete from|update "?\w+"?( \w+)? set)\b/i

export function mortalDatabase(url: string): MortalDatabase {
  const pool = new pg.Pool({ connectionString: url, max: 16, allowExitOnIdle: true })
  const open = new Set<pg.PoolClient>()
  const died = Promise.withResolvers<void>()
  let dead = false
  let before: (statement: Statement) => boolean = () => false
  let counts = new Map<string, number>()
  // Connections that this very file cut.
  const cut = () => {}
  pool.on('error', cut)
  pool.on('connect', client => client.on('error', cut))

  const killed = () => new Error('the process was killed')
  const die = () => {
    dead = true
    for (const client of open) (client as unknown as { connection: pg.Connection }).connection.stream.destroy()
    died.resolve()
  }
  const mortal: PostgresPool = {
    options: pool.options,
    async connect() {
      if (dead) throw killed()
      const client = await pool.connect()
      open.add(client)
      let inTransaction = false
      let written: string | null = null
      return {
        query: (async (text: string, values: unknown[]) => {
          const commit = text === 'commit'
          const writes = writing.test(text)
          const name = commit ? `commit of ${written ?? 'nothing'}` : nameOf(text)
          const changes = commit ? written !== null : writes && !inTransaction
          if (text.startsWith('begin')) {
            inTransaction = true
            written = null
          } else if (commit || text === 'rollback') inTransaction = false
          else if (writes) written = name
          const count = (counts.get(name) ?? 0) + 1
          counts.set(name, count)
          if (!dead && before({ name, count, changes })) die()
          if (dead) throw killed()
          return client.query(text, values)
        }) as never,
        release() {
          open.delete(client)
          client.release(dead)
        },
      }
    },
    end: () => pool.end(),
  }
  return {
    db: new Kysely({ dialect: new PostgresDialect({ pool: mortal }) }),
    arm(asked) {
      counts = new Map()
      before = asked
    },
    dead: died.promise,
    isDead: () => dead,
  }
}
