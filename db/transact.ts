import { sql } from 'kysely'
import type { Db, Tx } from './connect.ts'

/** Two transactions that met in the wrong order: PostgreSQL ended one, which simply runs again. */
export const metAnother: readonly string[] = ['40P01', '40001']
/** The place of a person in a pool, which another request took since it was read: read again, the next one is free. */
const placeTaken = 'desktop_pool_id_user_id_user_slot_key'
/** More: somebody waits for what will not come; fewer: a busy minute is told to a person as an error. */
const tries = 5

/**
 * A transaction that runs again when it met another one head-on: agents report rows in their order, people ask in
 * theirs, and two may ask for one person. Whatever it does beside the database must bear being done twice.
 */
export const transact = <T>(db: Db, work: (tx: Tx) => Promise<T>): Promise<T> =>
  again(() => db.transaction().execute(work))

/** The same for work that makes its own transactions and statements. */
export async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (!passing(error as { code?: string; constraint?: string }) || attempt === tries) throw error
    }
  }
}

const passing = ({ code = '', constraint }: { code?: string; constraint?: string }) =>
  metAnother.includes(code) || constraint === placeTaken

class Rehearsed extends Error {}

/** The same, and all of it is taken back: what it answers, or throws, is what it would, and nobody is told of it. */
export async function rehearse<T>(db: Db, work: (tx: Tx) => Promise<T>): Promise<T> {
  const kept: { answer?: T } = {}
  try {
    return await transact(db, async tx => {
      kept.answer = await work(tx)
      throw new Rehearsed()
    })
  } catch (error) {
    if (error instanceof Rehearsed) return kept.answer as T // it was thrown after this was set
    throw error
  }
}

/** A part of a transaction: what it did is taken back when it throws, and the rest goes on. */
export async function apart<T>(tx: Tx, work: () => Promise<T>): Promise<T> {
  await sql`savepoint apart`.execute(tx)
  try {
    const made = await work()
    await sql`release savepoint apart`.execute(tx)
    return made
  } catch (error) {
    await sql`rollback to savepoint apart`.execute(tx)
    throw error
  }
}
