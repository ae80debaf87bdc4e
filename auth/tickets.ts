/**
 * The sealed ticket carries the route: whoever can open it (the gateway) knows which SPICE server to link to, with
 * which password, for whom and what is allowed, and needs no database. Sealed as a JWE (RFC 7516, `dir` with
 * A256GCM); the key is shared by control plane and gateways.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { EncryptJWT, errors, jwtDecrypt } from 'jose'
import { z } from 'zod'
import { HdcsError } from '../lib/errors.ts'

/** Before its first use a ticket is good for this long. Longer: a leaked URL works longer; shorter: slow browsers miss it. */
export const ticketSeconds = 60

const ticketSchema = z.object({
  /** Unique: the gateway admits it once. */
  id: z.string(),
  sessionId: z.string(),
  userId: z.string(),
  desktopId: z.string(),
  desktopName: z.string(),
  spice: z.object({ host: z.string(), port: z.number().int().min(1).max(65535), password: z.string() }),
  /** SPICE channel types that may be opened (1 main, 2 display, 3 inputs, 4 cursor, 5 playback, 6 record, 9 usbredir, 10 port, 11 webdav). */
  channels: z.array(z.number().int()),
  /** `class,vendor,product,version,allow|…`; first match wins. */
  usbFilter: z.string(),
})
export type Ticket = z.infer<typeof ticketSchema>

const issuer = 'hdcs'

/** What a gateway shows the control plane: derived from the ticket key, which stays unsaid. */
export const gatewayKey = (ticketKey: Uint8Array): string =>
  createHmac('sha256', ticketKey).update('hdcs gateway line').digest('base64url')

export function gatewayKeyMatches(shown: string, ticketKey: Uint8Array): boolean {
  const [given, own] = [Buffer.from(shown), Buffer.from(gatewayKey(ticketKey))]
  return given.length === own.length && timingSafeEqual(given, own)
}

/** @param key 32 bytes. */
export async function sealTicket(ticket: Ticket, key: Uint8Array, now: Date): Promise<string> {
  const seconds = Math.floor(now.getTime() / 1000)
  return new EncryptJWT({ ticket })
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
    .setIssuer(issuer)
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + ticketSeconds)
    .encrypt(key)
}

/** @throws HdcsError `forbidden`: not ours, changed, or too old. */
export async function openTicket(sealed: string, key: Uint8Array, now: Date): Promise<Ticket> {
  try {
    const { payload } = await jwtDecrypt(sealed, key, {
      issuer,
      currentDate: now,
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
    })
    return ticketSchema.parse(payload.ticket)
  } catch (cause) {
    const expired = cause instanceof errors.JWTExpired
    throw new HdcsError('forbidden', expired ? 'The ticket has expired: connect again.' : 'The ticket is not valid.', {
      cause,
    })
  }
}

/**
 * The two ends of a serial console meet at a gateway: the page and the machine's host each show a ticket of the same
 * console. Sealed under another name: neither kind opens the other.
 */
const consoleSchema = z.object({
  /** Of this console: both ends have it, and it is used once by each. */
  id: z.string(),
  side: z.enum(['page', 'host']),
  desktopId: z.string(),
})
export type ConsoleTicket = z.infer<typeof consoleSchema>

const consoleIssuer = 'hdcs console'

/** @param key 32 bytes. */
export async function sealConsole(ticket: ConsoleTicket, key: Uint8Array, now: Date): Promise<string> {
  const seconds = Math.floor(now.getTime() / 1000)
  return new EncryptJWT({ ticket })
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
    .setIssuer(consoleIssuer)
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + ticketSeconds)
    .encrypt(key)
}

/** @throws HdcsError `forbidden`: not ours, changed, or too old. */
export async function openConsole(sealed: string, key: Uint8Array, now: Date): Promise<ConsoleTicket> {
  try {
    const { payload } = await jwtDecrypt(sealed, key, {
      issuer: consoleIssuer,
      currentDate: now,
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
    })
    return consoleSchema.parse(payload.ticket)
  } catch (cause) {
    throw new HdcsError('forbidden', 'The console’s ticket is not valid any more: open it again.', { cause })
  }
}
