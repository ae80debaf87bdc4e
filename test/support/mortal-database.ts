/**
 * A control process that can be killed between any two of its statements: from then on nothing it asks is answered, and
 * PostgreSQL sees its connections break, so what it had not committed never was.
 */
import { Kysely, PostgresDialect, type PostgresPool } from 'kysely'
import pg from 'pg'
import type { Db } from '../../db/connect.ts'

export interface MortalDatabase {
  db: Db
  /** Asked before each statement, named `text#n` for its n-th time since the last arming; true kills. */
  arm(before: (statement: string) => boolean): void
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

export function mortalDatabase(url: string): MortalDatabase {
  const pool = new pg.Pool({ connectionString: url, max: 16, allowExitOnIdle: true })
  const open = new Set<pg.PoolClient>()
  const died = Promise.withResolvers<void>()
  let dead = false
  let before: (statement: string) => boolean = () => false
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
      return {
        query: (async (text: string, values: unknown[]) => {
          const name = nameOf(text)
          const count = (counts.get(name) ?? 0) + 1
          counts.set(name, count)
          if (!dead && before(`${name}#${count}`)) die()
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
