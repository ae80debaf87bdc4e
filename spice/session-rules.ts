/** What a page does when a channel closes or a ticket is refused. Pure: tables, and the wait between tries. */
import type { ErrorCode } from '../lib/errors.ts'
import { closeCodes } from './close-codes.ts'

/** Why a session is not ready; the page has the words for each. */
export type SessionReason =
  /** The network or the gateway went away: retried. */
  | 'network'
  /** The desktop does not answer (booting, its host away, its password not set in time): retried. */
  | 'desktop_unreachable'
  /** The desktop moved to another host: retried at once. */
  | 'moved'
  /** Another page or viewer opened this desktop, or it was shut down: the API says that it did not move. Not retried. */
  | 'taken_over_or_off'
  /** Ended by an administrator, a timer, or the release of the desktop. Not retried. */
  | 'ended'
  /** Somebody else opened the screen: an administrator, or its person again. Not retried. */
  | 'taken'
  /** `connect` was refused by the API (its HdcsError is in `cause`). Not retried, except what may pass by itself. */
  | 'refused'
  /** This page called `close`. */
  | 'left'

export interface Decision {
  reason: SessionReason
  /** `follow`: at once, if the desktop has moved; the API knows. */
  retry: 'no' | 'soon' | 'follow'
}

const decisions: Readonly<Record<number, Decision>> = {
  // Coming back unasked would throw the other one out, who would come back: two pages fighting for ever.
  [closeCodes.desktopClosed]: { reason: 'taken_over_or_off', retry: 'follow' },
  [closeCodes.mainClosed]: { reason: 'taken_over_or_off', retry: 'follow' },
  [closeCodes.connectionBroken]: { reason: 'desktop_unreachable', retry: 'soon' },
  [closeCodes.linkFailed]: { reason: 'desktop_unreachable', retry: 'soon' },
  [closeCodes.kicked]: { reason: 'ended', retry: 'no' },
  [closeCodes.taken]: { reason: 'taken', retry: 'no' },
  [closeCodes.stalled]: { reason: 'network', retry: 'soon' },
  [closeCodes.moved]: { reason: 'moved', retry: 'follow' },
  [closeCodes.gatewayClosing]: { reason: 'network', retry: 'soon' },
}

/** Everything else is the browser's own: 1006 is a network that went away, or an upgrade that was refused. */
export function closeDecision(code: number): Decision {
  return decisions[code] ?? { reason: 'network', retry: 'soon' }
}

/** Answers of the API that trying again does not change. */
const final: readonly ErrorCode[] = ['forbidden', 'not_found', 'unauthenticated', 'conflict', 'invalid', 'unsupported']

export function refusalDecision(code: ErrorCode | undefined): Decision {
  if (code === undefined) return { reason: 'network', retry: 'soon' }
  return { reason: 'refused', retry: final.includes(code) ? 'no' : 'soon' }
}

const firstWaitMs = 500
/** Higher: a person waits for nothing after the network is back; lower: a thousand pages hammer a restarted gateway. */
const longestWaitMs = 10_000

/** @param attempt from 1. @param random 0 to 1: pages that lost the same gateway must not come back in one moment. */
export function retryWaitMs(attempt: number, random: number): number {
  const wait = Math.min(longestWaitMs, firstWaitMs * 2 ** (attempt - 1))
  return Math.round(wait * (0.75 + random / 2))
}
