/** Opaque tokens: 256 random bits, of which only the SHA-256 is kept. A fast hash is right: there is nothing to guess. */
import { createHash, randomBytes } from 'node:crypto'
import type { Db, Tx } from '../db/connect.ts'
import { tokenCreate, tokenDelete, tokenList } from '../db/tokens.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'

/** Secret scanners find it by this beginning. */
const prefix = 'hdcs_'
const tokenForm = /^hdcs_[A-Za-z0-9_-]{43}$/

const hourMs = 3_600_000
/** Since the last request. Longer: a forgotten screen stays open; shorter: people sign in twice a day. */
export const sessionMs = 12 * hourMs
/** Since the sign-in, however busy. */
export const sessionMaxMs = 7 * 24 * hourMs

export interface MadeToken {
  id: string
  /** Shown once. */
  token: string
  expiresAt: Date
}

/** @returns undefined for what cannot be a token of ours: no need to ask the database. */
export function tokenHash(token: string): Buffer | undefined {
  return tokenForm.test(token) ? createHash('sha256').update(token).digest() : undefined
}

export async function sessionOpen(db: Db | Tx, userId: string, name: string, now: Date): Promise<MadeToken> {
  return make(db, { userId, kind: 'session', name, now, expiresAt: new Date(now.getTime() + sessionMs) })
}

/** An API token for programs: named, so that its owner knows later what would stop working. */
export async function apiTokenMake(
  db: Db,
  userId: string,
  wish: { name: string; days: number },
  now: Date,
): Promise<MadeToken> {
  const expiresAt = new Date(now.getTime() + wish.days * 24 * hourMs)
  return make(db, { userId, kind: 'api', name: wish.name, now, expiresAt })
}

export async function apiTokenList(db: Db, userId: string, now: Date) {
  const rows = await tokenList(db, userId, 'api', now)
  return rows.map(row => ({
    id: row.id,
    name: row.name,
    createdAt: row.created_at.toISOString(),
    expiresAt: row.expires_at.toISOString(),
    lastUsedAt: row.last_used_at?.toISOString() ?? null,
  }))
}

/** @throws HdcsError `not_found`: the person has no such token. */
export async function apiTokenDelete(db: Db, userId: string, id: string): Promise<void> {
  if (!(await tokenDelete(db, userId, id))) throw new HdcsError('not_found', 'There is no such token.')
}

async function make(
  db: Db | Tx,
  wish: { userId: string; kind: 'session' | 'api'; name: string; now: Date; expiresAt: Date },
): Promise<MadeToken> {
  const token = `${prefix}${randomBytes(32).toString('base64url')}`
  const hash = createHash('sha256').update(token).digest()
  const id = newId()
  await tokenCreate(db, {
    id,
    user_id: wish.userId,
    kind: wish.kind,
    name: wish.name,
    hash,
    created_at: wish.now,
    expires_at: wish.expiresAt,
  })
  return { id, token, expiresAt: wish.expiresAt }
}
