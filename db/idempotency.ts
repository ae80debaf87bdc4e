import type { Db } from './connect.ts'

export interface KeptAnswer {
  requestHash: Buffer
  startedAt: Date
  /** null: the first request is still being worked on. */
  status: number | null
  headers: Record<string, string>
  body: unknown
  /** The answer held a secret and was not kept. */
  secret: boolean
}

/**
 * Takes a key for a person's request.
 * @returns undefined when it is ours now, else what is known of the request that has it.
 */
export async function idempotencyTake(
  db: Db,
  userId: string,
  key: string,
  requestHash: Buffer,
  now: Date,
): Promise<KeptAnswer | undefined> {
  const taken = await db
    .insertInto('idempotency')
    .values({ user_id: userId, key, request_hash: requestHash, started_at: now })
    .onConflict(conflict => conflict.columns(['user_id', 'key']).doNothing())
    .returning('key')
    .executeTakeFirst()
  if (taken) return undefined
  const row = await db
    .selectFrom('idempotency')
    .selectAll()
    .where('user_id', '=', userId)
    .where('key', '=', key)
    .executeTakeFirst()
  // Given back between the two statements: ours after all, at the second try.
  if (!row) return idempotencyTake(db, userId, key, requestHash, now)
  return {
    requestHash: row.request_hash,
    startedAt: row.started_at,
    status: row.status,
    headers: row.headers ?? {},
    body: row.body,
    secret: row.secret,
  }
}

export async function idempotencyKeep(
  db: Db,
  userId: string,
  key: string,
  answer: { status: number; headers: Record<string, string>; body: unknown; secret: boolean },
): Promise<void> {
  await db
    .updateTable('idempotency')
    .set({
      status: answer.status,
      headers: JSON.stringify(answer.headers),
      body: JSON.stringify(answer.body ?? null),
      secret: answer.secret,
    })
    .where('user_id', '=', userId)
    .where('key', '=', key)
    .execute()
}

/** The request failed: the same key may be tried again. */
export async function idempotencyGiveBack(db: Db, userId: string, key: string): Promise<void> {
  await db.deleteFrom('idempotency').where('user_id', '=', userId).where('key', '=', key).execute()
}

export async function idempotencyForgetBefore(db: Db, before: Date): Promise<void> {
  await db.deleteFrom('idempotency').where('started_at', '<', before).execute()
}
