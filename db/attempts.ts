import type { Db } from './connect.ts'

/** What is known of failed sign-ins under one key (a name or an address). */
export interface Attempts {
  failures: number
  lastFailedAt: Date
  blockedUntil: Date
}

export async function attemptsFind(db: Db, keys: string[]): Promise<Map<string, Attempts>> {
  const rows = await db.selectFrom('login_attempt').selectAll().where('key', 'in', keys).execute()
  return new Map(rows.map(row => [row.key, attemptsOf(row)]))
}

/** Notes a failure under each key; `next` decides what it means. Rows are locked in order, so none is lost. */
export async function attemptsNote(
  db: Db,
  keys: string[],
  next: (key: string, before: Attempts | undefined) => Attempts,
): Promise<void> {
  const never = new Date(0)
  await db.transaction().execute(async tx => {
    await tx
      .insertInto('login_attempt')
      .values([...keys].sort().map(key => ({ key, failures: 0, last_failed_at: never, blocked_until: never })))
      .onConflict(conflict => conflict.column('key').doNothing())
      .execute()
    const rows = await tx
      .selectFrom('login_attempt')
      .selectAll()
      .where('key', 'in', keys)
      .orderBy('key')
      .forUpdate()
      .execute()
    for (const row of rows) {
      const after = next(row.key, row.failures === 0 ? undefined : attemptsOf(row))
      await tx
        .updateTable('login_attempt')
        .set({ failures: after.failures, last_failed_at: after.lastFailedAt, blocked_until: after.blockedUntil })
        .where('key', '=', row.key)
        .execute()
    }
  })
}

export async function attemptsForget(db: Db, key: string): Promise<void> {
  await db.deleteFrom('login_attempt').where('key', '=', key).execute()
}

/** Old failures mean nothing any more: keeps the table as small as the last hours' attacks. */
export async function attemptsForgetBefore(db: Db, before: Date): Promise<void> {
  await db
    .deleteFrom('login_attempt')
    .where('last_failed_at', '<', before)
    .where('blocked_until', '<', before)
    .execute()
}

function attemptsOf(row: { failures: number; last_failed_at: Date; blocked_until: Date }): Attempts {
  return { failures: row.failures, lastFailedAt: row.last_failed_at, blockedUntil: row.blocked_until }
}
