/**
 * Who is in: each ticket id opens one session, its first channel is main, and further channels come while main is
 * open. Holds no sockets' bytes and reads no clock of its own, so the whole ticket matrix is a table in its tests.
 */
import { type Ticket, ticketSeconds } from '../auth/tickets.ts'
import type { CloseCode } from './close-codes.ts'

/** One open channel; ended by the gateway from outside. */
export interface Channel {
  end(code: CloseCode, reason: string): void
}

/** How its first channel came. The other door stays shut: a browser's open session is no way in for a tunnel. */
export type DoorName = 'browser' | 'native'

export interface Admission {
  ticket: Ticket
  door: DoorName
  /** SPICE's own id, once the server said it on main; 0 before, and for native clients, who know it themselves. */
  connectionId: number
  /** Main is open and further channels may come. */
  ready: boolean
  channels: Set<Channel>
  /** Channels ever opened, against a page that opens and closes for ever. */
  opened: number
}

export type Refusal =
  | 'not valid'
  | 'used'
  | 'channel not allowed'
  | 'no main channel'
  | 'too many channels'
  | 'wrong origin'
  | 'not a request for a channel'
  | 'closing'

/** HTTP's number for each refusal. */
export const refusalStatus = {
  'not valid': 403,
  used: 403,
  'channel not allowed': 403,
  'no main channel': 409,
  'too many channels': 429,
  'wrong origin': 403,
  'not a request for a channel': 404,
  closing: 503,
} as const satisfies Record<Refusal, number>

const mainType = 1
/** A full client opens six to twelve. Higher: one ticket holds more sockets; lower: USB slots and second screens miss out. */
const maxOpenChannels = 24
/** Reopened channels count too. Lower: a day of USB plugging ends it. */
const maxOpenedChannels = 1000

export interface Admissions {
  /** The open session of this sealed ticket, if there is one: it outlives the ticket's own time. */
  find(sealed: string, door: DoorName): Admission | 'used' | undefined
  /** Opens the session of a ticket that was just unsealed; once. */
  begin(sealed: string, ticket: Ticket, door: DoorName, now: Date): Admission | Refusal
  end(sealed: string): void
  /** Refuses tickets of a session from now on, used or not. @returns what is open of it. */
  shut(sessionId: string, now: Date): Admission[]
  all(): Admission[]
}

export function makeAdmissions(): Admissions {
  const open = new Map<string, Admission>()
  /** Ticket ids that were used, until the tickets themselves are too old to be shown again. */
  const used = new Map<string, number>()
  /** Sessions that were ended, for as long as a ticket of theirs may still be in somebody's hand. */
  const shut = new Map<string, number>()
  const ticketsGone = (now: Date) => now.getTime() + 2 * ticketSeconds * 1000
  return {
    find(sealed, door) {
      const found = open.get(sealed)
      return found && found.door !== door ? 'used' : found
    },
    begin(sealed, ticket, door, now) {
      for (const past of [used, shut]) for (const [id, until] of past) if (until < now.getTime()) past.delete(id)
      if (used.has(ticket.id) || shut.has(ticket.sessionId)) return 'used'
      used.set(ticket.id, ticketsGone(now))
      const admission: Admission = { ticket, door, connectionId: 0, ready: false, channels: new Set(), opened: 0 }
      open.set(sealed, admission)
      return admission
    },
    end: sealed => void open.delete(sealed),
    shut(sessionId, now) {
      shut.set(sessionId, ticketsGone(now))
      return [...open.values()].filter(({ ticket }) => ticket.sessionId === sessionId)
    },
    all: () => [...open.values()],
  }
}

/** Whether this admission may have one more channel of this type now; undefined: yes. */
export function channelRefusal(admission: Admission, channelType: number): Refusal | undefined {
  if (!admission.ticket.channels.includes(channelType)) return 'channel not allowed'
  if (channelType !== mainType && !admission.ready) return 'no main channel'
  if (admission.channels.size >= maxOpenChannels || admission.opened >= maxOpenedChannels) return 'too many channels'
  return undefined
}
