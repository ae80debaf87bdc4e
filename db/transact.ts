import type { Db, Tx } from './connect.ts'

/** Two transactions that met in the wrong order: PostgreSQL ended one, which simply runs again. */
export const metAnother: readonly string[] = ['40P01', '40001']
/** More: somebody waits for what will not come; fewer: a busy minute is told to a person as an error. */
const tries = 5

/**
 * A transaction that runs again when it met another one head-on: agents report rows in their order, people ask in
 * theirs. Whatever it does beside the database must bear being done twice.
 */
export const transact = <T>(db: Db, work: (tx: Tx) => Promise<T>): Promise<T> =>
  again(() => db.transaction().execute(work))

/** The same for work that makes its own transactions and statements. */
export async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (!metAnother.includes((error as { code?: string }).code ?? '') || attempt === tries) throw error
    }
  }
}
