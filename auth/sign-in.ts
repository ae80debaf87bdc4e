import { attemptsFind, attemptsForget, attemptsForgetBefore, attemptsNote } from '../db/attempts.ts'
import { tokenDelete, tokenDeleteExpired } from '../db/tokens.ts'
import { userByName } from '../db/users.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Auth } from './auth.ts'
import { passwordVerify } from './password.ts'
import type { Principal } from './principal.ts'
import { attemptKeys, attemptsAfter, attemptsKeptMs, attemptsWaitMs } from './ratelimit.ts'
import { type MadeToken, sessionOpen } from './tokens.ts'

export interface SignedIn extends MadeToken {
  userId: string
}

/**
 * Opens a session. Whether the name, the password or the account was wrong is not said.
 * @throws HdcsError `unauthenticated`, or `rate_limited` with the seconds to wait, which holds for the right password too.
 */
export async function signIn(
  auth: Auth,
  wish: { name: string; password: string; clientAddress: string },
): Promise<SignedIn> {
  const { db, clock } = auth
  const name = wish.name.trim().toLowerCase()
  const keys = attemptKeys(name, wish.clientAddress)
  // Checked when the turn to hash has come, so that a thousand tries at once are no more than a few in a row.
  const refuseIfBlocked = async () => {
    const waitMs = attemptsWaitMs((await attemptsFind(db, [keys.name, keys.address])).values(), clock.now())
    if (waitMs <= 0) return
    const retryAfterSeconds = Math.ceil(waitMs / 1000)
    throw new HdcsError('rate_limited', `Too many failed sign-ins: try again in ${retryAfterSeconds} s.`, {
      retryAfterSeconds,
    })
  }
  await refuseIfBlocked()
  const user = await userByName(db, name)
  const usable = user && !user.disabled ? user : undefined
  const right = await passwordVerify(wish.password, usable?.password_hash ?? null, {
    before: refuseIfBlocked,
    after: async right => {
      // Only the name's: a guesser with an account of their own must not clear their address by it.
      if (right) return attemptsForget(db, keys.name)
      await attemptsNote(db, [keys.name, keys.address], (key, before) => attemptsAfter(key, before, clock.now()))
    },
  })
  const now = clock.now()
  if (!right || !usable) {
    await attemptsForgetBefore(db, new Date(now.getTime() - attemptsKeptMs))
    throw new HdcsError('unauthenticated', 'Name or password is wrong.')
  }
  await tokenDeleteExpired(db, now)
  return { ...(await sessionOpen(db, usable.id, `Signed in from ${wish.clientAddress}`, now)), userId: usable.id }
}

/** Ends the session (or the API token) behind this request. */
export async function signOut(auth: Auth, principal: Principal): Promise<void> {
  await tokenDelete(auth.db, principal.userId, principal.tokenId)
  auth.principals.forget({ tokenId: principal.tokenId })
}
