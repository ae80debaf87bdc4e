/** Growing delays for failed sign-ins, per name and per address. Pure: the database keeps, sign-in.ts asks. */
import ipaddr from 'ipaddr.js'
import type { Attempts } from '../db/attempts.ts'

interface Limit {
  /** Failures that cost nothing yet. */
  free: number
  /** The delay after the next one; each further one doubles it. */
  firstDelayMs: number
  maxDelayMs: number
}

/**
 * A name: people mistype; more free tries help a guesser, a longer delay lets anybody lock others out.
 * An address: a school sits behind one; fewer free tries lock a class out on a Monday.
 */
const limits = {
  name: { free: 5, firstDelayMs: 1_000, maxDelayMs: 5 * 60_000 },
  address: { free: 30, firstDelayMs: 1_000, maxDelayMs: 15 * 60_000 },
} as const satisfies Record<string, Limit>

/** Failures older than this mean nothing any more. */
export const attemptsKeptMs = 60 * 60_000

/** How long to wait before the next try under these keys; 0: now. */
export function attemptsWaitMs(known: Iterable<Attempts>, now: Date): number {
  let waitMs = 0
  for (const attempts of known) waitMs = Math.max(waitMs, attempts.blockedUntil.getTime() - now.getTime())
  return waitMs
}

/** What is known under a key after one more failure. */
export function attemptsAfter(key: string, before: Attempts | undefined, now: Date): Attempts {
  const limit = key.startsWith('name:') ? limits.name : limits.address
  const fresh = !before || now.getTime() - before.lastFailedAt.getTime() > attemptsKeptMs
  const failures = (fresh ? 0 : before.failures) + 1
  const excess = failures - limit.free
  const delayMs = excess < 0 ? 0 : Math.min(limit.firstDelayMs * 2 ** Math.min(excess, 30), limit.maxDelayMs)
  return { failures, lastFailedAt: now, blockedUntil: new Date(now.getTime() + delayMs) }
}

export function attemptKeys(name: string, clientAddress: string): { name: string; address: string } {
  return { name: `name:${name}`, address: `address:${addressGroup(clientAddress)}` }
}

/** An IPv6 network of 64 bits is one customer: its addresses count together. */
function addressGroup(text: string): string {
  if (!ipaddr.isValid(text)) return text
  const address = ipaddr.process(text)
  if (address instanceof ipaddr.IPv4) return address.toString()
  return `${address.parts
    .slice(0, 4)
    .map(part => part.toString(16))
    .join(':')}::/64`
}
