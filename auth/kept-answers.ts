/** The answers a person's repeated requests get again; api/idempotency.ts decides when. */
import type { Db } from '../db/connect.ts'
import {
  idempotencyForgetBefore,
  idempotencyGiveBack,
  idempotencyKeep,
  idempotencyTake,
  type KeptAnswer,
} from '../db/idempotency.ts'

export type { KeptAnswer }

export interface KeptAnswers {
  /** @returns undefined when the key is ours now, else what is known of the request that has it. */
  take(userId: string, key: string, requestHash: Buffer, now: Date): Promise<KeptAnswer | undefined>
  keep(
    userId: string,
    key: string,
    answer: { status: number; headers: Record<string, string>; body: unknown; secret: boolean },
  ): Promise<void>
  /** The request failed: the same key may be tried again. */
  giveBack(userId: string, key: string): Promise<void>
  forgetBefore(before: Date): Promise<void>
}

export function makeKeptAnswers(db: Db): KeptAnswers {
  return {
    take: (userId, key, requestHash, now) => idempotencyTake(db, userId, key, requestHash, now),
    keep: (userId, key, answer) => idempotencyKeep(db, userId, key, answer),
    giveBack: (userId, key) => idempotencyGiveBack(db, userId, key),
    forgetBefore: before => idempotencyForgetBefore(db, before),
  }
}
