/** From a token to the person: one indexed statement per request at most, and none for two seconds after it. */
import type { Db } from '../db/connect.ts'
import { type TokenOwner, tokenFind } from '../db/tokens.ts'
import { userGet } from '../db/users.ts'
import type { Clock } from '../lib/clock.ts'
import { permissionsOf, type Role, roles } from './policy.ts'
import type { Principal } from './principal.ts'
import { sessionMaxMs, sessionMs, tokenHash } from './tokens.ts'

/**
 * A page loads with a dozen requests at once: they share one look-up. Longer: a token ended by another control
 * process keeps working that long (DESIGN promises 2 s; in this process `forget` makes it at once).
 */
const cachedMs = 2_000
/** Higher: memory for people long gone; lower: busy sites look up at each request. */
const cachedMost = 10_000
/** How exact "last used" is, and how rarely a busy session costs a write. */
const noteEveryMs = 5 * 60_000

export interface Principals {
  /** @returns undefined: no such token, expired, revoked, or its owner is disabled. */
  find(token: string): Promise<Principal | undefined>
  /** A token or all tokens of a person ended or changed their rights: the next request asks the database. */
  forget(which: { tokenId?: string; userId?: string }): void
}

interface Cached {
  owner: Promise<TokenOwner | undefined>
  found: TokenOwner | undefined
  until: number
}

export function makePrincipals(db: Db, clock: Clock): Principals {
  const cache = new Map<string, Cached>()

  function look(hash: Buffer, now: Date): Cached {
    const owner = tokenFind(db, hash, {
      now,
      noteBefore: new Date(now.getTime() - noteEveryMs),
      sessionUntil: new Date(now.getTime() + sessionMs),
      sessionsFrom: new Date(now.getTime() - sessionMaxMs),
    })
    return { owner, found: undefined, until: now.getTime() + cachedMs }
  }

  return {
    async find(token) {
      const hash = tokenHash(token)
      if (!hash) return undefined
      const key = hash.toString('base64')
      const now = clock.now()
      const known = cache.get(key)
      const entry = known && known.until > now.getTime() ? known : look(hash, now)
      if (entry !== known) {
        cache.delete(key) // to the end of the map's order: the first is always the oldest
        cache.set(key, entry)
        const oldest = cache.keys().next()
        if (cache.size > cachedMost && !oldest.done) cache.delete(oldest.value)
      }
      try {
        entry.found = await entry.owner
      } catch (error) {
        if (cache.get(key) === entry) cache.delete(key) // a failed question is no answer: the next one asks again
        throw error
      }
      if (!entry.found) {
        if (cache.get(key) === entry) cache.delete(key) // strangers shall not push people out
        return undefined
      }
      return entry.found.expiresAt > now ? principalOf(entry.found) : undefined
    },
    forget({ tokenId, userId }) {
      for (const [key, entry] of cache) {
        // An unanswered question may still bring the old answer: it goes too.
        if (!entry.found || entry.found.tokenId === tokenId || entry.found.userId === userId) cache.delete(key)
      }
    },
  }
}

/**
 * A person whose request is gone on with after it ended, with the rights they have now; it has no token.
 * @returns undefined: they are gone or disabled.
 */
export async function principalAgain(db: Db, userId: string): Promise<Principal | undefined> {
  const user = await userGet(db, userId)
  if (!user || user.disabled) return undefined
  return principalOf({ userId, name: user.name, displayName: user.display_name, roles: user.roles, tokenId: '' })
}

function principalOf(owner: Omit<TokenOwner, 'kind' | 'expiresAt'>): Principal {
  const held = roles.filter((role): role is Role => owner.roles.includes(role))
  return {
    userId: owner.userId,
    name: owner.name,
    displayName: owner.displayName,
    roles: held,
    permissions: permissionsOf(held),
    tokenId: owner.tokenId,
  }
}
